"""A host's part in a tree: sums of what it cannot read, and the splits that were chosen by them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto import parallel
from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.integers import as_residues, inverses, unpack
from fate_components.crypto.paillier import PublicKey
from fate_components.crypto.square_modulus import Factors
from fate_components.crypto.workers import cores
from fate_components.secureboost.bins import Binned, Candidates, candidates_of, rows_by_bin, splits_of
from fate_components.secureboost.messages import Level, Step, bits_from_wire, chosen_from_wire, packed_bits
from fate_components.secureboost.model import Bits, Integers, Splits
from fate_components.secureboost.packing import Layout
from fate_federated.errors import MessageRejected
from fate_federated.task.context import TaskContext
from fate_federated.wire.payload import Ciphertexts

Products = npt.NDArray[np.object_]
"""Ciphertexts of sums, shape (parts, columns, bins + 1), where a row has so many parts."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """One node's rows by bin, and the products of their ciphertexts."""

    counts: Integers
    products: Products

    def minus(self, part: Histogram, modulus: mpz) -> Histogram:
        """What is left without the rows of a child: its sibling. Bins without a row of the child cost nothing."""
        products = self.products.copy()
        met = np.broadcast_to(part.counts > 0, products.shape)
        inverted = inverses(part.products[met].tolist(), modulus)
        products[met] = [
            whole * inverse % modulus for whole, inverse in zip(products[met].tolist(), inverted, strict=True)
        ]
        return Histogram(self.counts - part.counts, products)

    def left_sums(self, candidates: Candidates, columns: Integers, modulus: mpz) -> list[mpz]:
        """The product over the rows on the left of each split: of the rows' first parts, then of their second ones."""
        return [
            value for products in self.products for value in self._left_of_part(products, candidates, columns, modulus)
        ]

    def _left_of_part(self, products: Products, candidates: Candidates, columns: Integers, modulus: mpz) -> list[mpz]:
        rising = products[:, :-1].copy()
        for column in range(len(columns)):
            total = mpz(1)
            for place in np.flatnonzero(self.counts[column, :-1]).tolist():
                total = total * rising[column, place] % modulus
                rising[column, place] = total
        at = np.searchsorted(columns, candidates.features)
        sums: list[mpz] = rising[at, candidates.bins].tolist()
        for place in np.flatnonzero(candidates.missing_left).tolist():
            sums[place] = sums[place] * products[at[place], -1] % modulus
        return sums


@dataclass(slots=True)
class HostTree:
    """One tree while it is grown.

    Attributes:
        columns: the features that it may ask for, rising.
        smallest: rows that there are at least on each side of a split.
    """

    ctx: TaskContext
    key: PublicKey
    layout: Layout
    binned: Binned
    columns: Integers
    smallest: int
    _rows: Integers = field(init=False)
    _parts: list[Factors] = field(init=False)
    _asked: list[tuple[int, int, int, bool]] = field(init=False, default_factory=list)

    def grow(self, step: Step, depths: Sequence[int]) -> Splits:
        """This party's splits in the tree.

        Args:
            depths: at which it offers splits, one after the other.

        Raises:
            CryptoError, MessageRejected: the guest sends something else than was agreed.
        """
        self._receive(step)
        above: list[Histogram] = []
        for depth in depths:
            level = Level.from_wire(self.ctx.guest.pull("level", (*step, depth)), len(self.binned.numbers), len(above))
            if not len(level):
                break
            above = self._histograms(level, above)
            self._answer(level, self._offer(above, (*step, depth)), (*step, depth))
        return splits_of(self._asked, self.binned)

    def _receive(self, step: Step) -> None:
        message = self.ctx.guest.pull("derivatives", step)
        total = len(self.binned.numbers)
        match message:
            case {"sampled": sampled, "ciphertexts": ciphertexts}:
                pass
            case _:
                raise MessageRejected("A message does not hold the derivatives of rows.")
        self._rows = np.arange(total) if sampled is None else np.flatnonzero(bits_from_wire(sampled, total))
        encrypted = EncryptedArray.from_wire(ciphertexts, self.key, self.layout.row_bits)
        parts = self.layout.parts
        if encrypted.shape != (len(self._rows), parts) or encrypted.exponent:
            raise MessageRejected(f"A message of shape {encrypted.shape} is not of {len(self._rows)} rows.")
        values = unpack(ciphertexts.data, ciphertexts.width_bytes)
        self._parts = [parallel.split(values[part::parts], self.key.modulus) for part in range(parts)]

    def _histograms(self, level: Level, above: list[Histogram]) -> list[Histogram]:
        """Of every node: of two siblings the larger by subtraction."""
        places = level.places[self._rows]
        sizes = np.bincount(places[places >= 0], minlength=len(level))
        siblings: dict[int, list[int]] = {}
        for place, parent in enumerate(level.parents):
            siblings.setdefault(parent, []).append(place)
        pairs = [(parent, pair) for parent, pair in siblings.items() if parent >= 0 and len(pair) == 2]
        larger = {max(pair, key=lambda place: int(sizes[place])): (parent, pair) for parent, pair in pairs}
        direct = [place for place in range(len(level)) if place not in larger]
        number = np.full(len(level) + 1, -1)
        number[direct] = np.arange(len(direct))
        taken = np.flatnonzero(number[places] >= 0)
        found = dict(zip(direct, self._direct(taken, number[places[taken]], len(direct)), strict=True))
        for place, (parent, pair) in larger.items():
            smaller = pair[0] if pair[1] == place else pair[1]
            found[place] = above[parent].minus(found[smaller], self.key.modulus)
        return [found[place] for place in range(len(level))]

    def _direct(self, taken: Integers, nodes: Integers, count: int) -> list[Histogram]:
        width, columns = self.binned.count + 1, self.columns
        rows = self._rows[taken]
        if not len(columns):
            empty = Histogram(np.empty((0, width), np.int64), np.empty((self.layout.parts, 0, width), dtype=object))
            return [empty] * count
        counts = rows_by_bin(self.binned, rows, nodes, count, columns)
        groups = nodes[:, None] * width + self.binned.numbers[np.ix_(rows, columns)]
        products = []
        for part in self._parts:
            for column in parallel.grouped_products(
                part.taken(taken.tolist()), groups, count * width, self.key.modulus
            ):
                products += column
        shaped = as_residues(products, (self.layout.parts, len(columns), count, width))
        return [Histogram(counts[node], shaped[:, :, node]) for node in range(count)]

    def _offer(self, level: Sequence[Histogram], step: Step) -> list[Candidates]:
        """Send the sums on the left of every split of every node; returns the splits as they were sent."""
        offered = []
        # While one node's sums are packed, the next one's are added up and those before get fresh randomness.
        with ThreadPoolExecutor(cores(), thread_name_prefix="node") as threads:
            for place, (candidates, answer) in enumerate(threads.map(self._sums, level)):
                self.ctx.guest.push("sums", {"count": len(candidates), "ciphertexts": answer}, (*step, place))
                offered.append(candidates)
        return offered

    def _sums(self, histogram: Histogram) -> tuple[Candidates, Ciphertexts | None]:
        """A node's splits in an order drawn for it, and the sums on the left of each, packed."""
        candidates = candidates_of(histogram.counts, self.columns, self.smallest)
        order = np.random.default_rng(secrets.randbits(128)).permutation(len(candidates))
        candidates = Candidates(candidates.features[order], candidates.bins[order], candidates.missing_left[order])
        sums = histogram.left_sums(candidates, self.columns, self.key.modulus)
        answer = self.layout.answer(self.key, sums).to_wire(self.layout.answer_bits) if sums else None
        return candidates, answer

    def _answer(self, level: Level, offered: list[Candidates], step: Step) -> None:
        """Say which rows go left in the nodes that this party splits."""
        chosen = chosen_from_wire(self.ctx.guest.pull("chosen", step), [len(some) for some in offered])
        left: list[Bits] = []
        features = []
        for some in chosen:
            candidates = offered[some.place]
            best = min(
                some.candidates,
                key=lambda place: (candidates.features[place], candidates.bins[place], candidates.missing_left[place]),
            )
            feature, last = int(candidates.features[best]), int(candidates.bins[best])
            missing_left = bool(candidates.missing_left[best])
            numbers = self.binned.numbers[level.places == some.place, feature]
            left.append(np.where(numbers == self.binned.count, missing_left, numbers <= last))
            features.append(feature)
            self._asked.append((some.node, feature, last, missing_left))
        if chosen:
            self.ctx.guest.push("sides", {"features": features, **packed_bits(np.concatenate(left))}, step)
