"""Several signed integers in one: the sum of integers[j] * 2**(slot_bits * j), each below 2**(slot_bits - 1)."""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz


def pack_integers(integers: Sequence[int], slot_bits: int) -> mpz:
    """The integers as one."""
    packed = mpz(0)
    for integer in reversed(integers):
        packed = (packed << slot_bits) + integer
    return packed


def unpack_integers(packed: mpz, count: int, slot_bits: int) -> list[mpz]:
    """The integers that were packed; the last takes what is left."""
    half, mask, result = mpz(1) << (slot_bits - 1), (mpz(1) << slot_bits) - 1, []
    for _ in range(count - 1):
        number = ((packed + half) & mask) - half
        result.append(number)
        packed = (packed - number) >> slot_bits
    return [*result, packed]


def pack_ciphertexts(ciphertexts: Sequence[mpz], slot_bits: int, modulus: mpz) -> mpz:
    """One ciphertext of the packed plaintexts, by Horner's rule: slot_bits squarings and a product for each.

    Modulo the square of n a number is low + high * n, and a product's part in n**2 is none. Squaring these halves takes
    four fifths of the time that ``powmod`` takes for the whole.

    Args:
        modulus: the square of the key's n.
    """
    n = gmpy2.isqrt(modulus)
    high, low = gmpy2.f_divmod(ciphertexts[-1], n)
    for value in reversed(ciphertexts[:-1]):
        for _ in range(slot_bits):
            carry, square = gmpy2.f_divmod(low * low, n)
            high, low = ((low * high << 1) + carry) % n, square
        value_high, value_low = gmpy2.f_divmod(value, n)
        carry, product = gmpy2.f_divmod(low * value_low, n)
        high, low = (low * value_high + high * value_low + carry) % n, product
    return high * n + low
