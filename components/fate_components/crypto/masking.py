"""Hiding numbers from the party that decrypts them: many to a ciphertext, under a one-time pad modulo n."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.fixed_point import to_floats
from fate_components.crypto.integers import Floats, Residues, as_residues, pack, unpack
from fate_components.crypto.paillier import PublicKey
from fate_components.crypto.slots import unpack_integers
from fate_federated.errors import CryptoError


@dataclass(frozen=True, slots=True)
class Mask:
    """What hides an array from the party that decrypts it.

    Attributes:
        shape, exponent, bound: of the array.
        slots: numbers in one ciphertext.
        pads: what was added to each ciphertext's plaintext.
    """

    key: PublicKey
    shape: tuple[int, ...]
    exponent: int
    bound: int
    slots: int
    pads: Residues = field(repr=False)

    def remove(self, decrypted: Residues) -> Floats:
        """The numbers, from the residues that the holder of the private key found.

        Raises:
            CryptoError: those are not of the array that was masked.
        """
        if decrypted.shape != self.pads.shape:
            raise CryptoError(f"Residues of shape {decrypted.shape} came back for a mask of {self.pads.shape}.")
        slot_bits = self.bound.bit_length() + 2
        # Room for all slots; a tampered plaintext leaves something above them.
        residues = as_residues(
            [(value - pad) % self.key.n for value, pad in zip(decrypted, self.pads, strict=True)], self.pads.shape
        )
        packed = signed(residues, self.key, 1 << (self.slots * slot_bits))
        integers: list[mpz] = []
        for value in packed:
            integers += unpack_integers(value, min(self.slots, math.prod(self.shape) - len(integers)), slot_bits)
        if any(abs(integer) > self.bound for integer in integers):
            raise _tampered()
        return to_floats(as_residues(integers, self.shape), self.exponent)


def residues_to_wire(residues: Residues, key: PublicKey) -> npt.NDArray[np.uint8]:
    """Plaintexts in 0..n-1 as an array of bytes: one more axis, little-endian."""
    width = key.plain_width_bytes
    data = np.frombuffer(pack(residues.ravel().tolist(), width), dtype=np.uint8)
    return data.reshape(*residues.shape, width)


def residues_from_wire(value: Any, key: PublicKey) -> Residues:
    """What :func:`residues_to_wire` made.

    Raises:
        CryptoError: it did not.
    """
    width = key.plain_width_bytes
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape[-1:] != (width,):
        raise CryptoError("A message does not hold decrypted residues.")
    return as_residues(unpack(value.tobytes(), width), value.shape[:-1])


def signed(residues: Residues, key: PublicKey, bound: int) -> Residues:
    """Residues modulo n as the integers that they stand for, -n/2..n/2.

    Raises:
        CryptoError: one is larger than ``bound``.
    """
    half = key.n // 2
    values = [value - key.n if value > half else value for value in residues.ravel()]
    if any(abs(value) > bound for value in values):
        raise _tampered()
    return as_residues(values, residues.shape)


def _tampered() -> CryptoError:
    return CryptoError("A ciphertext holds a larger number than it can by how it was made: it was tampered with.")
