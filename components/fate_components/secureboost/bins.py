"""A party's features in bins of about as many rows each, and the sums that splits are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fate_components.secureboost.model import Bits, Floats, Integers, Splits


@dataclass(frozen=True, slots=True)
class Binned:
    """Features as numbers of bins.

    Attributes:
        numbers: shape (rows, columns). Bin i of a column holds the values up to points[i], the last one all above too;
            missing values have number ``count``.
        points: of each column, rising; none of a column without a value.
        count: bins of the column that has the most.
    """

    numbers: Integers
    points: tuple[Floats, ...]
    count: int

    @classmethod
    def of(cls, features: Floats, bin_num: int) -> Binned:
        """At most so many bins of each column, shape (rows, columns), by its quantiles."""
        shares = np.arange(1, bin_num + 1) / bin_num
        points = []
        for column in features.T:
            there = column[~np.isnan(column)]
            some = np.unique(np.quantile(there, shares, method="inverted_cdf")) if len(there) else np.empty(0)
            points.append(some)
        return cls.between(features, points)

    @classmethod
    def between(cls, features: Floats, points: Sequence[Floats]) -> Binned:
        """Bins of each column, shape (rows, columns), between points, rising."""
        numbers = np.empty(features.shape, dtype=np.int64, order="F")
        for place, (column, some) in enumerate(zip(features.T, points, strict=True)):
            numbers[:, place] = np.searchsorted(some[:-1], column, side="left")
        count = max((len(some) for some in points), default=0)
        numbers[np.isnan(features)] = count
        return cls(numbers, tuple(points), count)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The ways to split a node that a party's bins offer, each once: bins without a row add none.

    Each array has shape (candidates,). Rows up to the bin go left, and missing ones if ``missing_left``.
    """

    features: Integers
    bins: Integers
    missing_left: Bits

    def __len__(self) -> int:
        return len(self.features)


def rows_by_bin(binned: Binned, rows: Integers, nodes: Integers, count: int, columns: Integers) -> Integers:
    """How many rows are in each node and bin, shape (count, columns, bins + 1).

    Args:
        rows: which rows.
        nodes: the node of each of them, below ``count``.
        columns: which columns.
    """
    return np.stack([_sums(binned, rows, nodes, count, column, None) for column in columns], axis=1).astype(np.int64)


def sums_by_bin(
    binned: Binned, rows: Integers, nodes: Integers, count: int, columns: Integers, values: Floats
) -> Floats:
    """Sums of values, shape (len(rows),), in each node and bin, shape (count, columns, bins + 1)."""
    return np.stack([_sums(binned, rows, nodes, count, column, values) for column in columns], axis=1)


def _sums(binned: Binned, rows: Integers, nodes: Integers, count: int, column: int, values: Floats | None) -> Floats:
    width = binned.count + 1
    groups = nodes * width + binned.numbers[rows, column]
    return totals(groups, count * width, values).reshape(count, width)


def totals(groups: Integers, count: int, values: Floats | None = None) -> Floats:
    """Sums of values by group, or how many there are; both of shape (rows,)."""
    return np.bincount(groups, values, count).astype(np.float64)


def candidates_of(counts: Integers, columns: Integers, smallest: int) -> Candidates:
    """The ways to split one node that leave rows on either side.

    Args:
        counts: its rows in each bin, shape (columns, bins + 1).
        columns: places in the header.
        smallest: rows that there are at least on a side.
    """
    missing = counts[:, -1:]
    upto = np.cumsum(counts[:, :-1], axis=1)
    total = counts.sum(axis=1, keepdims=True)
    found = []
    for missing_left in (False, True):
        left = upto + missing if missing_left else upto
        offered = (counts[:, :-1] > 0) & (left >= max(smallest, 1)) & (total - left >= max(smallest, 1))
        if missing_left:
            offered &= missing > 0
        found.append(np.argwhere(offered))
    places = np.concatenate(found)
    left_too = np.arange(len(places)) >= len(found[0])
    # By feature, then by bin, then missing values right before left: the order in which equal gains are preferred.
    order = np.lexsort((left_too, places[:, 1], places[:, 0]))
    places, left_too = places[order], left_too[order]
    return Candidates(columns[places[:, 0]], places[:, 1], left_too)


def splits_of(asked: Sequence[tuple[int, int, int, bool]], binned: Binned) -> Splits:
    """A party's splits of a tree, from (node, feature, bin, whether missing values go left)."""
    asked = sorted(asked)
    return Splits(
        np.array([node for node, *_ in asked], np.int64),
        np.array([feature for _, feature, *_ in asked], np.int64),
        np.array([last for _, _, last, _ in asked], np.int64),
        np.array([binned.points[feature][last] for _, feature, last, _ in asked], np.float64),
        np.array([missing for *_, missing in asked], np.bool_),
    )
