"""Histograms of ciphertexts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.crypto import parallel
from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.integers import product
from fate_components.crypto.paillier import PrivateKey
from fate_federated.errors import CryptoError


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32))
def test_each_bin_holds_the_sum_of_its_rows(
    private: PrivateKey, rows: int, columns: int, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    bins, values = rng.integers(-1, count, (rows, columns)), rng.integers(-1000, 1000, rows)
    sums = EncryptedArray.encrypt(private.public, values).sum_by_bin(bins, count)
    assert sums.shape == (columns, count)
    expected = [[values[column == place].sum() for place in range(count)] for column in bins.T]
    np.testing.assert_array_equal(sums.decrypt(private), expected)


def test_several_numbers_of_a_row_have_sums_of_their_own(private: PrivateKey) -> None:
    values, bins = np.arange(12).reshape(6, 2), np.array([[0], [2], [0], [-1], [2], [2]], dtype=np.int8)
    sums = EncryptedArray.encrypt(private.public, values).sum_by_bin(bins, 3)
    np.testing.assert_array_equal(sums.decrypt(private), [[[4, 6], [0, 0], [20, 23]]])


def test_room_is_needed_for_the_fullest_bin_only(private: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.array([3, 3, 3, 3]))
    assert encrypted.sum_by_bin(np.array([[0, 1], [1, 1], [2, -1], [3, 1]]), 4).bound == 9


@pytest.mark.parametrize(
    "bins", [np.zeros(3, np.int64), np.zeros((2, 1), np.int64), np.zeros((3, 1)), np.full((3, 1), 4)]
)
def test_bins_that_do_not_fit_are_refused(private: PrivateKey, bins: npt.NDArray[np.int64]) -> None:
    with pytest.raises(CryptoError):
        EncryptedArray.encrypt(private.public, np.arange(3)).sum_by_bin(bins, 4)


@pytest.mark.parametrize("columns", [1, 5])
def test_helper_processes_find_the_same(private: PrivateKey, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_WORTH_SECONDS", 0.0)
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    modulus = private.public.modulus
    rng = np.random.default_rng(1)
    values, groups = [mpz(int(value)) for value in rng.integers(1, 2**60, 50)], rng.integers(-1, 3, (50, columns))
    found = parallel.grouped_products(values, groups, 3, modulus)
    assert found == [
        [product([values[row] for row in np.flatnonzero(column == group)], modulus) for group in range(3)]
        for column in groups.T
    ]
