"""Several numbers in each ciphertext."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from fate_components.crypto.encrypted_array import EncryptedArray, Plain
from fate_components.crypto.fixed_point import DEFAULT_EXPONENT, FixedPoint, to_floats
from fate_components.crypto.integers import Floats, as_residues
from fate_components.crypto.masking import signed
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.crypto.slots import pack_integers, unpack_integers
from fate_federated.errors import CryptoError
from fate_federated.wire.payload import Wire


class PackedArray:
    """An array whose last axis lies in slots of ``slot_bits`` bits, as many in one ciphertext as the key has room for.

    What is done to a ciphertext is done to all its numbers: sums of rows, products with one number for all of a row's.
    A slot needs room for the sums to come: rows of 40 bits that are summed a thousand at a time need 40 + 10 + 1. How
    large a slot's magnitude can be is carried along, and an operation after which it might reach into its neighbour is
    refused. ``slot_bits`` travels in clear, so it is chosen from what both parties know, not from the data.

    Attributes:
        ciphertexts: shape (..., ciphertexts per row); their plaintexts are sums of integer * 2**(slot_bits * slot).
        width: length of the last axis.
        exponent: number = integer * 2**exponent.
    """

    __array_ufunc__ = None
    __slots__ = ("ciphertexts", "exponent", "slot_bits", "width")

    def __init__(self, ciphertexts: EncryptedArray, width: int, slot_bits: int, exponent: int):
        self.ciphertexts, self.width, self.slot_bits, self.exponent = ciphertexts, width, slot_bits, exponent
        if self.bound >= 1 << (slot_bits - 1):
            raise CryptoError(
                f"A packed number might need {self.bound.bit_length() + 1} bits where its slot has {slot_bits}. "
                "Use wider slots."
            )

    @classmethod
    def encrypt(
        cls, key: PublicKey | PrivateKey, values: Plain, slot_bits: int, exponent: int = DEFAULT_EXPONENT
    ) -> PackedArray:
        """Encrypt numbers; floats are rounded to multiples of 2**exponent.

        Args:
            key: the private key does the same faster.
            values: shape (..., width).

        Raises:
            CryptoError: a value is not finite or too large for a slot.
        """
        public = key.public if isinstance(key, PrivateKey) else key
        plain = values if isinstance(values, FixedPoint) else FixedPoint.of(values, exponent)
        if not plain.integers.ndim or not plain.integers.shape[-1]:
            raise CryptoError(f"An array of shape {plain.integers.shape} has nothing to pack.")
        packed = _packed(plain, slot_bits, _slots(public, slot_bits, plain.integers.shape[-1]))
        encrypted = EncryptedArray.encrypt(key, packed)
        bound = plain.bound * _ones(slot_bits, _slots(public, slot_bits, plain.integers.shape[-1]))
        return cls(encrypted.bounded(bound), plain.integers.shape[-1], slot_bits, plain.exponent)

    @classmethod
    def pack(cls, array: EncryptedArray, slot_bits: int) -> PackedArray:
        """Ciphertexts of one number each, packed: fewer to send and to decrypt. About slot_bits squarings for each.

        Args:
            array: shape (..., width).
        """
        if not array.shape or not array.shape[-1]:
            raise CryptoError(f"An array of shape {array.shape} has nothing to pack.")
        slots = _slots(array.key, slot_bits, array.shape[-1])
        return cls(array.packed_ciphertexts(slot_bits, slots), array.shape[-1], slot_bits, array.exponent)

    @property
    def key(self) -> PublicKey:
        return self.ciphertexts.key

    @property
    def slots(self) -> int:
        """Numbers in one ciphertext; the last of a row may have fewer."""
        return _slots(self.key, self.slot_bits, self.width)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.ciphertexts.shape[:-1], self.width)

    @property
    def bound(self) -> int:
        """No integer in a slot has a larger magnitude."""
        # Every operation is linear, so the plaintexts' bound is the slots' times this.
        return -(-(self.ciphertexts.bound or 0) // _ones(self.slot_bits, self.slots))

    def __getitem__(self, index: Any) -> PackedArray:
        """Some of the rows; the last axis is not cut."""
        if len(self.ciphertexts.shape) < 2:
            raise CryptoError("A packed row is not cut.")
        return self._like(self.ciphertexts[index])

    def __add__(self, other: PackedArray | Plain) -> PackedArray:
        """Number by number; shapes follow NumPy's rules but for the last axis, which must be the same."""
        if not isinstance(other, PackedArray):
            plain = other if isinstance(other, FixedPoint) else FixedPoint.of(other, self.exponent)
            if plain.exponent < self.exponent or plain.integers.shape[-1:] != (self.width,):
                raise CryptoError(f"Numbers of shape {plain.integers.shape} cannot be added to packed {self.shape}.")
            shifted = FixedPoint(plain.integers.astype(object) * (1 << (plain.exponent - self.exponent)), self.exponent)
            packed = _packed(shifted, self.slot_bits, self.slots)
            total = self.ciphertexts + packed
            # Not what the packed integers show, but what their slots do.
            return self._like(total.bounded((self.bound + shifted.bound) * _ones(self.slot_bits, self.slots)))
        if (other.width, other.slot_bits, other.exponent) != (self.width, self.slot_bits, self.exponent):
            raise CryptoError("Packed arrays of different slots or exponents cannot be added.")
        return self._like(self.ciphertexts + other.ciphertexts)

    def __mul__(self, other: Plain) -> PackedArray:
        """Times one number, or one for each row: shape of the rows."""
        plain = (other if isinstance(other, FixedPoint) else FixedPoint.of(other)).reduced()
        factors = FixedPoint(plain.integers[..., None] if plain.integers.ndim else plain.integers, 0)
        return PackedArray(self.ciphertexts * factors, self.width, self.slot_bits, self.exponent + plain.exponent)

    __rmul__ = __mul__

    def sum(self, axis: int = 0) -> PackedArray:
        """Along an axis that is not the last."""
        rows = len(self.shape) - 1
        if not -rows - 1 <= axis < rows or axis == -1:
            raise CryptoError(f"A packed array of shape {self.shape} has no axis {axis} to sum along.")
        return self._like(self.ciphertexts.sum(axis % (rows + 1)))

    def sum_by_bin(self, bins: npt.NDArray[Any], count: int) -> PackedArray:
        """See :meth:`EncryptedArray.sum_by_bin`: of shape (rows, width), sums (columns, count, width)."""
        return self._like(self.ciphertexts.sum_by_bin(bins, count))

    def decrypt(self, private: PrivateKey) -> Floats:
        """The numbers, in their shape.

        Raises:
            CryptoError: they are under another key, or a plaintext is larger than it can be by how it was made.
        """
        residues = self.ciphertexts.decrypt_residues(private)
        plain = signed(residues, self.key, self.ciphertexts.bound or 0)
        slots, integers = self.slots, []
        for row in plain.reshape(-1, plain.shape[-1]).tolist():
            for place, value in enumerate(row):
                integers += unpack_integers(value, min(slots, self.width - place * slots), self.slot_bits)
        if any(abs(integer) > self.bound for integer in integers):
            raise CryptoError("A packed plaintext holds a larger number than it can by how it was made.")
        return to_floats(as_residues(integers, self.shape), self.exponent)

    # To other parties

    def to_wire(self) -> dict[str, Wire]:
        """For another party; see :meth:`EncryptedArray.to_wire`. Shape, slots and exponent travel in clear."""
        return {
            "ciphertexts": self.ciphertexts.to_wire(self.key.bits),
            "width": self.width,
            "slot_bits": self.slot_bits,
            "exponent": self.exponent,
        }

    @classmethod
    def from_wire(cls, value: Any, key: PublicKey, slot_bits: int, bits: int) -> PackedArray:
        """What another party sent.

        Args:
            slot_bits: as agreed.
            bits: what the receiver relies on: no integer in a slot has a magnitude above 2**bits.

        Raises:
            CryptoError: it is not numbers packed like that, under this key.
        """
        fields = {"ciphertexts", "width", "slot_bits", "exponent"}
        if not isinstance(value, Mapping) or set(value) != fields:
            raise CryptoError("A message does not hold packed ciphertexts.")
        width, exponent = value["width"], value["exponent"]
        if type(width) is not int or width < 1 or type(exponent) is not int or not -4096 <= exponent <= 4096:
            raise CryptoError("A message holds packed ciphertexts of an impossible width or exponent.")
        if value["slot_bits"] != slot_bits:
            raise CryptoError(f"A message holds slots of {value['slot_bits']} bits where {slot_bits} were agreed.")
        slots = _slots(key, slot_bits, width)
        ciphertexts = EncryptedArray.from_wire(value["ciphertexts"], key, masked=True)
        if ciphertexts.exponent or ciphertexts.shape[-1:] != (-(-width // slots),):
            raise CryptoError(f"A message of shape {ciphertexts.shape} does not hold rows of {width} packed numbers.")
        return cls(ciphertexts.bounded((1 << bits) * _ones(slot_bits, slots)), width, slot_bits, exponent)

    def _like(self, ciphertexts: EncryptedArray) -> PackedArray:
        return PackedArray(ciphertexts, self.width, self.slot_bits, self.exponent)


def _slots(key: PublicKey, slot_bits: int, width: int) -> int:
    """Two bits less than the key has: the integer, with its sign, stays below n/2."""
    slots = min((key.bits - 2) // slot_bits, width) if slot_bits > 1 else 0
    if slots < 1:
        raise CryptoError(f"A key of {key.bits} bits has no slots of {slot_bits} bits.")
    return slots


def _ones(slot_bits: int, slots: int) -> int:
    """A one in every slot."""
    return int(pack_integers([1] * slots, slot_bits))


def _packed(plain: FixedPoint, slot_bits: int, slots: int) -> FixedPoint:
    if plain.bound >= 1 << (slot_bits - 1):
        raise CryptoError(f"A number needs {plain.bound.bit_length() + 1} bits where its slot has {slot_bits}.")
    rows = plain.integers.reshape(-1, plain.integers.shape[-1]).tolist()
    values = [pack_integers(row[at : at + slots], slot_bits) for row in rows for at in range(0, len(row), slots)]
    shape = (*plain.integers.shape[:-1], -(-plain.integers.shape[-1] // slots))
    return FixedPoint(as_residues(values, shape), 0)
