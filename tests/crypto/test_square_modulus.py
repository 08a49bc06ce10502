"""Products of ciphertexts by factors of half their length."""

from __future__ import annotations

import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from fate_components.crypto import parallel
from fate_components.crypto.integers import product
from fate_components.crypto.square_modulus import Factors

ROOT = mpz((1 << 89) - 1) * ((1 << 61) - 1)
MODULUS = ROOT**2
UNITS = st.integers(1, int(MODULUS) - 1).map(mpz).filter(lambda value: value % ((1 << 61) - 1) != 0)


@given(st.lists(UNITS, max_size=20), st.integers(0, 2**32))
def test_products_are_those_of_the_values(values: list[mpz], seed: int) -> None:
    groups = np.random.default_rng(seed).integers(-1, 4, len(values))
    expected = [product([values[row] for row in np.flatnonzero(groups == group)], MODULUS) for group in range(4)]
    for factors in (Factors.of(values, MODULUS), Factors.whole(values, MODULUS)):
        assert factors.products_by_group(groups, 4) == expected
    assert Factors.of(values, MODULUS - 1).products_by_group(groups, 4) == [
        product([values[row] for row in np.flatnonzero(groups == group)], MODULUS - 1) for group in range(4)
    ]


def test_what_is_no_unit_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        Factors.of([mpz(5), ROOT], MODULUS)


def test_helper_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [mpz(int(value)) for value in np.random.default_rng(1).integers(1, 2**60, 30)]
    groups = [values[:7], values[7:8], values[8:15], values[15:]]
    alone = parallel.split(values, MODULUS), parallel.packed(groups, 70, MODULUS)
    monkeypatch.setattr(parallel, "_WORTH_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    assert (parallel.split(values, MODULUS), parallel.packed(groups, 70, MODULUS)) == alone
    columns = np.random.default_rng(2).integers(-1, 3, (30, 6))
    assert parallel.grouped_products(alone[0], columns, 3, MODULUS) == parallel.grouped_products(
        Factors.whole(values, MODULUS), columns, 3, MODULUS
    )
