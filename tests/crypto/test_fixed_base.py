"""Powers of one base are the same with each of the tables."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto.fixed_base import FixedBase

MODULUS = mpz((1 << 521) - 1)
DIGITS = 20


def after(made: int) -> FixedBase:
    base = FixedBase(mpz(12345), MODULUS, 10 * DIGITS)
    base.random_powers(made)
    return base


TABLES = [after(made) for made in (1, 20, 1001)]


@given(st.lists(st.integers(0, 1023), min_size=DIGITS, max_size=DIGITS))
def test_a_power_is_that_of_the_number_with_these_digits(digits: list[int]) -> None:
    exponent = sum(digit << 10 * place for place, digit in enumerate(digits))
    expected = pow(12345, exponent, int(MODULUS))
    assert [table.power(digits) for table in TABLES] == [expected] * 3


@pytest.mark.parametrize("table", TABLES)
def test_random_powers_differ_and_are_of_the_base(table: FixedBase) -> None:
    powers = table.random_powers(50)
    assert len(set(powers)) == 50
    assert all(0 < power < MODULUS for power in powers)
