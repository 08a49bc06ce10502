"""Which rows and columns a tree is grown from."""

from __future__ import annotations

import numpy as np

from fate_components.secureboost.guest import Derivatives
from fate_components.secureboost.model import Floats, Integers


def columns_of_tree(count: int, rate: float, rng: np.random.Generator) -> Integers:
    """Some of so many columns, at least one if there is any, rising."""
    if rate >= 1 or not count:
        return np.arange(count)
    return np.sort(rng.permutation(count)[: max(int(rate * count), 1)])


def rows_kept(count: int, top_rate: float, other_rate: float) -> int:
    """How many of so many rows :func:`one_side_sampled` keeps."""
    return int(top_rate * count) + int(other_rate * count) or count


def one_side_sampled(
    first: Floats, second: Floats, top_rate: float, other_rate: float, rng: np.random.Generator
) -> Derivatives:
    """The rows with the largest first derivatives and a sample of the others, which count for all of these.

    Args:
        first, second: shape (rows,), or (rows, outputs), of whose magnitudes the sum counts.

    Ke, Meng, Finley, Wang, Chen, Ma, Ye, Liu 2017, "LightGBM: A highly efficient gradient boosting decision tree",
    algorithm 2.
    """
    size = np.abs(first).reshape(len(first), -1).sum(axis=1)
    order = np.argsort(-size, kind="stable")
    top, rest = np.split(order, [int(top_rate * len(order))])
    others = rng.permutation(rest)[: int(other_rate * len(order))]
    rows = np.sort(np.concatenate([top, others]))
    factor = np.ones(len(order))
    if len(others):
        factor[others] = (1 - top_rate) / other_rate
    if not len(rows):
        rows = np.arange(len(order))
    return Derivatives(rows, (first.T * factor).T[rows], (second.T * factor).T[rows])
