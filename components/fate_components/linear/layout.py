"""How numbers of many rows and models share ciphertexts, and how inner products with them come out again.

A residual is packed along two directions. The numbers of up to ``together`` models of a row lie in neighbouring slots;
these blocks of up to ``rows`` rows lie one after the other. With B = 2**(slot_bits * together) a plaintext is
Σ_r block_r·B^r. Powers with a column's values in reverse order, Σ_r x_r·B^(rows-1-r), then have Σ_r x_r·block_r at
B^(rows-1): products of polynomials hold inner products. What lies at the other powers are products of one row's value
with another row's residual, which nobody may learn.

So the arbiter, who decrypts, is sent the sum with a pad that is 64 bits longer than all of it, cuts out the blocks that
are wanted, which the pad hides from it, and returns only these. Packing several rows saves encryptions (one for all of
them) and costs squarings; three are a good measure. Carries from below make the result wrong by one unit of its last
place, 2**-32 of a residual's unit at most.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import Integers, Residues, as_residues
from fate_components.crypto.slots import pack_integers, unpack_integers
from fate_federated.errors import CryptoError, MessageRejected

COLUMN_BITS = 40
"""Magnitude of what a residual is multiplied with."""

_PAD_BITS = 64
_ROWS = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """See the module.

    Attributes:
        value_bits: magnitude of a residual's integers.
        exponent: a residual is integer * 2**exponent.
        slot_bits: room for an inner product over a batch.
        models: trained side by side.
        together: of these, how many share a ciphertext.
        rows: rows in a ciphertext.
        columns: inner products that are sent for decryption in one ciphertext.
    """

    value_bits: int
    exponent: int
    slot_bits: int
    models: int
    together: int
    rows: int
    columns: int

    @classmethod
    def of(
        cls, key_bits: int, batch: int, models: int, value_bits: int, exponent: int, *, apart: bool, rows_apart: bool
    ) -> Layout:
        """The densest for a key.

        Args:
            batch: rows in the largest batch.
            apart: models do not share ciphertexts.
            rows_apart: rows do not.

        Raises:
            CryptoError: the key is too short for any.
        """
        slot_bits = value_bits + COLUMN_BITS + batch.bit_length() + 2
        room = key_bits - _PAD_BITS - 6
        if slot_bits > room:
            raise CryptoError(
                f"A key of {key_bits} bits has no room for numbers of {slot_bits}. "
                "Use a longer encrypt_param.key_length."
            )
        together = 1 if apart else min(models, room // slot_bits)
        block = slot_bits * together
        rows = (
            1
            if rows_apart
            else max(count for count in range(1, _ROWS + 1) if (2 * count - 1) * block <= room or count == 1)
        )
        return cls(
            value_bits, exponent, slot_bits, models, together, rows, (room - (rows - 1) * block) // (rows * block)
        )

    @property
    def groups(self) -> int:
        """Ciphertexts for the models of a row, or of some rows."""
        return -(-self.models // self.together)

    @property
    def block_bits(self) -> int:
        return self.slot_bits * self.together

    @property
    def wire_bits(self) -> int:
        """No packed residual has more."""
        return self.block_bits * (self.rows - 1) + self.slot_bits * (self.together - 1) + self.value_bits + 1

    @property
    def _sum_bits(self) -> int:
        """Of stacked inner products with all that surrounds them."""
        return self.block_bits * (self.columns * self.rows + self.rows - 1) + 2

    def ciphertexts(self, rows: int) -> int:
        """In how many ciphertexts a group's residuals of so many rows are."""
        return -(-rows // self.rows)

    def packed(self, integers: npt.NDArray[np.object_]) -> FixedPoint:
        """Integers of rows and models, shape (rows, models), as plaintexts of shape (groups, ciphertexts)."""
        per_row = [
            [pack_integers(row[at : at + self.together], self.slot_bits) for row in integers.tolist()]
            for at in range(0, self.models, self.together)
        ]
        flat = [
            pack_integers(blocks[at : at + self.rows], self.block_bits)
            for blocks in per_row
            for at in range(0, len(blocks), self.rows)
        ]
        return FixedPoint(
            as_residues([mpz(value) for value in flat], (self.groups, self.ciphertexts(len(integers)))), 0
        )

    def inner_products(self, columns: Integers, residual: EncryptedArray) -> EncryptedArray:
        """Each column's inner product with the residuals, somewhere in a plaintext each.

        Args:
            columns: shape (rows, columns), magnitudes up to 2**COLUMN_BITS.
            residual: shape (groups, ciphertexts).

        Returns:
            shape (groups, columns).
        """
        rows, count = columns.shape
        padded = np.zeros((residual.shape[1] * self.rows, count), dtype=np.int64)
        padded[:rows] = columns
        # The last row of a ciphertext first: it meets the lowest power of B.
        turned = padded.reshape(-1, self.rows, count)[:, ::-1]
        matrix = FixedPoint(turned.transpose(2, 1, 0).reshape(count * self.rows, -1), 0)
        products = [matrix @ residual[group] for group in range(self.groups)]
        if self.rows > 1:
            products = [
                some.reshape(count, self.rows).packed_ciphertexts(self.block_bits, self.rows) for some in products
            ]
        return _joined(products)

    def hidden(self, products: EncryptedArray) -> tuple[EncryptedArray, list[int]]:
        """Inner products in as few ciphertexts as have room, with a pad that hides them all, and the pads."""
        packed = products.packed_ciphertexts(self.block_bits * self.rows, self.columns)
        flat = packed.reshape(packed.size)
        # The inner products may be negative: the first power of two makes the sum positive.
        pads = [(1 << self._sum_bits) + secrets.randbits(self._sum_bits + _PAD_BITS) for _ in range(flat.size)]
        return flat + FixedPoint(as_residues([mpz(pad) for pad in pads], flat.shape), 0), pads

    @property
    def hidden_bits(self) -> int:
        """No padded sum has more."""
        return self._sum_bits + _PAD_BITS + 1

    def wanted(self, plaintexts: Residues) -> npt.NDArray[np.uint8]:
        """The arbiter's part: of each plaintext only the blocks with inner products, shape (n, columns, bytes)."""
        width = -(-self.block_bits // 8)
        blocks = [
            int(block).to_bytes(width, "little") for value in plaintexts.tolist() for block in self._cut(int(value))
        ]
        return np.frombuffer(b"".join(blocks), dtype=np.uint8).reshape(len(plaintexts), self.columns, width)

    def revealed(self, answer: Any, pads: list[int], columns: int) -> npt.NDArray[np.object_]:
        """The inner products' integers, shape (columns, models), from what the arbiter returned.

        Raises:
            MessageRejected: it returned something else.
            CryptoError: a number is larger than it can be by how it was made.
        """
        width = -(-self.block_bits // 8)
        if (
            not isinstance(answer, np.ndarray)
            or answer.dtype != np.uint8
            or answer.shape != (len(pads), self.columns, width)
        ):
            raise MessageRejected("The arbiter did not return the decrypted inner products that it was asked for.")
        per_group = len(pads) // self.groups
        found = np.empty((columns, self.groups * self.together), dtype=object)
        for place, (blocks, pad) in enumerate(zip(answer, pads, strict=True)):
            group, first = place // per_group, (place % per_group) * self.columns
            hiding = self._cut(pad)
            for column in range(first, min(first + self.columns, columns)):
                hidden = int.from_bytes(blocks[column - first].tobytes(), "little")
                start = group * self.together
                found[column, start : start + self.together] = self._slots(hidden - hiding[column - first])
        found = found[:, : self.models]
        limit = 1 << (self.slot_bits - 2)
        if any(abs(value) > limit for value in found.ravel()):
            raise CryptoError("A decrypted number is larger than it can be by how it was made: it was tampered with.")
        return found

    def _cut(self, value: int) -> list[int]:
        block = self.block_bits
        return [
            (value >> (block * (column * self.rows + self.rows - 1))) & ((1 << block) - 1)
            for column in range(self.columns)
        ]

    def _slots(self, difference: int) -> list[mpz]:
        half = 1 << (self.block_bits - 1)
        block = (difference + half) % (2 * half) - half
        return unpack_integers(mpz(block), self.together, self.slot_bits)


def _joined(products: list[EncryptedArray]) -> EncryptedArray:
    return concatenate([some.reshape(1, some.size) for some in products])
