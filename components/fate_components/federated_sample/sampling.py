"""Drawing rows. Every function gives positions in ascending order, a row drawn several times several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def draw(rng: np.random.Generator, rows: Rows, share: float, *, replacement: bool) -> Rows:
    """A share of the given rows, rounded down, but one at least; shape (drawn,)."""
    if not rows.size:
        return rows
    return np.sort(rng.choice(rows, max(1, int(share * rows.size)), replace=replacement))


def draw_by_stratum(rng: np.random.Generator, strata: Rows, shares: Sequence[float], *, replacement: bool) -> Rows:
    """Of every stratum its share of the rows, shape (drawn,).

    Args:
        strata: number of each row's stratum, shape (rows,).
    """
    drawn = [
        draw(rng, np.flatnonzero(strata == stratum), share, replacement=replacement)
        for stratum, share in enumerate(shares)
    ]
    return np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))


def repeat_by_weight(weight: Floats) -> Rows:
    """Every row as many times as its weight, rounded up."""
    return np.repeat(np.arange(weight.size), np.ceil(weight).astype(np.int64))


def copy_numbers(rows: Rows) -> Rows:
    """Counts, from 0, how often a row was there before; shape (len(rows),)."""
    return np.arange(rows.size) - np.searchsorted(rows, rows)
