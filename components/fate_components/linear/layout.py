"""Several numbers in a ciphertext, and how a party learns its inner products from an arbiter that does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import Integers, as_residues
from fate_components.crypto.masking import residues_from_wire, residues_to_wire, signed
from fate_components.crypto.paillier import PrivateKey
from fate_components.crypto.slots import pack_integers, unpack_integers
from fate_components.linear.messages import Step
from fate_federated.errors import CryptoError, MessageRejected
from fate_federated.task.context import Peer

COLUMN_BITS = 40
"""Magnitude of what a residual is multiplied with."""

BigIntegers = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a row's residuals lie in ciphertexts.

    Attributes:
        value_bits: magnitude of a residual's integers.
        exponent: a residual is integer * 2**exponent.
        slot_bits: room for an inner product over a batch.
        models: trained side by side.
        together: of these, how many share a ciphertext.
    """

    value_bits: int
    exponent: int
    slot_bits: int
    models: int
    together: int

    @classmethod
    def of(cls, key_bits: int, batch: int, models: int, value_bits: int, exponent: int, *, apart: bool) -> Layout:
        """The densest for a key.

        Args:
            batch: rows in the largest batch.
            apart: models do not share ciphertexts.

        Raises:
            CryptoError: the key is too short for any.
        """
        slot_bits = value_bits + COLUMN_BITS + batch.bit_length() + 2
        together = slots_of(key_bits, slot_bits, models)
        return cls(value_bits, exponent, slot_bits, models, 1 if apart else together)

    @property
    def groups(self) -> int:
        """Ciphertexts for the models of a row."""
        return -(-self.models // self.together)

    @property
    def wire_bits(self) -> int:
        """No packed residual has more."""
        return self.slot_bits * (self.together - 1) + self.value_bits + 1

    def packed(self, integers: BigIntegers) -> FixedPoint:
        """Integers of rows and models, shape (rows, models), as plaintexts of shape (groups, rows)."""
        return FixedPoint(packed_rows(integers, self.slot_bits, self.together).T, 0)

    def inner_products(self, columns: Integers, residual: EncryptedArray) -> EncryptedArray:
        """Each column's inner product with the residuals, shape (columns, groups).

        Args:
            columns: shape (rows, columns), magnitudes up to 2**COLUMN_BITS.
            residual: shape (groups, rows).
        """
        matrix = FixedPoint(columns.T, 0)
        products = [matrix @ residual[group] for group in range(self.groups)]
        return concatenate([some.reshape(some.size, 1) for some in products], axis=1)

    def unpacked(self, found: BigIntegers) -> BigIntegers:
        """Integers of columns and models, shape (columns, models), of plaintexts of shape (columns, groups)."""
        return unpacked_rows(found, self.models, self.slot_bits, self.together)


def slots_of(key_bits: int, slot_bits: int, most: int) -> int:
    """How many numbers share a ciphertext.

    Raises:
        CryptoError: the key is too short for one.
    """
    room = key_bits - 8
    if slot_bits > room:
        raise CryptoError(
            f"A key of {key_bits} bits has no room for numbers of {slot_bits}. Use a longer encrypt_param.key_length."
        )
    return min(most, room // slot_bits)


def packed_rows(integers: BigIntegers, slot_bits: int, together: int) -> BigIntegers:
    """Of each row ``together`` neighbours in one integer; shape (rows, ceil(columns / together))."""
    width = integers.shape[1]
    flat = [
        mpz(pack_integers(row[at : at + together], slot_bits))
        for row in integers.tolist()
        for at in range(0, width, together)
    ]
    return as_residues(flat, (len(integers), -(-width // together)))


def unpacked_rows(packed: BigIntegers, width: int, slot_bits: int, together: int) -> BigIntegers:
    """What :func:`packed_rows` packed, and sums of such; shape (rows, width).

    Raises:
        CryptoError: a number is larger than it can be by how it was made.
    """
    flat = [
        integer
        for row in packed.tolist()
        for place, value in enumerate(row)
        for integer in unpack_integers(value, min(together, width - place * together), slot_bits)
    ]
    if any(abs(integer) >> (slot_bits - 1) for integer in flat):
        raise CryptoError("A decrypted number is larger than it can be by how it was made: it was tampered with.")
    return as_residues(flat, (len(packed), width))


def revealed(arbiter: Peer, tag: str, step: Step, encrypted: EncryptedArray) -> BigIntegers:
    """The integers behind ciphertexts, from the arbiter, who sees them with a pad that is uniform modulo n.

    Raises:
        MessageRejected: the arbiter returned something else.
        CryptoError: a number is larger than it can be by how it was made.
    """
    masked, mask = encrypted.masked()
    arbiter.push(tag, masked.to_wire(), step)
    residues = residues_from_wire(arbiter.pull(tag, step), encrypted.key)
    if residues.shape != mask.pads.shape:
        raise MessageRejected("The arbiter did not return what it was asked to decrypt.")
    slot_bits, count, key = mask.bound.bit_length() + 2, math.prod(mask.shape), encrypted.key
    plain = as_residues([(value - pad) % key.n for value, pad in zip(residues, mask.pads, strict=True)], residues.shape)
    integers: list[mpz] = []
    for value in signed(plain, key, 1 << (mask.slots * slot_bits)):
        integers += unpack_integers(value, min(mask.slots, count - len(integers)), slot_bits)
    return as_residues(integers, mask.shape)


def reveal(private: PrivateKey, peer: Peer, tag: str, step: Step) -> None:
    """The arbiter's part of :func:`revealed`."""
    masked = EncryptedArray.from_wire(peer.pull(tag, step), private.public, masked=True)
    peer.push(tag, residues_to_wire(masked.decrypt_residues(private), private.public), step)
