"""Products of what one party knows, or both share, with what both share (Chen et al. 2021, protocols 1 and 2).

Let X be one party's columns and v shared by both. X·v is the sum of two products: with the party's own share of v,
which it computes itself, and with the peer's, for which one of the two encrypts and the other computes on ciphertexts:

* scores X_p w_p, of weights that change with every batch: the peer encrypts its share of w_p, once for each slot of a
  ciphertext, and the owner of X_p multiplies; a ciphertext then holds the scores of as many rows as it has slots;
* gradients X_p^T d, of columns that stay: the owner encrypts its rows, once, as many columns as there are slots in a
  ciphertext, and the peer takes them to the powers of its share of d.

For these products the shares are dealt anew, so that they are no longer than hiding the number takes: one party draws a
share of SMALL_BITS and sends the other what is left of its old one, which is all that the other needs to have its own.

Either way the result gets a pad that is uniform modulo n before it goes back to who decrypts it, so both learn nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import Integers, as_residues
from fate_components.linear.family import WEIGHT_BITS, WEIGHT_FRACTION_BITS, diverged
from fate_components.linear.layout import packed_rows
from fate_components.linear.messages import Rows, Step, parsed
from fate_components.linear.model import Floats
from fate_components.sshe.pair import Pair, inner_products, share_slot_bits, shifted, stacked
from fate_components.sshe.ring import (
    COLUMN_BITS,
    RING_BITS,
    SMALL_BITS,
    Shares,
    multiplied,
    reduced,
    shares_from_wire,
    signed,
    small_shares,
    truncated,
)
from fate_federated.errors import DataError, MessageRejected

_FEWEST_BITS = 12
_MOST_COLUMNS = 1 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What a party says of its columns.

    Attributes:
        features: columns that have a weight.
        answers: columns after them that have none.
        intercept: whether the last of the features is a column of ones.
        feature_bits, answer_bits: of their numbers behind the binary point.
    """

    features: int
    answers: int
    intercept: bool
    feature_bits: int
    answer_bits: int

    @property
    def columns(self) -> int:
        return self.features + self.answers

    @property
    def fraction_bits(self) -> Integers:
        """Of each column."""
        return np.repeat([self.feature_bits, self.answer_bits], [self.features, self.answers])

    @classmethod
    def from_wire(cls, value: object) -> Shape:
        shape = parsed(cls, value)
        if not (
            1 <= shape.features <= _MOST_COLUMNS
            and 0 <= shape.answers <= _MOST_COLUMNS
            and 0 <= shape.feature_bits <= COLUMN_BITS
            and 0 <= shape.answer_bits <= COLUMN_BITS
        ):
            raise MessageRejected("A peer's columns are impossible.")
        return shape


@dataclass(frozen=True, slots=True)
class Products:
    """See the module.

    Attributes:
        columns: this party's as integers, shape (rows, features + answers).
        peer_rows: the peer's, encrypted, shape (ciphertexts for a row, rows).
    """

    pair: Pair
    own: Shape
    peer: Shape
    columns: Integers
    peer_rows: EncryptedArray = field(repr=False)
    batch: int

    @classmethod
    def open(cls, pair: Pair, numbers: Floats, answers: int, intercept: bool, precision: int, batch: int,
             step: Step) -> Products:  # fmt: skip
        """Exchange encrypted rows with the peer.

        Args:
            numbers: the columns, shape (rows, features + answers).
            precision: bits behind the binary point, where no column has numbers that leave less.
            batch: rows of the largest.

        Raises:
            DataError: a feature's numbers are too large to be shared.
        """
        count = numbers.shape[1] - answers
        bits = [bits_for(part, precision) for part in (numbers[:, :count], numbers[:, count:])]
        own = Shape(count, answers, intercept, *bits)
        pair.peer.push("columns", {name: getattr(own, name) for name in Shape.__slots__}, step)
        columns = np.rint(np.ldexp(numbers, own.fraction_bits)).astype(np.int64)
        slot_bits = _gradient_slot_bits(batch)
        slots = pair.slots(slot_bits, own.columns)
        packed = packed_rows(columns.astype(object), slot_bits, slots).T
        pair.encrypted_to_peer("rows", step, packed, _packed_bits(slot_bits, slots))
        peer = Shape.from_wire(pair.peer.pull("columns", step))
        slots = pair.slots(slot_bits, peer.columns)
        shape = (-(-peer.columns // slots), len(numbers))
        rows = pair.encrypted_from_peer("rows", step, shape, _packed_bits(slot_bits, slots))
        return cls(pair, own, peer, columns, rows, batch)

    def score(self, step: Step, rows: Rows, own: Shares, other: Shares) -> tuple[Shares, Shares]:
        """X_p w_p of this party and of the peer, each of shape (rows, models), with no more fraction bits than w_p.

        Args:
            own, other: this party's shares of its own and of the peer's weights, shape (features, models).
        """
        pair, models = self.pair, own.shape[1]
        slot_bits = share_slot_bits(COLUMN_BITS, max(self.own.features, self.peer.features), SMALL_BITS)
        slots = pair.slots(slot_bits, len(rows))
        blocks = -(-len(rows) // slots)
        bits = slot_bits * (slots - 1) + SMALL_BITS
        small = small_shares(other.shape)
        pair.open_to_peer("weight_part", step, reduced(other - small))
        pair.encrypted_to_peer("weight", step, shifted(small.T, slot_bits, slots), bits)
        own = reduced(own + shares_from_wire(pair.peer.pull("weight_part", step), own.shape))
        chosen = self.columns[rows, : self.own.features]
        encrypted = pair.encrypted_from_peer("weight", step, (models, len(own), slots), bits)
        padded = np.zeros((blocks * slots, len(own)), dtype=np.int64)
        padded[: len(rows)] = chosen
        matrix = FixedPoint(padded.reshape(blocks, slots, -1).transpose(0, 2, 1).reshape(blocks, -1), 0)
        products = stacked([matrix @ encrypted[model].reshape(len(own) * slots) for model in range(models)])
        mine = pair.give("score", step, products, slot_bits, slots)[:, : len(rows)].T
        mine = reduced(mine + multiplied(chosen, own))
        theirs = pair.take("score", step, (models, blocks), slot_bits, slots)[:, : len(rows)].T
        return (
            truncated(mine, self.own.feature_bits, first=pair.first),
            truncated(theirs, self.peer.feature_bits, first=pair.first),
        )

    def sums(self, step: Step, rows: Rows, residual: Shares, *, uniform: bool) -> tuple[Shares, Shares]:
        """X_p^T d of this party and of the peer, shape (columns, models), with each column's own fraction bits more.

        Args:
            residual: this party's share of d, shape (rows, models).
            uniform: whether it is one of all, and not a number of its own.

        Raises:
            ModelError: d is out of range.
        """
        pair, models = self.pair, residual.shape[1]
        residual = self._dealt_anew(step, residual) if uniform else residual
        slot_bits = _gradient_slot_bits(self.batch)
        slots, peer_slots = (pair.slots(slot_bits, shape.columns) for shape in (self.own, self.peer))
        groups = [inner_products(residual.T, self.peer_rows[group][rows]) for group in range(len(self.peer_rows))]
        theirs = pair.give("gradient", step, stacked(groups), slot_bits, peer_slots)
        mine = pair.take("gradient", step, (-(-self.own.columns // slots), models), slot_bits, slots)
        return (
            reduced(_by_column(mine, slots, self.own.columns) + multiplied(self.columns[rows].T, residual)),
            _by_column(theirs, peer_slots, self.peer.columns),
        )

    def _dealt_anew(self, step: Step, residual: Shares) -> Shares:
        """Shares of the same of which none is long."""
        if self.pair.first:
            small = small_shares(residual.shape)
            self.pair.open_to_peer("residual_part", step, reduced(residual - small))
            return small
        part = shares_from_wire(self.pair.peer.pull("residual_part", step), residual.shape)
        left = signed(residual + part)
        if any(abs(value) >> (SMALL_BITS + 1) for value in left.ravel().tolist()):
            raise diverged(step)
        return left


def weighted(pair: Pair, step: Step, residual: Shares, weight: Floats | None) -> Shares:
    """Shares of the residuals times the rows' weights, which only the guest knows; shape (rows, models).

    The guest encrypts the weights, the host takes them to the powers of its share.

    Args:
        weight: at the guest, shape (rows,).
    """
    rows, models = residual.shape
    slot_bits = share_slot_bits(WEIGHT_BITS, 1)
    slots = pair.slots(slot_bits, rows)
    blocks, bits = -(-rows // slots), slot_bits * (slots - 1) + WEIGHT_BITS
    if weight is not None:
        integers = np.rint(weight * 2.0**WEIGHT_FRACTION_BITS).astype(np.int64).tolist()
        factors = as_residues([mpz(value) for value in integers], (rows,))
        places = as_residues([mpz(1) << (slot_bits * (row % slots)) for row in range(rows)], (rows,))
        pair.encrypted_to_peer("row_weight", step, factors * places, bits)
        found = pair.take("weighted", step, (blocks, models), slot_bits, slots)
        mine = reduced(_by_column(found, slots, rows) + residual * factors[:, None])
        return truncated(mine, WEIGHT_FRACTION_BITS, first=True)
    encrypted = pair.encrypted_from_peer("row_weight", step, (rows,), bits)
    products = stacked(
        [inner_products(residual[at : at + slots].T, encrypted[at : at + slots]) for at in range(0, rows, slots)]
    )
    given = pair.give("weighted", step, products, slot_bits, slots)
    return truncated(_by_column(given, slots, rows), WEIGHT_FRACTION_BITS, first=False)


def inner_product(pair: Pair, tag: str, step: Step, left: Shares, right: Shares) -> Shares:
    """Shares of each model's Σ left·right, shape (models,), of two shared arrays of shape (n, models).

    The fraction bits add up. The host encrypts its shares, the guest takes them to the powers of its own.
    """
    slot_bits = share_slot_bits(RING_BITS, 2 * len(left))
    models, local = left.shape[1], reduced((left * right).sum(axis=0))
    if not pair.first:
        pair.encrypted_to_peer(f"{tag}_factors", step, np.concatenate([right, left]).T, RING_BITS)
        return reduced(local + pair.take(tag, step, (models, 1), slot_bits, 1)[:, 0])
    encrypted = pair.encrypted_from_peer(f"{tag}_factors", step, (models, 2 * len(left)), RING_BITS)
    factors = np.concatenate([left, right]).T
    products = stacked([inner_products(factors[[model]], encrypted[model]) for model in range(models)])
    return reduced(local + pair.give(tag, step, products, slot_bits, 1)[:, 0])


def bits_for(numbers: Floats, precision: int) -> int:
    """Bits behind the binary point with which all numbers have COLUMN_BITS at most.

    Raises:
        DataError: they would be too few.
    """
    _, magnitude = np.frexp(np.abs(numbers).max(initial=0.0))
    bits = min(precision, COLUMN_BITS - max(int(magnitude), 0))
    if bits < min(precision, _FEWEST_BITS):
        raise DataError(
            f"Features of a magnitude of 2**{magnitude} are too large to be shared. Scale them with a FeatureScale."
        )
    return bits


def _gradient_slot_bits(batch: int) -> int:
    return share_slot_bits(COLUMN_BITS, batch, SMALL_BITS + 1)


def _packed_bits(slot_bits: int, slots: int) -> int:
    return slot_bits * (slots - 1) + COLUMN_BITS + 1


def _by_column(shares: Shares, slots: int, columns: int) -> Shares:
    """From shape (ciphertexts, models * slots) to (columns, models)."""
    groups = shares.reshape(len(shares), -1, slots)
    flat: Shares = groups.transpose(0, 2, 1).reshape(-1, groups.shape[1])[:columns]
    return flat
