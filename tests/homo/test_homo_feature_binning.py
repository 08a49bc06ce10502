"""Bins of all parties' rows together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest
from tests.homo.homo_parties import ARBITER, GUEST, HOSTS, Floats, Pool, pool

from fate_components.homo import quantiles
from fate_components.secure_aggregation.messages import Masked
from fate_federated.errors import DataError, DslError, FateFederatedError
from fate_federated.federation import PartyResult
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import decode

MODULE = "HomoFeatureBinning"


def tables(rows: Pool) -> dict[Party, Any]:
    return {party: rows.table(party) for party in rows.parties}


def learn(rows: Pool, params: dict[str, Any], inputs: Any = None, **options: Any) -> dict[Party, PartyResult]:
    return rows.run(MODULE, params, tables(rows) if inputs is None else inputs, **options)


def borders(values: Floats, bins: int) -> Floats:
    """The pooled quantiles, raised to the end of what agrees in 20 bits."""
    there = np.sort(values[~np.isnan(values)])
    ranks = [-(-place * len(there) // bins) - 1 for place in range(1, bins + 1)]
    return np.unique(quantiles.largest_of(quantiles.ordered(there[ranks])))


def bin_of(values: Floats, ends: Floats) -> Floats:
    found = np.searchsorted(ends[:-1], values, side="left")
    return np.where(np.isnan(values), len(ends), found)


@pytest.mark.parametrize("method", ["virtual_summary", "recursive_query"])
def test_bins_are_those_of_all_rows(method: str) -> None:
    rows = pool([50, 30, 70])
    rows.features[np.random.default_rng(0).random(rows.features.shape) < 0.1] = np.nan
    results = learn(rows, {"method": method, "bin_num": 7})
    for party in rows.parties:
        table = results[party].data
        for column in range(4):
            ends = borders(rows.features[:, column], 7)
            np.testing.assert_array_equal(results[party].summary["split_points"][f"x{column}"], ends)
            expected = bin_of(rows.features[rows.rows(party), column], ends)
            np.testing.assert_array_equal(table.numbers([f"x{column}"])[:, 0], expected)
        assert table.label is not None
    counts = np.bincount(bin_of(rows.features[:, 0], borders(rows.features[:, 0], 7)).astype(int))[:7]
    assert counts.max() - counts.min() <= 1


def test_chosen_columns_are_binned_and_others_transformed_by_choice() -> None:
    rows = pool([50, 30])
    params = {
        "bin_num": 4, "bin_indexes": [0], "bin_names": ["x2"], "split_points_by_col_name": {"x3": [0.0, 1.0]},
        "transform_param": {"transform_cols": [2, 3], "transform_type": "bin_num"},
    }  # fmt: skip
    inputs: dict[Party, Any] = tables(rows)
    # Positions are the guest's.
    inputs[HOSTS[0]] = rows.table(HOSTS[0], columns=[3, 1, 0, 2])
    results = learn(rows, params, inputs)
    assert set(results[GUEST].summary["split_points"]) == {"x0", "x2", "x3"}
    for party in rows.parties:
        table, mine = results[party].data, rows.rows(party)
        assert table.feature_names == inputs[party].feature_names
        np.testing.assert_array_equal(table.numbers(["x0", "x1"]), rows.features[mine][:, :2])
        np.testing.assert_array_equal(
            table.numbers(["x2"])[:, 0], bin_of(rows.features[mine, 2], borders(rows.features[:, 2], 4))
        )
        np.testing.assert_array_equal(table.numbers(["x3"])[:, 0], (rows.features[mine, 3] > 0).astype(float))


def test_categories_of_all_parties_have_a_bin_each() -> None:
    rows = pool([50, 30])
    rows.features[:50, 1] = np.arange(50) % 3
    rows.features[50:, 1] = 2.5 + np.arange(30) % 2
    results = learn(rows, {"bin_indexes": [], "category_names": ["x1"]})
    for party in rows.parties:
        assert results[party].summary["split_points"] == {"x1": [0.0, 1.0, 2.0, 2.5, 3.5]}
    assert set(results[HOSTS[0]].data.numbers(["x1"])[:, 0]) == {3.0, 4.0}


def test_a_model_bins_other_rows_alike() -> None:
    rows = pool([50, 30])
    results = learn(rows, {"bin_num": 5})
    inputs = {party: Inputs(data={"data": [rows.table(party)]}, model=results[party].model) for party in rows.parties}
    again = learn(rows, {"bin_num": 5}, inputs)
    for party in rows.parties:
        assert again[party].data.data == results[party].data.data


def test_the_arbiter_sees_no_party_s_counts() -> None:
    rows = pool([50, 30, 70])
    messages: list[Message] = []
    learn(rows, {"category_names": ["x1"]}, record=messages.append)
    of_arbiter = [message for message in messages if message.receiver == ARBITER]
    assert {message.tag.partition(".")[0] for message in of_arbiter} == {
        "trains", "work", "values", "aggregation_keys", "aggregation_masked", "aggregation_opened",
    }  # fmt: skip
    for party in rows.parties:
        words = np.concatenate(
            [
                Masked.from_wire(decode(message.structure, message.body)).words.ravel()
                for message in of_arbiter
                if message.sender == party and "masked" in message.tag
            ]
        )
        assert kstest(words / 2.0**64, "uniform").pvalue > 1e-6


def test_a_column_without_a_value_at_any_party_is_refused() -> None:
    rows = pool([50, 30])
    rows.features[:, 1] = np.nan
    outcomes = rows.outcomes(MODULE, {}, tables(rows))
    for party in rows.parties:
        assert isinstance(outcomes[party], DataError)
        assert "x1" in str(outcomes[party])


def test_a_model_at_one_party_only_is_refused() -> None:
    rows, host = pool([50, 30]), HOSTS[0]
    results = learn(rows, {})
    inputs: dict[Party, Any] = tables(rows)
    inputs[host] = Inputs(data={"data": [inputs[host]]}, model=results[host].model)
    outcomes = rows.outcomes(MODULE, {}, inputs)
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values())
    assert "do not both have" in str(outcomes[host])
    # The other way round the guest has nothing to wait for.
    inputs = tables(rows)
    inputs[GUEST] = Inputs(data={"data": [inputs[GUEST]]}, model=results[GUEST].model)
    assert isinstance(rows.outcomes(MODULE, {}, inputs)[host], DataError)


@pytest.mark.parametrize("params", [{"transform_param": {"transform_type": "woe"}}, {"local_only": True}])
def test_what_it_does_not_do_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(DslError, match="is not available for HomoFeatureBinning"):
        learn(pool([50, 30]), params)
