"""Many powers of one base, from a table of its powers."""

from __future__ import annotations

import secrets
from functools import lru_cache

import gmpy2
from gmpy2 import mpz

# Below this many powers the table's 255 multiplications per exponent byte cost more than plain powers do.
_TABLE_PAYS = 40


class FixedBase:
    """base**a modulo ``modulus`` for exponents of a fixed number of bytes.

    The table holds base**(d * 256**i) for every byte value d and place i (Brickell, Gordon, McCurley, Wilson 1992), so
    that a power is one multiplication per byte. For a 2048-bit Paillier key it has 32,768 entries, 18 MB. It is built
    when enough powers were asked for to pay for it.
    """

    def __init__(self, base: mpz, modulus: mpz, exponent_bytes: int) -> None:
        self.base, self.modulus, self.exponent_bytes = base, modulus, exponent_bytes
        self._table: list[list[mpz]] = []
        self._made = 0

    def power(self, exponent: bytes) -> mpz:
        """base**exponent, the exponent little-endian."""
        if not self._table:
            return gmpy2.powmod(self.base, int.from_bytes(exponent, "little"), self.modulus)
        result, modulus = mpz(1), self.modulus
        for row, digit in zip(self._table, exponent, strict=True):
            result = result * row[digit] % modulus
        return result

    def random_powers(self, count: int) -> list[mpz]:
        """Powers with secret, uniformly random exponents, which are forgotten."""
        self._made += count
        if not self._table and self._made > _TABLE_PAYS:
            self._table = self._build()
        size = self.exponent_bytes
        exponents = secrets.token_bytes(count * size)
        return [self.power(exponents[at : at + size]) for at in range(0, len(exponents), size)]

    def _build(self) -> list[list[mpz]]:
        table, step, modulus = [], self.base, self.modulus
        for _ in range(self.exponent_bytes):
            row = [mpz(1)]
            for _ in range(255):
                row.append(row[-1] * step % modulus)
            table.append(row)
            step = row[-1] * step % modulus
        return table


@lru_cache(maxsize=4)
def fixed_base(base: mpz, modulus: mpz, exponent_bytes: int) -> FixedBase:
    """The process's own table of this base, shared by all who ask."""
    return FixedBase(base, modulus, exponent_bytes)
