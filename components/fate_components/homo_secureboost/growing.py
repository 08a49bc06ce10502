"""One tree: histograms at the data parties, splits at the arbiter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fate_components.homo_secureboost.messages import Decisions
from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.secureboost.bins import Binned, Candidates, candidates_of, rows_by_bin, splits_of, sums_by_bin
from fate_components.secureboost.guest import Limits
from fate_components.secureboost.model import Floats, Gain, Integers, Tree
from fate_components.secureboost.splitting import Criterion, best_of
from fate_federated.errors import MessageRejected

UNITS = 52
"""Derivatives are multiples of 2^-52: sums of magnitude up to 1 are exact in a float, in whatever order."""


def in_units(values: Floats, exponents: Integers) -> Floats:
    """Values divided by 2^exponents, rounded to multiples of 2^-52."""
    return np.ldexp(np.rint(np.ldexp(values, UNITS - exponents)), -UNITS)


@dataclass(slots=True)
class GrowingTree:
    """A data party's part.

    Attributes:
        columns: the features that may be asked for, rising.
        depth: levels of splits at most.
        outputs: numbers in a leaf.
        gains: of the splits.
    """

    client: Client
    binned: Binned
    columns: Integers
    depth: int
    outputs: int
    gains: list[Gain] = field(default_factory=list)
    _left: list[int] = field(default_factory=lambda: [0])
    _right: list[int] = field(default_factory=lambda: [0])
    _owner: list[int] = field(default_factory=lambda: [-1])
    _weight: list[Floats] = field(init=False)
    _own: list[tuple[int, int, int, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._weight = [np.zeros(self.outputs)]

    def grow(self, first: Floats, second: Floats) -> tuple[Tree, Integers]:
        """The tree, and the leaf of each row of this party, shape (rows,).

        Args:
            first, second: derivatives in units, shape (rows, outputs).

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
            told = Decisions.from_wire(
                self.client.receive(), len(level), len(self.columns), self.binned.count, self.outputs
            )
            level = self._follow(level, told, at, node_of)
            if not level:
                break
        weight = np.array(self._weight)
        tree = Tree(
            np.array(self._left), np.array(self._right), np.array(self._owner),
            weight[:, 0] if self.outputs == 1 else weight, splits_of(self._own, self.binned), tuple(self.gains),
        )  # fmt: skip
        return tree, node_of

    def _histogram(self, at: Integers, nodes: int, first: Floats, second: Floats) -> Floats:
        """Sums of the derivatives, first and second, and of rows: shape (nodes, columns, bins + 1, 2 outputs + 1)."""
        rows = np.flatnonzero(at >= 0)
        some = at[rows]
        sums = [
            sums_by_bin(self.binned, rows, some, nodes, self.columns, values[rows, output])
            for values in (first, second)
            for output in range(self.outputs)
        ]
        counts = rows_by_bin(self.binned, rows, some, nodes, self.columns)
        return np.stack([*sums, counts.astype(np.float64)], axis=-1)

    def _follow(self, level: list[int], told: Decisions, at: Integers, node_of: Integers) -> list[int]:
        """Split nodes as the arbiter says; returns those that may be split next."""
        children = np.zeros((len(level), 2), dtype=np.int64)
        following: list[int] = []
        for place, node in enumerate(level):
            column = int(told.features[place])
            if column < 0:
                self._weight[node] = told.weights[place]
                continue
            feature = int(self.columns[column])
            self._own.append((node, feature, int(told.bins[place]), bool(told.missing_left[place])))
            self.gains.append(Gain(0, feature, float(told.gains[place]), node))
            self._owner[node], self._weight[node] = 0, np.zeros(self.outputs)
            for side, links in enumerate((self._left, self._right)):
                child = len(self._owner)
                links[node] = child
                children[place, side] = child
                self._left.append(child)
                self._right.append(child)
                self._owner.append(-1)
                self._weight.append(told.of_children[place, side])
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

    def serve(self, aggregator: Aggregator, exponents: Integers) -> None:
        """Grow one tree.

        Args:
            exponents: of its derivatives, shape (2, outputs).

        Raises:
            MessageRejected: the sums are no histograms of the level.
        """
        nodes = 1
        for depth in range(self.depth):
            histogram = aggregator.sum().values
            if histogram.ndim != 4 or len(histogram) != nodes or histogram.shape[3] != exponents.size + 1:
                raise MessageRejected("Clients sent something other than histograms of the nodes of a level.")
            decisions = self._decide(histogram, exponents, last=depth == self.depth - 1)
            aggregator.tell(decisions.to_wire())
            nodes = int(decisions.grows.sum())
            if not nodes:
                return

    def _decide(self, histogram: Floats, exponents: Integers, *, last: bool) -> Decisions:
        nodes, columns = histogram.shape[:2]
        found = Decisions.leaves(nodes, exponents.shape[1])
        scale = np.append(exponents.ravel(), 0)
        for node, of_node in enumerate(histogram):
            sums = np.ldexp(of_node, scale)
            # Those of one column are those of any other.
            whole = sums[0].sum(axis=0)
            found.weights[node] = self._weight(whole)
            if whole[-1] < self._fewest:
                continue
            counts = np.rint(sums[..., -1]).astype(np.int64)
            candidates = candidates_of(counts, np.arange(columns), self.limits.leaf_rows)
            left = _left_of(sums, candidates)
            best = best_of(self._gains(left, whole))
            if best is None:
                continue
            chosen = int(best.places[0])
            found.features[node], found.bins[node] = candidates.features[chosen], candidates.bins[chosen]
            found.missing_left[node], found.gains[node] = candidates.missing_left[chosen], best.gain
            for side, some in enumerate((left[chosen], whole - left[chosen])):
                found.of_children[node, side] = self._weight(some)
                found.grows[node, side] = not last and some[-1] >= self._fewest
        return found

    def _weight(self, sums: Floats) -> Floats:
        """Of a leaf with such sums of derivatives, and rows, shape (2 outputs + 1,)."""
        first, second = sums[:-1].reshape(2, -1)
        return self.criterion.weight(first, second)

    def _gains(self, left: Floats, whole: Floats) -> Floats:
        """Of splits with such sums on the left, shape (splits, 2 outputs + 1)."""
        outputs = len(whole) // 2
        if outputs == 1:
            return self.criterion.gains((left[:, 0], left[:, 1]), (float(whole[0]), float(whole[1])))
        sums, totals = (values[..., :-1] for values in (left, whole))
        return self.criterion.gains((sums[:, :outputs], sums[:, outputs:]), (totals[:outputs], totals[outputs:]))

    @property
    def _fewest(self) -> int:
        """Rows of a node that may be split."""
        return max(self.limits.split_rows, 2 * self.limits.leaf_rows, 2)


def _left_of(sums: Floats, candidates: Candidates) -> Floats:
    """Of one node's sums, shape (columns, bins + 1, kinds), those on the left of each split, shape (splits, kinds)."""
    rising = np.cumsum(sums[:, :-1], axis=1)
    missing = np.where(candidates.missing_left[:, None], sums[candidates.features, -1], 0.0)
    left: Floats = rising[candidates.features, candidates.bins] + missing
    return left
