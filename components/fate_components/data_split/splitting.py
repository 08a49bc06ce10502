"""How many rows each set gets, and which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fate_components.data_split.spec import Size
from fate_federated.errors import DataError

TRAIN, VALIDATE, TEST = 0, 1, 2

Sets = npt.NDArray[np.int8]
Rows = npt.NDArray[np.int64]


def count_rows(rows: int, sizes: tuple[Size, Size, Size]) -> tuple[int, int, int]:
    """Rows for training, validation and test.

    Args:
        sizes: of these three, counts or shares; None for what follows from the others.

    Raises:
        DataError: counts are not those of the table.
    """
    train, validate, test = sizes
    if train is None and validate is None and test is None:
        train, validate, test = 0.8, 0.2, 0.0
    whole = 1.0 if any(isinstance(size, float) for size in (train, validate, test)) else rows
    if train is None:
        validate, test = validate or 0, test or 0
        train = whole - validate - test
    elif test is None:
        validate = validate or 0
        test = whole - train - validate
    elif validate is None:
        validate = whole - train - test
    if whole == 1.0 and isinstance(whole, float):
        rest = max(validate + test, 0.0)
        train_rows = min(round(train * rows), rows)
        validate_rows = round((rows - train_rows) * min(validate / rest, 1.0)) if rest else rows - train_rows
        return train_rows, validate_rows, rows - train_rows - validate_rows
    if min(train, validate, test) < 0 or train + validate + test != rows:
        given = ", ".join(
            f"{name} {size}"
            for name, size in zip(("train_size", "validate_size", "test_size"), sizes, strict=True)
            if size is not None
        )
        raise DataError(f"{given} do not make up the {rows} rows of the table.")
    return int(train), int(validate), int(test)


def split_rows(counts: tuple[int, int, int], strata: Rows, order: Rows, rng: np.random.Generator) -> Sets:
    """The set of each row, TRAIN, VALIDATE or TEST, shape (rows,).

    Args:
        counts: rows of each set.
        strata: number of each row's stratum, shape (rows,). Every stratum is shared out in the same proportions, up to
            one row.
        order: positions of the rows, shape (rows,); the first of each stratum are for training, then for validation.
        rng: decides between strata with an equal claim to a row.
    """
    sets = np.full(strata.size, TEST, np.int8)
    # All strata's rows one after the other, each in the given order.
    rows = order[np.argsort(strata[order], kind="stable")]
    sizes = np.bincount(strata)
    train = _share_out(counts[TRAIN], sizes, rng)
    validate = _share_out(counts[VALIDATE], sizes - train, rng)
    starts = np.cumsum(sizes) - sizes
    place = np.arange(strata.size) - np.repeat(starts, sizes)
    sets[rows[place < np.repeat(train + validate, sizes)]] = VALIDATE
    sets[rows[place < np.repeat(train, sizes)]] = TRAIN
    return sets


def _share_out(total: int, sizes: Rows, rng: np.random.Generator) -> Rows:
    """Rows to take of each stratum: its exact share rounded down, the rest to those with the largest remainders."""
    if not total:
        return np.zeros_like(sizes)
    exact = sizes * (total / sizes.sum())
    taken: Rows = np.floor(exact + 1e-9).astype(np.int64)
    claims = np.lexsort((rng.random(sizes.size), np.round(taken - exact, 9)))
    taken[claims[: total - int(taken.sum())]] += 1
    return taken
