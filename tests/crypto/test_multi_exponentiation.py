"""Products of powers, against powers taken one by one with Python's own integers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto.multi_exponentiation import (
    _by_buckets,
    _by_tables,
    multiplications,
    powers,
    products_of_powers,
)

MODULUS = mpz((2**89 - 1) * (2**107 - 1))
BASES = [mpz(random.Random(seed).randrange(2, int(MODULUS))) for seed in range(400)]


def one_by_one(bases: list[mpz], exponents: np.ndarray) -> list[int]:
    results = [1] * exponents.shape[1]
    for base, row in zip(bases, exponents.tolist(), strict=True):
        results = [
            result * pow(int(base), exponent, int(MODULUS)) % int(MODULUS)
            for result, exponent in zip(results, row, strict=True)
        ]
    return results


matrices = st.integers(1, 62).flatmap(
    lambda bits: st.tuples(st.integers(1, 12), st.integers(1, 6)).flatmap(
        lambda shape: st.lists(
            st.lists(st.integers(1 - 2**bits, 2**bits - 1), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )
)


@given(matrices)
def test_any_matrix_gives_the_products_of_its_powers(rows: list[list[int]]) -> None:
    exponents = np.array(rows, dtype=np.int64)
    bases = BASES[: len(rows)]
    assert products_of_powers(bases, exponents, MODULUS) == one_by_one(bases, exponents)


@given(matrices, st.integers(2, 9))
def test_both_methods_agree_at_every_digit_width(rows: list[list[int]], width: int) -> None:
    exponents = np.array(rows, dtype=np.int64)
    bases = BASES[: len(rows)]
    expected = one_by_one(bases, exponents)
    assert _by_buckets(bases, exponents, MODULUS, width) == expected
    assert _by_tables(bases, exponents, MODULUS, width) == expected


@pytest.mark.parametrize("shape", [(400, 3), (3, 400), (0, 4), (4, 0), (1, 1)])
def test_any_shape_gives_the_products_of_its_powers(shape: tuple[int, int]) -> None:
    exponents = np.random.default_rng(0).integers(-(2**20), 2**20, shape)
    bases = BASES[: shape[0]]
    assert products_of_powers(bases, exponents, MODULUS) == one_by_one(bases, exponents)


def test_the_matrix_itself_is_left_alone() -> None:
    exponents = np.arange(-6, 6).reshape(4, 3)
    products_of_powers(BASES[:4], exponents, MODULUS)
    assert (exponents == np.arange(-6, 6).reshape(4, 3)).all()


def test_a_power_of_each() -> None:
    exponents = [0, 1, -1, 2**100, -(2**100)]
    expected = [pow(int(base), exponent, int(MODULUS)) for base, exponent in zip(BASES, exponents, strict=False)]
    assert powers(BASES[:5], exponents, MODULUS) == expected


def test_a_gradient_takes_few_multiplications_per_element() -> None:
    # One power by squaring takes 24 or more of them for an exponent of 20 bits.
    assert multiplications(1000, 20, 20) / 20_000 < 3.8
    assert multiplications(10_000, 20, 20) / 200_000 < 2.8
    assert multiplications(20, 10_000, 20) / 200_000 < 3.2
