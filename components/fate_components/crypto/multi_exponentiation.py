"""Products of many powers: what a plain matrix times an encrypted vector is made of."""

from __future__ import annotations

from collections.abc import Sequence

import gmpy2
import numpy as np
from gmpy2 import mpz

from fate_components.crypto.integers import Integers, inverses, product

_WIDEST = 14


def products_of_powers(bases: Sequence[mpz], exponents: Integers, modulus: mpz) -> list[mpz]:
    """prod_i bases[i]**exponents[i, j] modulo ``modulus``, for each column j.

    Many terms and few columns go through buckets (Pippenger 1976; Bernstein, Doumen, Lange, Oosterwijk 2012, section
    4), many columns over few terms through tables of each base's powers. Digit width and method are those that cost
    the fewest multiplications. A negative exponent costs no more than a positive one.

    Args:
        bases: units modulo ``modulus``, shape (terms,).
        exponents: shape (terms, columns), magnitudes below 2**62.

    Raises:
        ZeroDivisionError: a base that is needed as an inverse has none.
    """
    terms, columns = exponents.shape
    if terms == 0 or columns == 0:
        return [mpz(1)] * columns
    _cost, width, by_buckets = _plan(terms, columns, exponent_bits(exponents))
    return (_by_buckets if by_buckets else _by_tables)(bases, exponents, modulus, width)


def exponent_bits(exponents: Integers) -> int:
    """Bits of the largest magnitude, at least 1."""
    return max(int(exponents.max(initial=0)), -int(exponents.min(initial=0)), 1).bit_length()


def multiplications(terms: int, columns: int, bits: int) -> int:
    """About how many modular multiplications :func:`products_of_powers` will take."""
    return _plan(terms, columns, bits)[0]


def powers(bases: Sequence[mpz], exponents: Sequence[int], modulus: mpz) -> list[mpz]:
    """bases[i]**exponents[i], one by one. A negative exponent is an inversion, not an exponent of full length."""
    return [gmpy2.powmod(base, exponent, modulus) for base, exponent in zip(bases, exponents, strict=True)]


def _plan(terms: int, columns: int, bits: int) -> tuple[int, int, bool]:
    """(multiplications, digit width, whether by buckets) of the cheapest way."""
    plans = []
    for width in range(2, _WIDEST + 1):
        # One more bit than the magnitude has: signed digits carry, and offset exponents are one bit longer.
        windows = -(-(bits + 1) // width)
        plans.append((3 * terms + columns * (windows * (terms + (1 << width)) + bits), width, True))
        plans.append((terms * windows * (columns + (1 << width)), width, False))
    return min(plans)


def _by_buckets(bases: Sequence[mpz], exponents: Integers, modulus: mpz, width: int) -> list[mpz]:
    """Signed digits: each base, or its inverse, goes into the bucket of its digit's magnitude."""
    signed = [*bases, *inverses(bases, modulus)]
    windows = _signed_digits(exponents, width)
    results = []
    for column in range(exponents.shape[1]):
        result = mpz(1)
        for digits in reversed(windows):
            if result != 1:
                result = gmpy2.powmod(result, 1 << width, modulus)
            result = result * _weighted_product(signed, digits[:, column], width, modulus) % modulus
        results.append(result)
    return results


def _signed_digits(exponents: Integers, width: int) -> list[Integers]:
    """Digits in -2**(width-1) .. 2**(width-1) - 1, the least significant first."""
    half, rest, windows = 1 << (width - 1), exponents.copy(), []
    while rest.any():
        digits = ((rest + half) & (2 * half - 1)) - half
        rest = (rest - digits) >> width
        windows.append(digits)
    return windows


def _weighted_product(signed: Sequence[mpz], digits: Integers, width: int, modulus: mpz) -> mpz:
    """prod_i bases[i]**digits[i] by buckets; ``signed`` holds the bases, then their inverses."""
    places = np.flatnonzero(digits)
    if not len(places):
        return mpz(1)
    chosen = digits[places]
    magnitudes = np.abs(chosen)
    buckets = [mpz(1)] * (int(magnitudes.max()) + 1)
    for place, magnitude in zip((places + len(digits) * (chosen < 0)).tolist(), magnitudes.tolist(), strict=True):
        buckets[magnitude] = buckets[magnitude] * signed[place] % modulus
    # prod_d bucket[d]**d is the product of the running products from the top.
    running = total = mpz(1)
    for bucket in reversed(buckets[1:]):
        if bucket != 1:
            running = running * bucket % modulus
        total = total * running % modulus
    return total


def _by_tables(bases: Sequence[mpz], exponents: Integers, modulus: mpz, width: int) -> list[mpz]:
    """Exponents are offset to be positive; what that adds is the same for every column and divided out."""
    offset = 1 << exponent_bits(exponents)
    shifted = exponents + offset
    excess = gmpy2.invert(gmpy2.powmod(product(bases, modulus), offset, modulus), modulus)
    results = [excess] * exponents.shape[1]
    mask = (1 << width) - 1
    for base, row in zip(bases, shifted, strict=True):
        step, rest = base, row
        while rest.any():
            table = [mpz(1)]
            for _ in range(mask):
                table.append(table[-1] * step % modulus)
            for column, digit in enumerate((rest & mask).tolist()):
                if digit:
                    results[column] = results[column] * table[digit] % modulus
            step, rest = table[-1] * step % modulus, rest >> width
    return results
