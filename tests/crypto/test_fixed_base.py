"""Powers of one base are the same with each of the tables, and modulo squares as modulo anything else."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto.fixed_base import FixedBase

MODULI = [mpz((1 << 521) - 1), mpz((1 << 127) - 1) ** 2, mpz(3 * ((1 << 61) - 1)) ** 2]
LIMIT = mpz(1 << 200) - 12345


def after(made: int, expected: int, modulus: mpz) -> FixedBase:
    base = FixedBase(mpz(12346), modulus, LIMIT)
    base.random_powers(made, expected)
    return base


TABLES = [
    after(made, expected, modulus) for modulus in MODULI for made, expected in ((1, 0), (20, 0), (1001, 0), (1, 20_000))
]


@given(st.lists(st.integers(0, int(LIMIT) - 1), max_size=5))
def test_powers_are_those_of_the_exponents(exponents: list[int]) -> None:
    for table in TABLES:
        assert table.powers(exponents) == [pow(12346, exponent, int(table.modulus)) for exponent in exponents]


@pytest.mark.parametrize("table", TABLES)
def test_random_powers_differ_and_are_of_the_base(table: FixedBase) -> None:
    powers = table.random_powers(50)
    assert len(set(powers)) == 50
    assert all(0 < power < table.modulus for power in powers)


def test_small_exponents_are_drawn_from_all_there_are() -> None:
    base = FixedBase(mpz(2), mpz(10007) ** 2, mpz(5))
    assert set(base.random_powers(300)) == {1, 2, 4, 8, 16}


def test_a_table_is_as_large_as_what_it_is_needed_for_pays() -> None:
    few, many = FixedBase(mpz(2), MODULI[0], LIMIT), FixedBase(mpz(2), MODULI[0], LIMIT)
    few.random_powers(1)
    many.random_powers(1, 100_000)
    assert few._table[0] == 0
    assert many._table[0] == 10
    for _ in range(3):
        few.random_powers(1000)
    assert 0 < few._table[0] < 10
