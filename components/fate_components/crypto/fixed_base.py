"""Many powers of one base, from a table of its powers."""

from __future__ import annotations

import secrets
from functools import lru_cache

import gmpy2
import numpy as np
from gmpy2 import mpz

_DIGIT_BITS = 10
_HALF_BITS = _DIGIT_BITS // 2
# Below so many powers the half digits' 62 multiplications per digit cost more than plain powers do, and below so many
# the whole digits' 1,023 more than a second multiplication per digit does.
_HALF_DIGITS_PAY = 12
_WHOLE_DIGITS_PAY = 1000


class FixedBase:
    """base**a modulo ``modulus`` for exponents of at least a given number of bits.

    The table holds base**(d * 1024**i) for every digit d and place i (Brickell, Gordon, McCurley, Wilson 1992), so that
    a power is one multiplication per ten bits. For a 2048-bit Paillier key it has 105,472 entries, 58 MB. It is built
    when enough powers were asked for to pay for it, and one of digits of five bits before.
    """

    def __init__(self, base: mpz, modulus: mpz, exponent_bits: int) -> None:
        self.base, self.modulus = base, modulus
        self.digits = -(-exponent_bits // _DIGIT_BITS)
        # Bits of a digit, and the powers: in one, as threads that share the table read it while it changes.
        self._table: tuple[int, list[list[mpz]]] = (0, [])
        self._made = 0

    def power(self, exponent: list[int]) -> mpz:
        """base**exponent, the exponent as its digits, the lowest first."""
        bits, table = self._table
        if not bits:
            plain = sum(mpz(digit) << (_DIGIT_BITS * place) for place, digit in enumerate(exponent))
            return gmpy2.powmod(self.base, plain, self.modulus)
        if bits == _HALF_BITS:
            mask = (1 << _HALF_BITS) - 1
            exponent = [half for digit in exponent for half in (digit & mask, digit >> _HALF_BITS)]
        result, modulus = mpz(1), self.modulus
        for row, digit in zip(table, exponent, strict=True):
            result = result * row[digit] % modulus
        return result

    def random_powers(self, count: int) -> list[mpz]:
        """Powers with secret, uniformly random exponents, which are forgotten."""
        self._made += count
        bits = _DIGIT_BITS if self._made > _WHOLE_DIGITS_PAY else _HALF_BITS if self._made > _HALF_DIGITS_PAY else 0
        if bits > self._table[0]:
            self._table = bits, self._build(bits)
        drawn = np.frombuffer(secrets.token_bytes(2 * count * self.digits), np.uint16) % (1 << _DIGIT_BITS)
        return [self.power(exponent) for exponent in drawn.reshape(count, self.digits).tolist()]

    def _build(self, bits: int) -> list[list[mpz]]:
        table, step, modulus = [], self.base, self.modulus
        for _ in range(self.digits * _DIGIT_BITS // bits):
            row = [mpz(1)]
            for _ in range((1 << bits) - 1):
                row.append(row[-1] * step % modulus)
            table.append(row)
            step = row[-1] * step % modulus
        return table


@lru_cache(maxsize=6)
def fixed_base(base: mpz, modulus: mpz, exponent_bits: int) -> FixedBase:
    """The process's own table of this base, shared by all who ask."""
    return FixedBase(base, modulus, exponent_bits)
