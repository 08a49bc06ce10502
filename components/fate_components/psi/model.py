"""The population stability index of one feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SMALLEST_SHARE = 1e-6
"""Stands for the share of an interval without rows, as in FATE."""


@dataclass(frozen=True, slots=True)
class Stability:
    """How a feature's distribution moved.

    Attributes:
        bounds: the values between two intervals, ascending, each in the lower one; shape (intervals - 2,).
        expected, actual: share of the rows in each interval, the last for missing values, 0..1; shape (intervals,).
    """

    bounds: Floats
    expected: Floats
    actual: Floats

    @property
    def parts(self) -> Floats:
        """Each interval's part of the index, at least 0; shape (intervals,)."""
        expected = np.where(self.expected > 0, self.expected, SMALLEST_SHARE)
        actual = np.where(self.actual > 0, self.actual, SMALLEST_SHARE)
        parts: Floats = (actual - expected) * np.log(actual / expected)
        return parts

    def intervals(self, name: str) -> list[str]:
        """What the intervals are called."""
        texts = [f"{bound:.6g}" for bound in self.bounds.tolist()]
        lower = ["", *(f"{text}<" for text in texts)]
        upper = [*(f"<={text}" for text in texts), ""]
        return [f"{low}{name}{high}" for low, high in zip(lower, upper, strict=True)] + ["missing"]


def stability(expected: Floats, actual: Floats, bins: int) -> Stability:
    """How the values of a feature moved from one table to another.

    The intervals hold equal shares of the expected values: their bounds are the quantiles 1/bins, 2/bins and so on,
    each a value of the table, and each once.

    Args:
        expected, actual: shape (rows,) each, missing values NaN; expected has at least one value.
        bins: of values at most.
    """
    values = np.sort(expected[~np.isnan(expected)])
    # Ranks of the quantiles in whole numbers: 0.55 of 400 values is a little more than 220 in floating point.
    ranks = -(-np.arange(1, bins + 1) * values.size // bins)
    bounds = np.unique(values[ranks - 1])[:-1]
    return Stability(bounds, _shares(expected, bounds), _shares(actual, bounds))


def _shares(values: Floats, bounds: Floats) -> Floats:
    # NaN sorts behind everything, but the last interval of values takes what is above all bounds.
    intervals = np.where(np.isnan(values), bounds.size + 1, np.searchsorted(bounds, values))
    return np.bincount(intervals, minlength=bounds.size + 2) / values.size
