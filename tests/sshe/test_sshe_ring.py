"""Numbers that two parties share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.sshe.ring import (
    FRACTION_BITS,
    LIMB_BITS,
    RING_BITS,
    SCORE_BITS,
    Shares,
    decoded,
    encoded,
    limbs,
    multiplied,
    random_shares,
    reduced,
    scaled,
    shares_from_wire,
    shares_to_wire,
    signed,
    truncated,
)
from fate_federated.errors import MessageRejected, ModelError

LARGEST = 2.0**SCORE_BITS - 1
numbers = st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=8).map(np.array)
STEP = (0, 3, 0)


def split(values: np.ndarray, bits: int = FRACTION_BITS) -> tuple[Shares, Shares]:
    mine = random_shares(values.shape)
    return mine, reduced(encoded(values, bits, STEP) - mine)


def opened(mine: Shares, other: Shares, bits: int = FRACTION_BITS) -> np.ndarray:
    return decoded(mine + other, bits, 2 * SCORE_BITS, STEP)


@given(numbers)
def test_shares_add_up_to_the_number(values: np.ndarray) -> None:
    np.testing.assert_allclose(opened(*split(values)), values, rtol=0, atol=2.0**-FRACTION_BITS)


@given(numbers, st.integers(0, 40))
def test_truncation_is_off_by_one_in_the_last_bit_at_most(values: np.ndarray, bits: int) -> None:
    mine, other = split(values, FRACTION_BITS + bits)
    found = opened(truncated(mine, bits, first=True), truncated(other, bits, first=False))
    np.testing.assert_allclose(found, values, rtol=0, atol=2 * 2.0**-FRACTION_BITS)


@given(numbers, st.floats(-1e3, 1e3) | st.floats(-1e-9, 1e-9))
def test_a_public_factor_scales_both_shares(values: np.ndarray, factor: float) -> None:
    mine, other = split(values)
    found = opened(scaled(mine, factor, first=True), scaled(other, factor, first=False))
    np.testing.assert_allclose(found, values * factor, rtol=1e-7, atol=(4 + abs(factor)) * 2.0**-FRACTION_BITS)


@given(st.lists(st.integers(0, 2**RING_BITS - 1), min_size=1, max_size=5))
def test_digits_make_up_the_number(integers: list[int]) -> None:
    shares = np.array(integers, dtype=object)
    digits = limbs(shares)
    total = sum(digit.astype(object) << (LIMB_BITS * place) for place, digit in enumerate(digits))
    assert (total == signed(shares)).all()
    assert max(np.abs(digit).max() for digit in digits) <= 2 ** (LIMB_BITS - 1)


def test_a_matrix_times_shares_is_shares_of_the_product() -> None:
    rng = np.random.default_rng(0)
    matrix, values = rng.integers(-(2**40), 2**40, (3, 4)), rng.normal(size=(4, 2))
    mine, other = split(values)
    found = opened(multiplied(matrix, mine), multiplied(matrix, other), FRACTION_BITS)
    np.testing.assert_allclose(found / 2.0**40, matrix @ values / 2.0**40, atol=1e-9)


@pytest.mark.parametrize("value", [2.0**SCORE_BITS, -1e300, np.inf, np.nan])
def test_numbers_that_are_too_large_are_refused_with_the_iteration(value: float) -> None:
    with pytest.raises(ModelError, match="In iteration 3 the weights grew"):
        encoded(np.array([0.0, value]), FRACTION_BITS, STEP)


def test_what_outgrew_the_ring_is_found_out_when_it_is_opened() -> None:
    mine, other = split(np.full(5, LARGEST))
    factor = 2 ** (RING_BITS - FRACTION_BITS - SCORE_BITS + 3) + 12345
    with pytest.raises(ModelError, match="In iteration 3"):
        opened(reduced(mine * factor), reduced(other * factor))


def test_a_share_is_uniform_whatever_the_number_is() -> None:
    for value in (0.0, -3.5, LARGEST):
        other = split(np.full(4000, value))[1]
        for bits in (other >> (RING_BITS - 3), other & 7):
            counts = np.bincount(bits.astype(np.int64), minlength=8)
            # Eight boxes of 500 ± 21: seven deviations are far beyond chance.
            assert np.abs(counts - 500).max() < 150


def test_shares_travel_as_bytes() -> None:
    shares = random_shares((2, 3))
    assert (shares_from_wire(shares_to_wire(shares), (2, 3)) == shares).all()
    for value in (shares_to_wire(shares)[0], np.zeros((2, 3)), "shares", shares_to_wire(shares).astype(np.int16)):
        with pytest.raises(MessageRejected):
            shares_from_wire(value, (2, 3))
