"""One tree: histograms at the data parties, splits at the arbiter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fate_components.homo_secureboost.messages import Decisions
from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.secureboost.bins import Binned, candidates_of, rows_by_bin, splits_of, sums_by_bin
from fate_components.secureboost.guest import Gain, Limits
from fate_components.secureboost.model import Floats, Integers, Tree
from fate_components.secureboost.splitting import Criterion, best_of
from fate_federated.errors import MessageRejected

UNITS = 52
"""Derivatives are multiples of 2^-52: sums of magnitude up to 1 are exact in a float, in whatever order."""


def in_units(values: Floats, exponent: int) -> Floats:
    """Values divided by 2^exponent, rounded to multiples of 2^-52."""
    return np.ldexp(np.rint(np.ldexp(values, UNITS - exponent)), -UNITS)


@dataclass(slots=True)
class GrowingTree:
    """A data party's part.

    Attributes:
        columns: the features that may be asked for, rising.
        depth: levels of splits at most.
        gains: of the splits.
    """

    client: Client
    binned: Binned
    columns: Integers
    depth: int
    gains: list[Gain] = field(default_factory=list)
    _left: list[int] = field(default_factory=lambda: [0])
    _right: list[int] = field(default_factory=lambda: [0])
    _owner: list[int] = field(default_factory=lambda: [-1])
    _weight: list[float] = field(default_factory=lambda: [0.0])
    _own: list[tuple[int, int, int, bool]] = field(default_factory=list)

    def grow(self, first: Floats, second: Floats) -> tuple[Tree, Integers]:
        """The tree, and the leaf of each row of this party, shape (rows,).

        Args:
            first, second: derivatives in units, shape (rows,).

        Raises:
            MessageRejected: the arbiter sends something else than was agreed.
        """
        node_of = np.zeros(len(first), dtype=np.int64)
        level = [0]
        for _ in range(self.depth):
            places = np.full(len(self._left), -1)
            places[level] = np.arange(len(level))
            at = places[node_of]
            self.client.send(self._histogram(at, len(level), first, second))
            told = Decisions.from_wire(self.client.receive(), len(level), len(self.columns), self.binned.count)
            level = self._follow(level, told, at, node_of)
            if not level:
                break
        tree = Tree(
            np.array(self._left), np.array(self._right), np.array(self._owner), np.array(self._weight),
            splits_of(self._own, self.binned),
        )  # fmt: skip
        return tree, node_of

    def _histogram(self, at: Integers, nodes: int, first: Floats, second: Floats) -> Floats:
        """Sums of both derivatives and of rows, shape (nodes, columns, bins + 1, 3)."""
        rows = np.flatnonzero(at >= 0)
        some = at[rows]
        sums = [sums_by_bin(self.binned, rows, some, nodes, self.columns, values[rows]) for values in (first, second)]
        counts = rows_by_bin(self.binned, rows, some, nodes, self.columns)
        return np.stack([*sums, counts.astype(np.float64)], axis=-1)

    def _follow(self, level: list[int], told: Decisions, at: Integers, node_of: Integers) -> list[int]:
        """Split nodes as the arbiter says; returns those that may be split next."""
        children = np.zeros((len(level), 2), dtype=np.int64)
        following: list[int] = []
        for place, node in enumerate(level):
            column = int(told.features[place])
            if column < 0:
                self._weight[node] = float(told.weights[place])
                continue
            feature = int(self.columns[column])
            self._own.append((node, feature, int(told.bins[place]), bool(told.missing_left[place])))
            self.gains.append(Gain(0, feature, float(told.gains[place])))
            self._owner[node], self._weight[node] = 0, 0.0
            for side, links in enumerate((self._left, self._right)):
                child = len(self._owner)
                links[node] = child
                children[place, side] = child
                self._left.append(child)
                self._right.append(child)
                self._owner.append(-1)
                self._weight.append(float(told.of_children[place, side]))
                if told.grows[place, side]:
                    following.append(child)
        moving = np.flatnonzero((at >= 0) & (told.features[at] >= 0))
        nodes = at[moving]
        numbers = self.binned.numbers[moving, self.columns[told.features[nodes]]]
        left = np.where(numbers == self.binned.count, told.missing_left[nodes], numbers <= told.bins[nodes])
        node_of[moving] = np.where(left, children[nodes, 0], children[nodes, 1])
        return following


@dataclass(frozen=True, slots=True)
class Splitter:
    """The arbiter's part in all trees."""

    criterion: Criterion
    limits: Limits
    depth: int

    def serve(self, aggregator: Aggregator, exponents: tuple[int, int]) -> None:
        """Grow one tree.

        Raises:
            MessageRejected: the sums are no histograms of the level.
        """
        nodes = 1
        for depth in range(self.depth):
            histogram = aggregator.sum().values
            if histogram.ndim != 4 or len(histogram) != nodes or histogram.shape[3] != 3:
                raise MessageRejected("Clients sent something other than histograms of the nodes of a level.")
            decisions = self._decide(histogram, exponents, last=depth == self.depth - 1)
            aggregator.tell(decisions.to_wire())
            nodes = int(decisions.grows.sum())
            if not nodes:
                return

    def _decide(self, histogram: Floats, exponents: tuple[int, int], *, last: bool) -> Decisions:
        nodes, columns = histogram.shape[:2]
        scaled = [np.ldexp(histogram[..., which], exponents[which]) for which in (0, 1)]
        counts = np.rint(histogram[..., 2]).astype(np.int64)
        found = Decisions(
            np.full(nodes, -1), np.zeros(nodes, np.int64), np.zeros(nodes, np.bool_), np.zeros(nodes),
            np.zeros(nodes), np.zeros((nodes, 2)), np.zeros((nodes, 2), np.bool_),
        )  # fmt: skip
        upto = [np.cumsum(values[:, :, :-1], axis=2) for values in (*scaled, counts)]
        for node in range(nodes):
            of_bins = [values[node] for values in (*scaled, counts)]
            whole = [values[0].sum() for values in of_bins]
            found.weights[node] = self.criterion.weight(np.array(whole[0]), np.array(whole[1]))
            if whole[2] < self._fewest:
                continue
            candidates = candidates_of(counts[node], np.arange(columns), self.limits.leaf_rows)
            left = [
                rising[node][candidates.features, candidates.bins]
                + np.where(candidates.missing_left, values[candidates.features, -1], 0)
                for rising, values in zip(upto, of_bins, strict=True)
            ]
            best = best_of(self.criterion.gains((left[0], left[1]), (float(whole[0]), float(whole[1]))))
            if best is None:
                continue
            chosen = int(best.places[0])
            found.features[node], found.bins[node] = candidates.features[chosen], candidates.bins[chosen]
            found.missing_left[node], found.gains[node] = candidates.missing_left[chosen], best.gain
            on_left = [values[chosen] for values in left]
            sides = (on_left, [total - part for total, part in zip(whole, on_left, strict=True)])
            for side, (of_first, of_second, rows) in enumerate(sides):
                found.of_children[node, side] = self.criterion.weight(np.array(of_first), np.array(of_second))
                found.grows[node, side] = not last and rows >= self._fewest
        return found

    @property
    def _fewest(self) -> int:
        """Rows of a node that may be split."""
        return max(self.limits.split_rows, 2 * self.limits.leaf_rows, 2)
