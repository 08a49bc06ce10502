"""Gradients of residuals that are sums over the parties, from each party's columns encrypted once.

With d = Σ_q t_q, where each party q knows its term t_q of every row, X_p^T d = Σ_q X_p^T t_q. A party sends its columns
to the others once, encrypted, as many as fit in one ciphertext per row. In each batch every other party q takes the sum
of the rows' ciphertexts, each to the power of t_q, which is all columns' inner products at once, and sends it back. The
party adds up what it got, has the arbiter decrypt it hidden by a pad, and adds its own X_p^T t_p. So there is no
encryption per row after the first batch, and one power per row and model where [X_p^T d] takes one per column.

Columns are turned by a secret orthogonal matrix before they are encrypted. Whoever colludes with the arbiter decrypts
the space that they span, which the party's scores of as many iterations would also show, and not the columns.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import Floats
from fate_components.crypto.paillier import PublicKey
from fate_components.linear.family import integers_of, terms_from_peer
from fate_components.linear.layout import (
    COLUMN_BITS,
    BigIntegers,
    packed_rows,
    revealed,
    slots_of,
    unpacked_rows,
)
from fate_components.linear.messages import Rows, Step
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer, TaskContext

_FRACTION_BITS = 36
"""Of turned columns, which are at most √_TURNED_TOGETHER."""
_TURNED_TOGETHER = 256
_TERM_BITS = 58


@dataclass(frozen=True, slots=True)
class Sent:
    """A party's columns as it sent them.

    Attributes:
        turns: the secret matrices, each of up to 256 neighbouring columns.
        scales: powers of two that the columns were divided by, shape (columns,).
    """

    turns: tuple[Floats, ...]
    scales: Floats

    def turned_back(self, values: Floats) -> Floats:
        """Inner products with the columns from those with what was sent, shape (models, columns)."""
        starts = range(0, values.shape[1], _TURNED_TOGETHER)
        parts = [
            values[:, start : start + _TURNED_TOGETHER] @ turn.T for start, turn in zip(starts, self.turns, strict=True)
        ]
        found: Floats = np.hstack(parts) * self.scales
        return found


@dataclass(frozen=True, slots=True)
class Crossing:
    """See the module.

    Attributes:
        columns: this party's, shape (rows, columns).
        precision: bits behind the binary point of terms.
        others: the other parties' turned columns, shape (ciphertexts per row, rows), in the order of ``peers``.
    """

    ctx: TaskContext
    key: PublicKey
    columns: Floats
    precision: int
    slot_bits: int
    sent: Sent
    peers: tuple[Peer, ...]
    others: tuple[EncryptedArray, ...]

    @classmethod
    def open(
        cls, ctx: TaskContext, key: PublicKey, columns: Floats, precision: int, largest_batch: int, step: Step
    ) -> Crossing:
        """Exchange encrypted columns with all other parties that have some.

        Args:
            largest_batch: rows.
        """
        slot_bits = COLUMN_BITS + _TERM_BITS + largest_batch.bit_length() + len(ctx.participants).bit_length() + 2
        peers = tuple(peer for peers in (ctx.guests, ctx.hosts) for peer in peers)
        sent, turned = _turned(columns)
        together = slots_of(key.bits, slot_bits, columns.shape[1])
        packed = FixedPoint(packed_rows(turned, slot_bits, together).T, 0)
        wire = EncryptedArray.encrypt(key, packed).to_wire(_wire_bits(slot_bits, together))
        for peer in peers:
            peer.push("columns", wire, step)
        others = []
        for peer in peers:
            value = peer.pull("columns", step)
            most = slots_of(key.bits, slot_bits, key.bits)
            array = EncryptedArray.from_wire(value, key, _wire_bits(slot_bits, most))
            if len(array.shape) != 2 or array.shape[1] != len(columns) or array.exponent:
                raise MessageRejected(f"{peer.party} sent no encrypted columns of {len(columns)} rows.")
            others.append(array)
        return cls(ctx, key, columns, precision, slot_bits, sent, peers, tuple(others))

    def sums(self, tag: str, step: Step, rows: Rows, terms: Floats) -> Floats:
        """Each column's inner product with the residuals, shape (columns, models).

        Args:
            terms: this party's, shape (len(rows), models).
        """
        exponents = integers_of(terms, self.precision, step).astype(np.int64).T
        models, count = exponents.shape[0], self.columns.shape[1]
        together = slots_of(self.key.bits, self.slot_bits, count)
        bits = min(self.key.bits - 4, self.slot_bits * together + 1)
        matrix = FixedPoint(exponents, 0)
        for peer, columns in zip(self.peers, self.others, strict=True):
            products = [(matrix @ columns[place][rows]).reshape(models, 1) for place in range(len(columns))]
            answer = concatenate(products, axis=1)
            peer.push(f"{tag}_part", answer.bounded(1 << (self.key.bits - 4)).to_wire(self.key.bits - 4), step)
        total: EncryptedArray | None = None
        for peer in self.peers:
            shape = (models, -(-count // together))
            part = terms_from_peer(peer.pull(f"{tag}_part", step), self.key, bits, shape)
            total = part if total is None else total + part
        assert total is not None  # noqa: S101 - a spec that needs guest and host has them
        total = total.bounded(1 << bits)
        found = unpacked_rows(revealed(self.ctx.arbiter, tag, step, total), count, self.slot_bits, together)
        turned = np.ldexp(found.astype(np.float64), -_FRACTION_BITS - self.precision)
        sums: Floats = self.columns[rows].T @ terms + self.sent.turned_back(turned).T
        return sums


def _wire_bits(slot_bits: int, together: int) -> int:
    return slot_bits * (together - 1) + COLUMN_BITS + 1


def _turned(columns: Floats) -> tuple[Sent, BigIntegers]:
    """Columns of magnitudes up to 1, turned, as integers."""
    _, magnitude = np.frexp(np.abs(columns).max(axis=0, initial=0.0))
    scales: Floats = np.ldexp(1.0, magnitude)
    rng = np.random.default_rng(secrets.randbits(256))
    turns, parts = [], []
    for start in range(0, columns.shape[1], _TURNED_TOGETHER):
        some = columns[:, start : start + _TURNED_TOGETHER] / scales[start : start + _TURNED_TOGETHER]
        turn, corner = np.linalg.qr(rng.normal(size=(some.shape[1],) * 2))
        turns.append(turn * np.sign(np.diag(corner)))
        parts.append(some @ turns[-1])
    integers = np.rint(np.ldexp(np.hstack(parts), _FRACTION_BITS)).astype(np.int64)
    return Sent(tuple(turns), scales), integers.astype(object)
