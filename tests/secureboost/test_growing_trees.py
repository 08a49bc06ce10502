"""What parties learn together is what one machine learns of all columns."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, alike, drawn, learn, predict, some_rows, split_tables
from plain_boosting import boosted, boosted_together

from fate_federated.errors import FateFederatedError, ModelError
from fate_federated.federation import Federation
from fate_federated.task.component import Inputs

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4], HOSTS[1]: [5]}


@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_trees_are_those_of_joined_data(regression: bool, missing: bool) -> None:
    features, number = some_rows(120, 6)
    if missing:
        features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    label = number if regression else (number > 0).astype(np.int64)
    limits: dict[str, Any] = {"leaf_rows": 4, "l2": 0.5, "l1": 0.1, "least_gain": 0.01, "least_weight": 0.2}
    params = {
        **(REGRESSION if regression else {}), "use_missing": missing,
        "tree_param": {
            "min_leaf_node": 4, "criterion_params": [0.5, 0.1], "min_impurity_split": 0.01, "min_child_weight": 0.2,
        },
    }  # fmt: skip
    results = learn(params, split_tables(features, label, OWNED))
    trees, score = boosted(features, label, rounds=2, depth=3, bins=8, rate=0.3, regression=regression, **limits)
    assert all(alike(one, other.drawn()) for one, other in zip(drawn(results), trees, strict=True))
    expected = score if regression else 1 / (1 + np.exp(-score))
    found = results[GUEST].data.data.column("predict_score").to_numpy()
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(2))
def test_it_does_not_matter_who_has_which_columns(seed: int) -> None:
    features, label = some_rows(100, 6, seed)
    params = REGRESSION | {"tree_param": {"min_leaf_node": 5}}
    order = np.random.default_rng(seed).permutation(6).tolist()
    one = learn(params, split_tables(features, label, OWNED))
    other = learn(params, split_tables(features, label, {GUEST: order[:1], HOSTS[0]: order[1:]}))
    assert drawn(one) == drawn(other)


def test_several_classes_have_a_tree_each_in_a_round() -> None:
    features, number = some_rows(150, 4)
    label = np.digitize(number, np.quantile(number, [0.3, 0.7]))
    results = learn({"num_trees": 3}, split_tables(features, label, {GUEST: [0, 1], HOSTS[0]: [2, 3]}))
    assert len(drawn(results)) == 9
    table = results[GUEST].data.data
    assert (table.column("predict_result").to_numpy() == label).mean() > 0.75
    assert table.column("predict_detail")[0].as_py().startswith('{"0": ')


@pytest.mark.parametrize("classes", [3, 17])
def test_one_tree_can_be_for_all_classes(classes: int) -> None:
    features, number = some_rows(150, 6)
    label = np.digitize(number, np.quantile(number, np.arange(1, classes) / classes))
    together = {"multi_mode": "multi_output"}
    train, validate = (
        split_tables(features[rows], label[rows], OWNED, first)
        for rows, first in ((slice(100), 0), (slice(100, 150), 100))
    )
    results = learn(together, train, validate)
    trees, score = boosted_together(features[:100], label[:100], rounds=2, depth=3, bins=8, rate=0.3)
    assert all(alike(one, other.drawn()) for one, other in zip(drawn(results), trees, strict=True))
    expected = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    table = results[GUEST].data.data
    found = np.array([list(json.loads(text).values()) for text in table.column("predict_detail").to_pylist()])
    assert np.allclose(found[:100], expected, atol=1e-6)
    param = results[GUEST].model.param
    assert (param.tree_num, param.tree_dim, param.num_classes) == (2, 1, classes)
    assert {len(node.mo_weight) for tree in param.trees_ for node in tree.tree_ if node.is_leaf} == {classes}
    again = predict(together, validate, results)[GUEST].data.data
    assert np.allclose(again.column("predict_score").to_numpy(), table.column("predict_score").to_numpy()[100:])


def test_trees_for_all_classes_go_on_and_sample_rows() -> None:
    features, number = some_rows(100, 6)
    tables = split_tables(features, np.digitize(number, np.quantile(number, [0.3, 0.7])), OWNED)
    params = {"multi_mode": "multi_output", "run_goss": True, "top_rate": 0.4, "other_rate": 0.3}
    whole = learn(params, tables)
    assert whole[GUEST].summary["loss_history"][1] < whole[GUEST].summary["loss_history"][0]
    params["run_goss"] = False
    first = learn(params | {"num_trees": 1}, tables)
    models = {party: first[party].model for party in tables}
    assert drawn(learn(params | {"num_trees": 1}, tables, models=models)) == drawn(learn(params, tables))
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=30).outcomes(
        "HeteroSecureBoost", OURS,
        {party: Inputs(data={"train_data": [table]}, model=models[party]) for party, table in tables.items()},
    )  # fmt: skip
    assert isinstance(outcomes[GUEST], ModelError)
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values())


@pytest.mark.parametrize(
    ("objective", "params"),
    [("lae", None), ("huber", [1.0]), ("fair", [1.0]), ("log_cosh", None), ("tweedie", [1.0]), ("tweedie", [1.5])],
)
def test_every_loss_falls(objective: str, params: list[float] | None) -> None:
    features, number = some_rows(80, 4)
    label = np.exp(number / 4) if objective == "tweedie" else number
    some = {"task_type": "regression", "objective_param": {"objective": objective, "params": params}, "num_trees": 3}
    results = learn(some, split_tables(features, label, {GUEST: [0], HOSTS[0]: [1, 2, 3]}))
    losses = results[GUEST].summary["loss_history"]
    assert losses[0] > losses[1] > losses[2]
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    assert np.corrcoef(score, label)[0, 1] > 0.5


def test_training_is_repeatable_with_samples_of_rows_and_columns() -> None:
    features, number = some_rows(200, 6)
    params = {"run_goss": True, "top_rate": 0.3, "other_rate": 0.3, "subsample_feature_rate": 0.7, "num_trees": 3}
    tables = split_tables(features, (number > 0).astype(int), OWNED)
    one, other = learn(params, tables), learn(params, tables)
    assert drawn(one) == drawn(other)
    assert one[GUEST].data.data.equals(other[GUEST].data.data)
    assert drawn(learn(params | {"random_seed": 7}, tables)) != drawn(one)


def test_compressed_answers_say_the_same() -> None:
    features, label = some_rows(60, 4)
    tables = split_tables(features, label, {GUEST: [0], HOSTS[0]: [1, 2, 3]})
    one = learn(REGRESSION | {"num_trees": 1}, tables)
    other = learn(REGRESSION | {"num_trees": 1, "cipher_compress": False}, tables)
    assert drawn(one) == drawn(other)
    assert other[HOSTS[0]].traffic.sent_bytes > 3 * one[HOSTS[0]].traffic.sent_bytes


def test_zero_can_count_as_missing() -> None:
    features, label = some_rows(100, 4)
    features[np.random.default_rng(1).random(features.shape) < 0.2] = 0
    owned = {GUEST: [0], HOSTS[0]: [1, 2, 3]}
    holes = np.where(features == 0, np.nan, features)
    one = learn(REGRESSION | {"use_missing": True, "zero_as_missing": True}, split_tables(features, label, owned))
    other = learn(REGRESSION | {"use_missing": True}, split_tables(holes, label, owned))
    assert drawn(one) == drawn(other)


def _owners(results: Any) -> list[list[int]]:
    from fate_components.secureboost.model import forest_of

    return [[owner for owner in tree.owner.tolist() if owner >= 0] for tree in forest_of(results[GUEST].model).trees]


def test_first_trees_can_be_the_guests_alone() -> None:
    features, label = some_rows(100, 6)
    results = learn(REGRESSION | {"complete_secure": 1}, split_tables(features, label, OWNED))
    first, second = _owners(results)
    assert set(first) == {0}
    assert set(second) != {0}


def test_parties_take_turns() -> None:
    features, label = some_rows(100, 6)
    tables = split_tables(features, label, OWNED)
    mixed = _owners(learn(REGRESSION | {"num_trees": 3}, tables, module="HeteroFastSecureBoost"))
    assert [set(owners) for owners in mixed] == [{0}, {1}, {2}]
    layered = REGRESSION | {"boosting_strategy": "layered", "host_depth": 2, "guest_depth": 1}
    first, second = _owners(learn(layered, tables))
    assert first == [1, 1, 1, 0, 0, 0, 0]
    assert set(second) == {0, 2}


def test_a_split_needs_enough_rows() -> None:
    features, label = some_rows(60, 4)
    tables = split_tables(features, label, {GUEST: [0], HOSTS[0]: [1, 2, 3]})
    assert len(_owners(learn(REGRESSION | {"tree_param": {"min_sample_split": 61}}, tables))[0]) == 0
    assert len(_owners(learn(REGRESSION | {"tree_param": {"min_sample_split": 60}}, tables))[0]) == 1


@pytest.mark.parametrize("params", [{"boosting_strategy": "mix"}, {"complete_secure": 2}])
def test_a_party_that_has_nothing_to_offer_does_not_end_the_training(params: dict[str, Any]) -> None:
    features, _ = some_rows(80, 4)
    features[:, 0] = 1.0
    label = np.where(features[:, 1] > 0, 1.0, -1.0) + features[:, 2] / 4
    owned = {GUEST: [0], HOSTS[0]: [1], HOSTS[1]: [2, 3]}
    given = REGRESSION | {"num_trees": 6, "n_iter_no_change": True, "tree_num_per_party": 2, "learning_rate": 1.0}
    losses = learn(given | params, split_tables(features, label, owned))[GUEST].summary["loss_history"]
    assert losses[0] == losses[1]
    assert len(losses) > 2
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(("strategy", "rounds"), [("std", 2), ("mix", 7), ("layered", 3)])
def test_everybodys_turn_without_a_split_ends_the_training(strategy: str, rounds: int) -> None:
    features, label = some_rows(60, 4)
    tables = split_tables(np.ones_like(features), label, {GUEST: [0], HOSTS[0]: [1], HOSTS[1]: [2, 3]})
    params = {"boosting_strategy": strategy, "num_trees": 9, "n_iter_no_change": True, "tree_num_per_party": 2}
    summary = learn(REGRESSION | params, tables)[GUEST].summary
    assert summary["is_converged"]
    assert len(summary["loss_history"]) == rounds
