"""First and second derivatives as integers in one plaintext, and several of their sums in one ciphertext."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gmpy2 import mpz

from fate_components.crypto import parallel
from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import as_residues
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.crypto.slots import unpack_integers
from fate_components.secureboost.model import Floats
from fate_federated.errors import CryptoError, MessageRejected

DEFAULT_BITS = 24
_EXACT_BITS = 52


@dataclass(frozen=True, slots=True)
class Layout:
    """A pair of derivatives is first * 2**second_bits + second; several are Σ_j pair_j * 2**(slot_bits * j).

    A row has a pair for each output of the tree, ``width`` of them in one plaintext, and an answer holds the sums of
    ``slots`` such plaintexts.

    Sums over all rows stay below 2**52 in magnitude, so that floats hold them exactly and it makes no difference who
    adds them up.

    Attributes:
        value_bits: magnitude of a row's integers.
        second_bits: room for a sum of second derivatives.
        slot_bits: room for both sums.
        slots: sums of rows' plaintexts in one ciphertext.
        outputs: pairs of a row.
        width: pairs in one plaintext of a row.
    """

    value_bits: int
    second_bits: int
    slot_bits: int
    slots: int
    outputs: int
    width: int

    @classmethod
    def of(cls, key_bits: int, rows: int, bits: int | None, *, compress: bool, outputs: int = 1) -> Layout:
        """For a key and so many rows.

        Args:
            bits: precision of the largest derivative; None for the usual one.

        Raises:
            CryptoError: the key is too short.
        """
        grows = rows.bit_length()
        value = max(min(DEFAULT_BITS if bits is None else bits, _EXACT_BITS - grows), 1)
        second = value + grows
        slot = second + value + grows + 1
        most = (key_bits - 2) // slot
        if most < 1:
            raise CryptoError(f"A key of {key_bits} bits has no room for sums of {slot}.")
        width = -(-outputs // -(-outputs // most))
        return cls(value, second, slot, most // width if compress else 1, outputs, width)

    @property
    def parts(self) -> int:
        """Plaintexts of a row."""
        return -(-self.outputs // self.width)

    @property
    def row_bits(self) -> int:
        """No row's plaintext has more."""
        return self.value_bits + self.second_bits + 1 + self.slot_bits * (self.width - 1)

    @property
    def answer_bits(self) -> int:
        """No answer's plaintext has more."""
        return self.slot_bits * self.width * self.slots

    def rounded(self, values: Floats) -> tuple[Floats, int]:
        """Values as integers times a power of two, and its exponent."""
        exponent = int(np.frexp(np.abs(values).max(initial=0.0))[1]) - self.value_bits
        return np.rint(np.ldexp(values, -exponent)), exponent

    def encrypted(self, key: PrivateKey, first: Floats, second: Floats) -> EncryptedArray:
        """Integers of rows, shape (rows, outputs), as ciphertexts, shape (rows, parts); no second one is negative."""
        pairs = first.astype(np.int64).astype(object) * (1 << self.second_bits) + second.astype(np.int64)
        plain = np.zeros((len(pairs), self.parts), dtype=object)
        for output in range(self.outputs):
            part, place = divmod(output, self.width)
            plain[:, part] += pairs[:, output] * (1 << self.slot_bits * place)
        return EncryptedArray.encrypt(key, FixedPoint(plain, 0)).bounded(1 << self.row_bits)

    def answer(self, key: PublicKey, sums: list[mpz]) -> EncryptedArray:
        """Ciphertexts of sums of rows' plaintexts, in as few ciphertexts as have room for them."""
        groups = [sums[at : at + self.slots] for at in range(0, len(sums), self.slots)]
        packed = parallel.packed(groups, self.slot_bits * self.width, key.modulus)
        return EncryptedArray(key, as_residues(packed, (len(packed),)), 0, 1 << self.answer_bits)

    def read(self, answer: Any, key: PrivateKey, count: int) -> tuple[Floats, Floats]:
        """The sums of first and of second derivatives in an answer, as integers, shape (count, outputs).

        Args:
            answer: the sums of the rows' first plaintexts, then of their second ones, and so on.

        Raises:
            CryptoError: it is not ciphertexts under the key, or holds what cannot come about by adding up.
            MessageRejected: it does not hold so many.
        """
        encrypted = EncryptedArray.from_wire(answer, key.public, self.answer_bits)
        packed = count * self.parts
        if encrypted.shape != (-(-packed // self.slots),):
            raise MessageRejected(f"A message of shape {encrypted.shape} does not hold {packed} packed sums.")
        half, sums = key.public.n // 2, []
        for place, value in enumerate(encrypted.decrypt_residues(key).tolist()):
            signed = value - key.public.n if value > half else value
            pairs = min(self.slots, packed - place * self.slots) * self.width
            sums += unpack_integers(signed, pairs, self.slot_bits)
        mask = (1 << self.second_bits) - 1
        if any(abs(value) >= 1 << (self.slot_bits - 1) for value in sums):
            raise CryptoError("A decrypted sum is larger than it can be by how it was made.")
        first = np.array([float(value >> self.second_bits) for value in sums])
        second = np.array([float(value & mask) for value in sums])
        return self._by_output(first, count), self._by_output(second, count)

    def _by_output(self, sums: Floats, count: int) -> Floats:
        """From shape (parts * count * width,) to (count, outputs)."""
        parts = sums.reshape(self.parts, count, self.width)
        return np.concatenate(list(parts), axis=1)[:, : self.outputs]
