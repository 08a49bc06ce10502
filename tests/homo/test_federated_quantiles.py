"""Quantiles of all parties' values, found by secure sums of counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.homo.aggregating import ARBITER, GUEST, hosts, run

from fate_components.homo import quantiles
from fate_components.secure_aggregation.client import Client
from fate_federated.errors import FateFederatedError, MessageRejected

Floats = npt.NDArray[np.float64]

numbers = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


def found(parts: list[list[Floats]], shares: Floats) -> list[Floats]:
    """The borders of each column, from each party's values of it."""
    parties = [GUEST, *hosts(len(parts) - 1)]

    def part(columns: list[Floats]) -> Callable[[Client], Any]:
        return lambda client: quantiles.search(client, columns, shares)

    outcomes = run(
        {party: part(columns) for party, columns in zip(parties, parts, strict=True)},
        lambda aggregator: quantiles.serve(aggregator, shares), rounds=quantiles.ROUNDS,
    )  # fmt: skip
    for party in parties:
        assert isinstance(outcomes[party], list), outcomes[party]
        for one, other in zip(outcomes[party], outcomes[GUEST], strict=True):
            np.testing.assert_array_equal(one, other)
    borders: list[Floats] = outcomes[GUEST]
    return borders


def expected(values: Floats, shares: Floats) -> Floats:
    """The values of these ranks, raised to the end of what agrees in 32 bits."""
    rising = np.sort(values)
    ranks = [max(int(np.ceil(np.round(len(rising) * share, 6))), 1) - 1 for share in shares]
    return np.unique(quantiles.largest_of(quantiles.ordered(rising[ranks])))


@given(arrays(np.float64, st.integers(1, 30), elements=numbers))
def test_numbers_and_integers_have_the_same_order(values: Floats) -> None:
    integers = quantiles.ordered(values)
    order = np.argsort(values, kind="stable")
    assert (np.diff(integers[order].astype(np.int64)) >= 0).all()
    ends = quantiles.largest_of(integers)
    assert (ends >= values).all()
    np.testing.assert_array_equal(quantiles.ordered(ends), integers)
    assert (ends - values <= np.abs(values) * 2.0**-20 + 1e-300).all()


def test_numbers_next_to_zero_count_as_zero() -> None:
    assert len(set(quantiles.ordered(np.array([0.0, -0.0, 5e-324, -1e-310])).tolist())) == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(arrays(np.float64, st.integers(0, 40), elements=numbers), min_size=2, max_size=3), st.integers(2, 12))
def test_borders_are_those_of_the_pooled_values(parts: list[Floats], bins: int) -> None:
    shares = np.arange(1, bins) / bins
    pooled = np.concatenate(parts)
    (borders,) = found([[part] for part in parts], shares)
    if len(pooled):
        np.testing.assert_array_equal(borders, expected(pooled, shares))
    else:
        assert not len(borders)


def test_columns_are_searched_side_by_side() -> None:
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=5000),
        rng.integers(0, 5, 5000).astype(float),
        np.full(5000, 7.0),
        np.exp(rng.normal(size=5000)),
    ]
    parts = [[column[:1500] for column in columns], [column[1500:] for column in columns]]
    shares = np.arange(1, 32) / 32
    for column, borders in zip(columns, found(parts, shares), strict=True):
        np.testing.assert_array_equal(borders, expected(column, shares))
    # Of so many rows a border is none's value.
    assert not set(found(parts, shares)[0].tolist()) & set(columns[0].tolist())


@pytest.mark.parametrize("told", [None, np.zeros((1, 3)), np.full((1, 3), 256), np.full((1, 3), -2)])
def test_an_impossible_interval_is_refused(told: Any) -> None:
    parties, shares = [GUEST, *hosts(1)], np.array([0.25, 0.5, 0.75])

    def lies(aggregator: Any) -> None:
        aggregator.sum()
        aggregator.tell(told)

    parts = dict.fromkeys(parties, lambda client: quantiles.search(client, [np.arange(9.0)], shares))
    outcomes = run(parts, lies, rounds=quantiles.ROUNDS)
    assert any(isinstance(outcomes[party], MessageRejected) for party in parties)
    assert all(isinstance(outcomes[party], FateFederatedError) for party in parties)
    assert outcomes[ARBITER] is None or isinstance(outcomes[ARBITER], FateFederatedError)
