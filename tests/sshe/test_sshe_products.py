"""Products of what one party knows with what both share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import as_residues
from fate_components.sshe.pair import Pair
from fate_components.sshe.products import Products, Shape, inner_product, weighted
from fate_components.sshe.ring import FRACTION_BITS, Shares, decoded, encoded, random_shares, reduced
from fate_federated.errors import CryptoError, DataError, MessageRejected

from .conftest import Both

STEP = (0, 0, 0)
ROWS = 11
RNG = np.random.default_rng(3)
GUEST_NUMBERS, HOST_NUMBERS = RNG.normal(size=(ROWS, 4)), RNG.normal(size=(ROWS, 2))
ANSWERS = 1


def split(values: np.ndarray) -> dict[bool, Shares]:
    mine = random_shares(values.shape)
    return {True: mine, False: reduced(encoded(values, FRACTION_BITS, STEP) - mine)}


def opened(shares: tuple[Shares, Shares], bits: int = FRACTION_BITS) -> np.ndarray:
    return decoded(shares[0] + shares[1], bits, 40, STEP)


def products_of(pair: Pair) -> Products:
    numbers, answers = (GUEST_NUMBERS, ANSWERS) if pair.first else (HOST_NUMBERS, 0)
    return Products.open(pair, numbers, answers, pair.first, 23, ROWS, STEP)


def test_scores_of_a_batch(both: Both[Any]) -> None:
    models, rows = 2, np.array([7, 2, 9, 1, 0, 10, 4])
    guest_weights, host_weights = RNG.normal(size=(3, models)), RNG.normal(size=(2, models))
    guest, host = split(guest_weights), split(host_weights)

    def work(pair: Pair) -> tuple[Shares, Shares]:
        own, other = (guest, host) if pair.first else (host, guest)
        return products_of(pair).score(STEP, rows, own[pair.first], other[pair.first])

    of_guest, of_host = both(work)
    found = opened((of_guest[0], of_host[1])), opened((of_guest[1], of_host[0]))
    np.testing.assert_allclose(found[0], GUEST_NUMBERS[rows, :3] @ guest_weights, atol=1e-6)
    np.testing.assert_allclose(found[1], HOST_NUMBERS[rows] @ host_weights, atol=1e-6)


def test_gradients_of_a_batch_and_what_the_labels_take_part_in(both: Both[Any]) -> None:
    rows, residual = np.array([7, 2, 9]), RNG.normal(size=(3, 2))
    shares = split(residual)
    of_guest, of_host = both(lambda pair: products_of(pair).sums(STEP, rows, shares[pair.first], uniform=True))
    found = opened((of_guest[0], of_host[1]), FRACTION_BITS + 23), opened((of_guest[1], of_host[0]), FRACTION_BITS + 23)
    np.testing.assert_allclose(found[0], GUEST_NUMBERS[rows].T @ residual, atol=1e-6)
    np.testing.assert_allclose(found[1], HOST_NUMBERS[rows].T @ residual, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 7])
def test_rows_are_weighted_by_weights_that_the_guest_knows(both: Both[Any], rows: int) -> None:
    residual, weight = RNG.normal(size=(rows, 2)), RNG.uniform(0, 4, rows)
    shares = split(residual)
    found = both(lambda pair: weighted(pair, STEP, shares[pair.first], weight if pair.first else None))
    np.testing.assert_allclose(opened(found), residual * weight[:, None], atol=1e-5)


def test_inner_products_of_two_shared_arrays(both: Both[Any]) -> None:
    left, right = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
    shares = split(left), split(right)
    found = both(lambda pair: inner_product(pair, "inner", STEP, shares[0][pair.first], shares[1][pair.first]))
    np.testing.assert_allclose(opened(found, 2 * FRACTION_BITS), (left * right).sum(axis=0), atol=1e-9)


def test_who_decrypts_sees_numbers_that_are_uniform_modulo_n(both: Both[Any]) -> None:
    """A pad hides what it is added to, whatever that is: here always the same."""
    count = 1600

    def work(pair: Pair) -> np.ndarray | None:
        if not pair.first:
            plain = as_residues([mpz(123456789)] * count, (count,))
            encrypted = EncryptedArray.encrypt(pair.public, FixedPoint(plain, 0))
            pair.give("numbers", STEP, encrypted, 200, 1)
            return None
        masked = EncryptedArray.from_wire(pair.peer.pull("numbers", STEP), pair.private.public, masked=True)
        residues = masked.decrypt_residues(pair.private)
        return np.array([int(residue * 1000 // pair.private.public.n) for residue in residues]) / 1000

    places, _ = both(work)
    counts = np.histogram(places, bins=8, range=(0, 1))[0]
    # Eight boxes of 200 ± 13.
    assert np.abs(counts - 200).max() < 90


def test_numbers_that_are_too_large_for_shares_are_refused() -> None:
    with pytest.raises(DataError, match="too large to be shared"):
        Products.open(None, np.array([[2.0**30]]), 0, False, 23, 1, STEP)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        "columns",
        {"features": 1},
        {"features": 0, "answers": 0, "intercept": False, "feature_bits": 23, "answer_bits": 23},
        {"features": 2, "answers": 0, "intercept": False, "feature_bits": 99, "answer_bits": 23},
        {"features": 2, "answers": 0, "intercept": 1, "feature_bits": 23, "answer_bits": 23},
    ],
)
def test_columns_that_cannot_be_are_refused(value: object) -> None:
    with pytest.raises(MessageRejected):
        Shape.from_wire(value)


def test_ciphertexts_of_another_shape_are_refused(both: Both[Any]) -> None:
    def work(pair: Pair) -> object:
        if pair.first:
            pair.encrypted_to_peer("rows", STEP, as_residues([mpz(1)] * 3, (3,)), 8)
            return None
        with pytest.raises(MessageRejected, match=r"agreed was \(4,\)"):
            pair.encrypted_from_peer("rows", STEP, (4,), 8)
        return None

    both(work)


def test_shares_of_something_else_than_was_agreed_are_refused(both: Both[Any]) -> None:
    def work(pair: Pair) -> object:
        if pair.first:
            pair.peer.push("product", np.zeros(3), STEP)
            return None
        with pytest.raises(CryptoError, match="ciphertexts were agreed"):
            pair.take("product", STEP, (3,), 200, 1)
        return None

    both(work)
