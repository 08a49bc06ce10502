"""The guest's part in a tree: it has the derivatives, finds the splits and weighs the leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fate_components.crypto.paillier import PrivateKey
from fate_components.secureboost.bins import (
    Binned,
    Candidates,
    candidates_of,
    rows_by_bin,
    splits_of,
    sums_by_bin,
    totals,
)
from fate_components.secureboost.messages import Chosen, Level, Step, bits_from_wire, chosen_to_wire, packed_bits
from fate_components.secureboost.model import Bits, Floats, Gain, Integers, Tree
from fate_components.secureboost.packing import Layout
from fate_components.secureboost.splitting import Best, Criterion, best_of
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tree is kept within.

    Attributes:
        split_rows: a node of fewer rows is a leaf.
        leaf_rows: rows on each side of a split.
    """

    split_rows: int
    leaf_rows: int


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Of the rows that a tree is grown from.

    Attributes:
        rows: which, rising.
        first, second: shape (len(rows),), or (len(rows), outputs) of a tree with several outputs.
    """

    rows: Integers
    first: Floats
    second: Floats


@dataclass(slots=True)
class GuestTree:
    """One tree while it is grown.

    Attributes:
        hosts: by site, those that take part; none where the guest grows the tree alone.
        turns: the sites that offer splits, by depth; the guest is site 0.
        columns: the guest's features that it may ask for, rising.
        gains: of its splits.
    """

    hosts: Mapping[int, Peer]
    turns: Sequence[frozenset[int]]
    key: PrivateKey
    layout: Layout
    binned: Binned
    columns: Integers
    criterion: Criterion
    limits: Limits
    gains: list[Gain] = field(default_factory=list)
    _left: list[int] = field(default_factory=lambda: [0])
    _right: list[int] = field(default_factory=lambda: [0])
    _owner: list[int] = field(default_factory=lambda: [-1])
    _own: list[tuple[int, int, int, bool]] = field(default_factory=list)

    def grow(self, step: Step, derivatives: Derivatives) -> tuple[Tree, Integers]:
        """The tree, and the leaf of every row of the data, shape (rows,).

        Raises:
            CryptoError, MessageRejected: a host sends something else than was agreed.
        """
        rows = derivatives.rows
        of_leaves = derivatives.first.shape[1:]
        exact = [values.reshape(len(rows), -1) for values in (derivatives.first, derivatives.second)]
        (first, first_exponent), (second, second_exponent) = (self.layout.rounded(values) for values in exact)
        self._send(step, rows, first, second)
        sums = Sums(first, second, first_exponent, second_exponent)
        total = len(self.binned.numbers)
        node_of = np.zeros(total, dtype=np.int64)
        level, parents = [0], [-1]
        for depth, sites in enumerate(self.turns):
            kept = [place for place, node in enumerate(level) if self._may_split(rows, node_of, node)]
            level, parents = [level[place] for place in kept], [parents[place] for place in kept]
            places = np.full(len(self._left), -1)
            places[level] = np.arange(len(level))
            message = Level(places[node_of], tuple(parents))
            offering = {site: host for site, host in self.hosts.items() if site in sites}
            for host in offering.values():
                host.push("level", message.to_wire(), (*step, depth))
            if not level:
                break
            level, parents = self._split((*step, depth), sites, level, message.places, rows, sums, node_of)
        owner = np.array(self._owner)
        of_first, of_second = (_totals_of_outputs(node_of[rows], len(owner), values) for values in exact)
        weight = np.where(owner[:, None] < 0, self.criterion.weight(of_first, of_second), 0.0)
        return Tree(
            np.array(self._left), np.array(self._right), owner, weight.reshape(len(owner), *of_leaves),
            splits_of(self._own, self.binned), tuple(self.gains),
        ), node_of  # fmt: skip

    def _send(self, step: Step, rows: Integers, first: Floats, second: Floats) -> None:
        if not self.hosts:
            return
        total = len(self.binned.numbers)
        sampled: Any = None
        if len(rows) < total:
            taken = np.zeros(total, dtype=np.bool_)
            taken[rows] = True
            sampled = packed_bits(taken)
        # The same ciphertexts for all hosts: together they can tell no more of them than one alone.
        ciphertexts = self.layout.encrypted(self.key, first, second).to_wire(self.layout.row_bits)
        for host in self.hosts.values():
            host.push("derivatives", {"sampled": sampled, "ciphertexts": ciphertexts}, step)

    def _may_split(self, rows: Integers, node_of: Integers, node: int) -> bool:
        size = int(np.count_nonzero(node_of[rows] == node))
        return size >= max(self.limits.split_rows, 2 * self.limits.leaf_rows, 2)

    def _split(
        self,
        step: Step,
        sites: frozenset[int],
        level: list[int],
        places: Integers,
        rows: Integers,
        sums: Sums,
        node_of: Integers,
    ) -> tuple[list[int], list[int]]:
        """Split a level's nodes where that gains; returns the children and their parents' places."""
        wholes = sums.wholes(places[rows], len(level))
        hosts = {site: host for site, host in self.hosts.items() if site in sites}
        offered = self._own_candidates(places, rows, len(level), sums, self.columns if 0 in sites else self.columns[:0])
        best: list[tuple[int, Best] | None] = []
        for (_, sums_left), whole in zip(offered, wholes, strict=True):
            found = best_of(self.criterion.gains(sums_left, whole))
            best.append(None if found is None else (0, found))
        for site, host in hosts.items():
            for place in range(len(level)):
                found = best_of(self.criterion.gains(self._received(host, (*step, place), sums), wholes[place]))
                before = best[place]
                if found is not None and (before is None or found.gain > before[1].gain):
                    best[place] = (site, found)
        goes_left = np.zeros(len(node_of), dtype=np.bool_)
        for site, host in hosts.items():
            chosen = [
                Chosen(place, level[place], tuple(some[1].places.tolist()))
                for place, some in enumerate(best)
                if some is not None and some[0] == site
            ]
            host.push("chosen", chosen_to_wire(chosen), step)
        for site, host in hosts.items():
            mine = [place for place, some in enumerate(best) if some is not None and some[0] == site]
            if mine:
                features = self._take_sides(host, step, mine, places, goes_left)
                for place, feature in zip(mine, features, strict=True):
                    some = best[place]
                    assert some is not None  # noqa: S101 - these are the host's
                    self.gains.append(Gain(site, feature, some[1].gain, level[place]))
        children: list[int] = []
        parents: list[int] = []
        for place, some in enumerate(best):
            if some is None:
                continue
            members, node = places == place, level[place]
            if some[0] == 0:
                self._split_own(node, members, offered[place][0], some[1], goes_left)
            left, right = self._add_children(node, some[0])
            node_of[members] = np.where(goes_left[members], left, right)
            children += [left, right]
            parents += [place, place]
        return children, parents

    def _add_children(self, node: int, site: int) -> tuple[int, int]:
        left, right = len(self._left), len(self._left) + 1
        self._owner[node], self._left[node], self._right[node] = site, left, right
        self._left += [left, right]
        self._right += [left, right]
        self._owner += [-1, -1]
        return left, right

    def _own_candidates(
        self, places: Integers, rows: Integers, count: int, sums: Sums, columns: Integers
    ) -> list[tuple[Candidates, tuple[Floats, Floats]]]:
        taken = np.flatnonzero(places[rows] >= 0)
        some, nodes = rows[taken], places[rows[taken]]
        if not len(columns):
            nothing = Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))
            return [(nothing, (sums.first[:0], sums.second[:0]))] * count
        counts = rows_by_bin(self.binned, some, nodes, count, columns)
        by_bin = [
            [sums_by_bin(self.binned, some, nodes, count, columns, values[taken]) for values in of_outputs.T]
            for of_outputs in (sums.first, sums.second)
        ]
        found = []
        for node in range(count):
            candidates = candidates_of(counts[node], columns, self.limits.leaf_rows)
            at = np.searchsorted(columns, candidates.features)
            first, second = (
                np.stack([_left_sums(values[node], at, candidates) for values in of_outputs], axis=1)
                for of_outputs in by_bin
            )
            found.append((candidates, sums.scaled(first, second)))
        return found

    def _received(self, host: Peer, step: Step, sums: Sums) -> tuple[Floats, Floats]:
        match host.pull("sums", step):
            case {"count": 0, "ciphertexts": None}:
                return sums.first[:0], sums.second[:0]
            case {"count": int() as count, "ciphertexts": ciphertexts} if count > 0:
                return sums.scaled(*self.layout.read(ciphertexts, self.key, count))
        raise MessageRejected(f"{host.party} sent something else than sums of derivatives.")

    def _take_sides(self, host: Peer, step: Step, mine: list[int], places: Integers, goes_left: Bits) -> list[int]:
        """Note where rows go at a host's nodes; returns the features that it asks there."""
        members = [np.flatnonzero(places == place) for place in mine]
        message = host.pull("sides", step)
        match message:
            case {"features": list() as features, **bits} if len(features) == len(mine) and all(
                type(feature) is int and feature >= 0 for feature in features
            ):
                goes_left[np.concatenate(members)] = bits_from_wire(bits, sum(map(len, members)))
                return features
        raise MessageRejected(f"{host.party} sent something else than the sides of rows.")

    def _split_own(self, node: int, members: Bits, candidates: Candidates, best: Best, goes_left: Bits) -> None:
        place = int(best.places[0])
        feature, last = int(candidates.features[place]), int(candidates.bins[place])
        missing_left = bool(candidates.missing_left[place])
        numbers = self.binned.numbers[members, feature]
        goes_left[members] = np.where(numbers == self.binned.count, missing_left, numbers <= last)
        self.gains.append(Gain(0, feature, best.gain, node))
        self._own.append((node, feature, last, missing_left))


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows' derivatives as integers, shape (rows, outputs), and the exponents that they are meant with."""

    first: Floats
    second: Floats
    first_exponent: int
    second_exponent: int

    def scaled(self, first: Floats, second: Floats) -> tuple[Floats, Floats]:
        """Sums as the numbers that they stand for."""
        return np.ldexp(first, self.first_exponent), np.ldexp(second, self.second_exponent)

    def wholes(self, nodes: Integers, count: int) -> list[tuple[Floats, Floats]]:
        """Of each node, shape (outputs,); rows with a negative one are in none."""
        within = nodes >= 0
        first, second = (
            _totals_of_outputs(nodes[within], count, values[within]) for values in (self.first, self.second)
        )
        return list(zip(*self.scaled(first, second), strict=True))


def _totals_of_outputs(groups: Integers, count: int, values: Floats) -> Floats:
    """Sums of values of shape (rows, outputs) by group."""
    return np.stack([totals(groups, count, some) for some in values.T], axis=1)


def _left_sums(by_bin: Floats, at: Integers, candidates: Candidates) -> Floats:
    """Of one node's sums, shape (columns, bins + 1), those on the left of each split."""
    rising = np.cumsum(by_bin[:, :-1], axis=1)
    left: Floats = rising[at, candidates.bins] + np.where(candidates.missing_left, by_bin[at, -1], 0.0)
    return left
