"""Many powers of one base, from a table of its powers."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.integers import pack, unpack
from fate_components.crypto.square_modulus import Factors, root_of

_WIDEST = 10
# An entry of a table takes about as long as so many of the multiplications that a power is made of.
_ENTRY = 4
_AT_ONCE = 200


Limbs = npt.NDArray[np.uint32]


class Base(NamedTuple):
    """What is raised, modulo what, to exponents 0..limit-1."""

    base: mpz
    modulus: mpz
    limit: mpz


class _Row(NamedTuple):
    """The powers of one place by digit, as factors: logs in limbs of 32 bits, shape (digits, limbs)."""

    units: list[mpz]
    logs: Limbs


class FixedBase:
    """Powers of one base.

    The table holds base**(d * 2**(w * i)) for every digit d of w bits and place i (Brickell, Gordon, McCurley, Wilson
    1992), so that a power is one multiplication per digit. Its width is the one with which the table and all powers
    that are expected take the least time; at ten bits that of a 2048-bit Paillier key has 105,472 entries, 65 MB.
    """

    def __init__(self, base: mpz, modulus: mpz, limit: mpz) -> None:
        self.base, self.modulus, self.limit = base, modulus, limit
        self.bits = int(limit - 1).bit_length()
        self._root = root_of(modulus)
        # Bits of a digit, and by place and digit the powers: in one, as threads share the table while it changes.
        self._table: tuple[int, list[_Row]] = (0, [])
        self._made = 0

    def powers(self, exponents: Sequence[int]) -> list[mpz]:
        """base**exponent of each."""
        width, table = self._table
        if not width:
            return [gmpy2.powmod(self.base, exponent, self.modulus) for exponent in exponents]
        made: list[mpz] = []
        for at in range(0, len(exponents), _AT_ONCE):
            some = exponents[at : at + _AT_ONCE]
            products = [mpz(1)] * len(some)
            sums = np.zeros((len(some), table[0].logs.shape[1]), dtype=np.uint64)
            # Place by place: the powers of one fit a core's cache, the whole table does not.
            for row, digits in zip(table, _digits(some, width, len(table)), strict=True):
                units, modulus = row.units, self.modulus
                products = [
                    value * units[digit] % modulus for value, digit in zip(products, digits.tolist(), strict=True)
                ]
                sums += row.logs[digits]
            made += Factors(self.modulus, self._root, [], []).joined(products, _integers(sums))
        return made

    def random_powers(self, count: int, expected: int = 0) -> list[mpz]:
        """Powers with secret exponents, uniform in 0..limit-1, which are forgotten.

        Args:
            expected: how many are going to be asked for, if that is known, these included.
        """
        self._made += count
        width = _width(self.bits, max(expected, self._made))
        # A table that is hardly better does not pay for itself.
        if width > self._table[0] + (1 if self._table[0] else 0):
            self._table = width, self._build(width)
        limit = int(self.limit)
        return self.powers([secrets.randbelow(limit) for _ in range(count)])

    def _build(self, width: int) -> list[_Row]:
        step = self.base
        table: list[_Row] = []
        for _ in range(-(-self.bits // width)):
            row = [mpz(1)]
            for _ in range((1 << width) - 1):
                row.append(row[-1] * step % self.modulus)
            factors = Factors.of(row, self.modulus)
            table.append(_Row(factors.units, _limbs(factors.logs, self._root)))
            step = row[-1] * step % self.modulus
        return table


def _width(bits: int, count: int) -> int:
    """Of the digits with which so many powers take the least time; 0 for no table."""
    costs = [(-(-bits // width) * ((_ENTRY << width) + count), width) for width in range(1, _WIDEST + 1)]
    return min([(bits * count, 0), *costs])[1]


def _digits(exponents: Sequence[int], width: int, places: int) -> npt.NDArray[np.uint16]:
    """By place, the lowest first, a digit of each, shape (places, exponents)."""
    size = -(-width * places // 8)
    joined = b"".join(exponent.to_bytes(size, "little") for exponent in exponents)
    bits = np.unpackbits(np.frombuffer(joined, np.uint8).reshape(-1, size), axis=1, bitorder="little")
    digits = np.zeros((len(exponents), places, 16), dtype=np.uint8)
    digits[:, :, :width] = bits[:, : width * places].reshape(-1, places, width)
    by_place: npt.NDArray[np.uint16] = np.packbits(digits, axis=2, bitorder="little").view("<u2")[:, :, 0].T
    return np.ascontiguousarray(by_place)


def _limbs(values: Sequence[mpz], below: mpz) -> Limbs:
    """Numbers below ``below`` in limbs, the lowest first, shape (values, limbs)."""
    count = -(-int(below).bit_length() // 32)
    return np.frombuffer(pack(values, 4 * count), "<u4").reshape(len(values), count)


def _integers(sums: npt.NDArray[np.uint64]) -> list[mpz]:
    """Sums of limbs as numbers."""
    width = 4 * sums.shape[1]
    low, high = (part.astype("<u4").tobytes() for part in (sums & np.uint64(0xFFFFFFFF), sums >> np.uint64(32)))
    if not width:
        return [mpz(0)] * len(sums)
    pairs = zip(unpack(low, width), unpack(high, width), strict=True)
    return [one + (other << 32) for one, other in pairs]


@lru_cache(maxsize=6)
def fixed_base(base: Base) -> FixedBase:
    """The process's own table of this base, shared by all who ask."""
    return FixedBase(*base)
