"""Many powers of one base, from a table of its powers."""

from __future__ import annotations

import secrets
from functools import lru_cache

import gmpy2
import numpy as np
from gmpy2 import mpz

_DIGIT_BITS = 10
# Below this many powers the table's 1,023 multiplications per digit cost more than plain powers do.
_TABLE_PAYS = 130


class FixedBase:
    """base**a modulo ``modulus`` for exponents of at least a given number of bits.

    The table holds base**(d * 1024**i) for every digit d and place i (Brickell, Gordon, McCurley, Wilson 1992), so that
    a power is one multiplication per ten bits. For a 2048-bit Paillier key it has 105,472 entries, 58 MB. It is built
    when enough powers were asked for to pay for it.
    """

    def __init__(self, base: mpz, modulus: mpz, exponent_bits: int) -> None:
        self.base, self.modulus = base, modulus
        self.digits = -(-exponent_bits // _DIGIT_BITS)
        self._table: list[list[mpz]] = []
        self._made = 0

    def power(self, exponent: list[int]) -> mpz:
        """base**exponent, the exponent as its digits, the lowest first."""
        if not self._table:
            plain = sum(mpz(digit) << (_DIGIT_BITS * place) for place, digit in enumerate(exponent))
            return gmpy2.powmod(self.base, plain, self.modulus)
        result, modulus = mpz(1), self.modulus
        for row, digit in zip(self._table, exponent, strict=True):
            result = result * row[digit] % modulus
        return result

    def random_powers(self, count: int) -> list[mpz]:
        """Powers with secret, uniformly random exponents, which are forgotten."""
        self._made += count
        if not self._table and self._made > _TABLE_PAYS:
            self._table = self._build()
        drawn = np.frombuffer(secrets.token_bytes(2 * count * self.digits), np.uint16) % (1 << _DIGIT_BITS)
        return [self.power(exponent) for exponent in drawn.reshape(count, self.digits).tolist()]

    def _build(self) -> list[list[mpz]]:
        table, step, modulus = [], self.base, self.modulus
        for _ in range(self.digits):
            row = [mpz(1)]
            for _ in range((1 << _DIGIT_BITS) - 1):
                row.append(row[-1] * step % modulus)
            table.append(row)
            step = row[-1] * step % modulus
        return table


@lru_cache(maxsize=6)
def fixed_base(base: mpz, modulus: mpz, exponent_bits: int) -> FixedBase:
    """The process's own table of this base, shared by all who ask."""
    return FixedBase(base, modulus, exponent_bits)
