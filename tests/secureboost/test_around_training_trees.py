"""Validation, stopping, going on, prediction, importance, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, drawn, learn, predict, some_rows, split_tables
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from fate_components.secureboost.messages import Verdict
from fate_components.secureboost.spec import HeteroSecureBoostParams
from fate_federated.errors import AttemptEnded, DataError, DslError, FateFederatedError, ModelError, public_text
from fate_federated.federation import Federation
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.run import build_params, run_component, spec_of
from fate_federated.task.table import Table
from fate_federated.transport.memory import MemoryHub

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}


def scores(results: Any, kind: str) -> Any:
    table = results[GUEST].data.data
    return table.column("predict_score").to_numpy()[np.array(table.column("type").to_pylist()) == kind]


def test_prediction_repeats_what_training_said() -> None:
    features, number = some_rows(120, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    label = np.digitize(number, np.quantile(number, [0.3, 0.7]))
    train, validate = (
        split_tables(features[rows], label[rows], OWNED, first)
        for rows, first in ((slice(80), 0), (slice(80, 120), 80))
    )
    params = {"use_missing": True}
    results = learn(params, train, validate)
    both = split_tables(features, label, OWNED)
    again = predict(params, both, results)[GUEST].data.data
    assert np.allclose(again.column("predict_score").to_numpy()[:80], scores(results, "train"), atol=1e-12)
    assert np.allclose(again.column("predict_score").to_numpy()[80:], scores(results, "validate"), atol=1e-12)
    messages: list[Any] = []
    predict(params, both, results, record=messages.append)
    assert [message.tag for message in messages if message.sender != GUEST] == ["predicted.0"]


def test_more_trees_are_added_to_a_model() -> None:
    features, label = some_rows(80, 5)
    tables = split_tables(features, label, OWNED)
    whole = learn(REGRESSION | {"num_trees": 3}, tables)
    first = learn(REGRESSION | {"num_trees": 2}, tables)
    rest = learn(REGRESSION | {"num_trees": 1}, tables, models={party: first[party].model for party in tables})
    assert drawn(rest) == drawn(whole)
    assert np.allclose(scores(rest, "train"), scores(whole, "train"), atol=1e-9)
    assert rest[GUEST].summary["feature_importance"] == whole[GUEST].summary["feature_importance"]


def test_training_stops_when_validation_does_not_improve_and_keeps_the_best() -> None:
    features, _ = some_rows(90, 5)
    noise = np.random.default_rng(3).normal(size=90)
    train = split_tables(features[:50], noise[:50], OWNED)
    validate = split_tables(features[50:], noise[50:], OWNED, 50)
    params = REGRESSION | {"num_trees": 12, "early_stopping_rounds": 2, "metrics": ["rmse"], "learning_rate": 0.8}
    results = learn(params, train, validate)
    history = results[GUEST].summary["validation_metrics"]["validate"]["root_mean_squared_error"]
    best = int(np.argmin(history))
    assert len(history) == best + 3 < 12
    assert results[GUEST].summary["best_iteration"] == best
    assert len(drawn(results)) == best + 1
    rmse = np.sqrt(np.mean((scores(results, "validate") - noise[50:]) ** 2))
    assert rmse == pytest.approx(history[best], abs=1e-6)


def test_training_stops_when_the_loss_stays() -> None:
    features, label = some_rows(60, 5)
    results = learn(
        REGRESSION | {"n_iter_no_change": True, "tol": 1e6, "num_trees": 5}, split_tables(features, label, OWNED)
    )
    assert results[GUEST].summary["is_converged"]
    assert len(drawn(results)) == 2


def test_a_training_goes_on_from_a_checkpoint() -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, label, OWNED)
    kept: dict[Party, dict[int, Model]] = {party: {} for party in tables}
    hub = MemoryHub(tuple(tables), deadline_seconds=30)
    given = OURS | REGRESSION | {"num_trees": 3, "callback_param": {"callbacks": ["ModelCheckpoint"], "save_freq": 2}}
    spec = spec_of("HeteroSecureBoost")
    params = build_params(spec, given, "/HeteroSecureBoost")

    def work(party: Party) -> None:
        ctx = TaskContext(
            party=party, participants=tuple(tables), job_id="job", component="sbt_0", attempt=1,
            transport=hub.transport(party), tracker=MemoryTracker(), seed=0,
        )  # fmt: skip
        ctx.keep = kept[party].__setitem__
        run_component(spec, params, ctx, Inputs(data={"train_data": [tables[party]]}))

    with ThreadPoolExecutor() as threads:
        list(threads.map(work, tables))
    assert {party: list(models) for party, models in kept.items()} == {party: [1] for party in tables}
    on = learn(REGRESSION | {"num_trees": 1}, tables, models={party: models[1] for party, models in kept.items()})
    assert drawn(on) == drawn(learn(REGRESSION | {"num_trees": 3}, tables))


def test_importance_counts_splits_or_gains() -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, label, OWNED)
    by_split, by_gain = (
        learn(REGRESSION | {"tree_param": {"feature_importance_type": kind}}, tables)[GUEST].summary[
            "feature_importance"
        ]
        for kind in ("split", "gain")
    )
    assert by_split.keys() == by_gain.keys()
    assert set(by_split) <= {"x0", "x1", "host_10000_0", "host_10000_1", "host_10000_2"}
    assert all(float(count).is_integer() for count in by_split.values())
    assert list(by_gain.values()) == sorted(by_gain.values(), reverse=True)


def test_breast_cancer_is_told_as_well_as_by_scikit_learn() -> None:
    raw = load_breast_cancer()
    tables = split_tables(raw.data, raw.target, {GUEST: list(range(10)), HOSTS[0]: list(range(10, 30))})
    results = learn({"num_trees": 5, "bin_num": 32}, tables)
    reference = HistGradientBoostingClassifier(
        max_iter=5, learning_rate=0.3, max_depth=3, max_bins=32, l2_regularization=0.1, min_samples_leaf=1,
        early_stopping=False,
    ).fit(raw.data, raw.target)  # fmt: skip
    expected = roc_auc_score(raw.target, reference.predict_proba(raw.data)[:, 1])
    assert roc_auc_score(raw.target, scores(results, "train")) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("columns", [[], [2], [3]])
def test_a_host_may_have_nothing_to_offer(columns: list[int]) -> None:
    features, label = some_rows(60, 4)
    features[:, 2], features[:, 3] = 1.0, np.nan
    results = learn(
        REGRESSION | {"use_missing": True}, split_tables(features, label, {GUEST: [0, 1], HOSTS[0]: columns})
    )
    assert all("host_10000_" not in name for name in results[GUEST].summary["feature_importance"])
    assert len(results[GUEST].summary["loss_history"]) == 2


def broken_label(tables: dict[Any, Table]) -> dict[Any, Table]:
    data = tables[GUEST].data
    ones = data.column("y").to_pylist()[:1] * len(data)
    place = data.column_names.index("y")
    return tables | {GUEST: replace(tables[GUEST], data=data.set_column(place, "y", [ones]))}


def fewer_rows(tables: dict[Any, Table]) -> dict[Any, Table]:
    return tables | {HOSTS[0]: tables[HOSTS[0]].take(np.arange(10))}


def other_rows(tables: dict[Any, Table]) -> dict[Any, Table]:
    return tables | {HOSTS[0]: tables[HOSTS[0]].take(np.arange(len(tables[GUEST]))[::-1].copy())}


def no_rows(tables: dict[Any, Table]) -> dict[Any, Table]:
    return {party: table.take(np.arange(0)) for party, table in tables.items()}


def holes(tables: dict[Any, Table]) -> dict[Any, Table]:
    table = tables[HOSTS[0]]
    values = table.features
    values[3, 1] = np.nan
    return tables | {HOSTS[0]: table.with_features(values)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken_label, "2 to 1000 classes"),
        (fewer_rows, "same order"),
        (other_rows, "same order"),
        (no_rows, "no rows"),
        (holes, "use_missing"),
    ],
)
def test_bad_data_end_the_training_at_all_parties(change: Callable[[Any], Any], message: str) -> None:
    features, number = some_rows(40, 5)
    tables = change(split_tables(features, (number > 0).astype(int), OWNED))
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=20).outcomes("HeteroSecureBoost", OURS, tables)
    assert any(isinstance(outcome, DataError) and message in str(outcome) for outcome in outcomes.values())
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values())
    assert not any("x3" in str(outcome) for party, outcome in outcomes.items())


def test_a_model_of_other_parts_is_refused() -> None:
    features, label = some_rows(40, 5)
    tables = split_tables(features, label, OWNED)
    one, other = (
        learn(REGRESSION, tables),
        learn(REGRESSION | {"random_seed": 1, "subsample_feature_rate": 0.5}, tables),
    )
    inputs = {
        GUEST: Inputs(data={"test_data": [tables[GUEST]]}, model=one[GUEST].model),
        HOSTS[0]: Inputs(data={"test_data": [tables[HOSTS[0]]]}, model=other[HOSTS[0]].model),
    }
    outcomes = Federation(tuple(tables), deadline_seconds=20).outcomes("HeteroSecureBoost", OURS, inputs)
    assert isinstance(outcomes[GUEST], ModelError)
    assert not isinstance(outcomes[HOSTS[0]], (AttemptEnded, ModelError)) or outcomes[HOSTS[0]]


@pytest.mark.parametrize(
    "params",
    [
        {"tree_param": {"max_depth": 0}},
        {"tree_param": {"criterion_params": [-0.1]}},
        {"tree_param": {"criterion_params": [0.1, -1]}},
        {"tree_param": {"criterion_params": [0.1, 0, 0]}},
        {"tree_param": {"criterion_params": {"l2": -0.1}}},
        {"tree_param": {"criterion_params": {"l3": 0.1}}},
    ],
)
def test_what_is_not_there_is_refused(params: dict[str, Any]) -> None:
    features, label = some_rows(20, 5)
    with pytest.raises(DslError):
        learn(params, split_tables(features, label, OWNED))


def test_a_verdict_is_parsed() -> None:
    assert Verdict.from_wire(Verdict(True, 3).to_wire()) == Verdict(True, 3)


def test_folds_are_judged_by_models_of_the_other_rows() -> None:
    features, number = some_rows(90, 5)
    label = (number > 0).astype(int)
    tables = split_tables(features, label, OWNED)
    params = {"cv_param": {"need_cv": True, "n_splits": 2, "random_seed": 7}}
    results = learn(params, tables)
    assert results[GUEST].model is None
    table = results[GUEST].data.data
    held_out = np.array(table.column("type").to_pylist()) == "validate"
    folds = table.column("fold").to_numpy()
    assert sorted(int(row) for row in np.array(table.column("id").to_pylist())[held_out]) == list(range(90))
    first = np.array([int(row) for row in table.column("id").to_pylist()])[held_out & (folds == 0)]
    others = np.setdiff1d(np.arange(90), first)
    alone = learn({}, {party: some.take(others) for party, some in tables.items()},
                  {party: some.take(np.sort(first)) for party, some in tables.items()})  # fmt: skip
    expected = scores(alone, "validate")
    assert np.allclose(table.column("predict_score").to_numpy()[held_out & (folds == 0)], expected)
    assert results[GUEST].summary["fold_0"]["validate"]["auc"] == pytest.approx(
        roc_auc_score(label[np.sort(first)], expected)
    )


def test_folds_can_be_handed_on_as_rows() -> None:
    features, number = some_rows(40, 5)
    params = {"cv_param": {"need_cv": True, "n_splits": 2, "history_value_type": "instance"}, "num_trees": 1}
    results = learn(params, split_tables(features, (number > 0).astype(int), OWNED))
    for result in results.values():
        assert len(result.data) == 80
        assert result.data.data.column("type").to_pylist().count("validate") == 40


def test_what_is_missing_is_said_by_the_model() -> None:
    features, label = some_rows(80, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.2] = 0
    tables = split_tables(features, label, OWNED)
    trained = REGRESSION | {"use_missing": True, "zero_as_missing": True}
    results = learn(trained, tables)
    for told in ({}, {"use_missing": True}):
        again = predict(REGRESSION | told, tables, results)[GUEST].data.data
        assert np.allclose(again.column("predict_score").to_numpy(), scores(results, "train"), atol=1e-12)
    without = learn(REGRESSION, tables)
    again = predict(trained, tables, without)[GUEST].data.data
    assert np.allclose(again.column("predict_score").to_numpy(), scores(without, "train"), atol=1e-12)
    with pytest.raises(DataError, match="trained without use_missing"):
        predict({"use_missing": True}, holes(tables), without)


def test_trees_for_another_objective_are_not_added() -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, np.exp(label / 4), OWNED)

    def of(objective: str, *params: float) -> dict[str, Any]:
        return REGRESSION | {"objective_param": {"objective": objective, "params": list(params)}, "num_trees": 1}

    models = {party: result.model for party, result in learn(of("huber", 1.5), tables).items() if result.model}
    assert len(drawn(learn(of("huber", 1.5), tables, models=models))) == 2
    for other in (of("huber", 2.0), of("lse"), of("tweedie", 1.5), of("log_cosh")):
        with pytest.raises(ModelError, match="another objective_param"):
            learn(other, tables, models=models)
    squares = {party: result.model for party, result in learn(of("lse"), tables).items() if result.model}
    assert len(drawn(learn(of("lse", 3.0), tables, models=squares))) == 2
    with pytest.raises(ModelError, match="another objective_param"):
        learn(of("log_cosh"), tables, models=squares)


@pytest.mark.parametrize(
    ("given", "penalties"), [([0.5], (0.5, 0)), ([0, 0.2], (0, 0.2)), ({"l1": 0.3, "l2": 0.4}, (0.4, 0.3))]
)
def test_penalties_are_a_list_or_named(given: Any, penalties: tuple[float, float]) -> None:
    params = build_params(spec_of("HeteroSecureBoost"), {"tree_param": {"criterion_params": given}}, "")
    assert isinstance(params, HeteroSecureBoostParams)
    assert params.penalties == penalties


SAMPLED: list[tuple[str, dict[str, Any]]] = [
    ("HeteroSecureBoost", {"subsample_feature_rate": 0.6}),
    ("HeteroSecureBoost", {"run_goss": True, "top_rate": 0.3, "other_rate": 0.3, "complete_secure": 1}),
    ("HeteroFastSecureBoost", {"boosting_strategy": "mix", "tree_num_per_party": 2}),
    ("HeteroFastSecureBoost", {"boosting_strategy": "layered", "guest_depth": 1, "host_depth": 1}),
]


@pytest.mark.parametrize(("module", "params"), SAMPLED)
def test_a_training_that_is_interrupted_ends_as_one_that_is_not(module: str, params: dict[str, Any]) -> None:
    features, label = some_rows(60, 6)
    owned = {GUEST: [0, 1], HOSTS[0]: [2, 3], HOSTS[1]: [4, 5]}
    tables = split_tables(features[:50], label[:50], owned)
    validate = split_tables(features[50:], label[50:], owned, 50)
    given = REGRESSION | params | {"validation_freqs": 3, "bin_num": 4}
    whole = learn(given | {"num_trees": 5}, tables, validate, module=module)
    first = learn(given | {"num_trees": 3}, tables, validate, module=module)
    models = {party: first[party].model for party in tables}
    rest = learn(given | {"num_trees": 2}, tables, validate, models=models, module=module)
    assert drawn(rest) == drawn(whole)
    assert scores(rest, "train").tolist() == scores(whole, "train").tolist()
    assert first[GUEST].summary["loss_history"] + rest[GUEST].summary["loss_history"] == pytest.approx(
        whole[GUEST].summary["loss_history"], abs=1e-12
    )


def test_a_training_that_goes_on_stops_where_it_would_have() -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, label, OWNED)
    first = learn(REGRESSION | {"num_trees": 1}, tables)
    models = {party: first[party].model for party in tables}
    rest = learn(REGRESSION | {"n_iter_no_change": True, "tol": 1e6, "num_trees": 4}, tables, models=models)
    assert len(drawn(rest)) == 2


def test_a_model_is_not_gone_on_from_with_other_missing_values() -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, label, OWNED)
    one = REGRESSION | {"num_trees": 1}
    first = learn(one, tables)
    models = {party: first[party].model for party in tables}
    for told in ({"use_missing": True}, {"tree_param": {"use_missing": True, "zero_as_missing": True}}):
        with pytest.raises(ModelError, match="trained with use_missing False and zero_as_missing False"):
            learn(one | told, tables, models=models)
    # Without use_missing it says nothing.
    assert len(drawn(learn(one | {"zero_as_missing": True}, tables, models=models))) == 2


def test_what_parties_do_not_have_in_common_is_told_to_all() -> None:
    features, label = some_rows(20, 5)
    tables = split_tables(features, label, OWNED)
    fewer = tables | {HOSTS[0]: split_tables(features[:15], None, OWNED)[HOSTS[0]]}
    with pytest.raises(DataError, match="are not the guest's") as caught:
        learn(REGRESSION, fewer)
    assert "Put an Intersection before" in public_text(caught.value)
    with pytest.raises(DataError, match="Values are missing") as caught:
        learn(REGRESSION, holes(tables))
    assert "use_missing" in public_text(caught.value)
    assert not any(f"x{place}" in public_text(caught.value) for place in range(5))


@pytest.mark.parametrize(
    ("module", "given", "said"),
    [
        (
            "",
            {"callback_param": {"callbacks": ["EarlyStopping"]}},
            "EarlyStopping has no effect without early_stopping",
        ),
        ("", {"callback_param": {"early_stopping_rounds": 2}}, "has no effect without the callback EarlyStopping"),
        ("", {"callback_param": {"callbacks": ["PerformanceEvaluate"]}}, "has no effect without validation_freqs"),
        ("", {"early_stopping_rounds": 2}, "early_stopping_rounds has no effect without validation data"),
        ("", {"validation_freqs": 2}, "validation_freqs has no effect without validation data"),
        ("", {"tol": 1e-3}, "tol has no effect without n_iter_no_change"),
        ("", {"tree_param": {"zero_as_missing": True}}, "zero_as_missing has no effect without use_missing"),
        ("", {"multi_mode": "multi_output"}, "multi_output has no effect without more than two classes"),
        ("", {"top_rate": 0.5}, "other_rate has no effect without run_goss"),
        ("", {"tree_num_per_party": 2}, "tree_num_per_party has no effect without the strategy mix"),
        ("", {"host_depth": 2}, "host_depth has no effect without the strategy layered"),
        ("", {"EINI_random_mask": True}, "has no effect without EINI_inference"),
        ("Fast", {"work_mode": "layered", "tree_param": {"max_depth": 2}}, "max_depth has no effect"),
        ("", {}, ""),
        ("Fast", {"tree_num_per_party": 1}, ""),
        ("", {"n_iter_no_change": True, "tol": 1e-3, "run_goss": True, "other_rate": 0.3}, ""),
    ],
)
def test_parameters_without_effect_are_said_to_be(
    module: str, given: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    features, label = some_rows(20, 5)
    learn(
        REGRESSION | {"num_trees": 1} | given, split_tables(features, label, OWNED), module=f"Hetero{module}SecureBoost"
    )
    assert said in caplog.text
    assert caplog.text.count("no effect") == (1 if said else 0)


def test_gradients_are_not_sampled_at_rates_of_nothing() -> None:
    nothing = {"top_rate": 0, "other_rate": 0}
    build_params(spec_of("HeteroSecureBoost"), nothing, "")
    with pytest.raises(DslError, match="run_goss keeps no row"):
        build_params(spec_of("HeteroSecureBoost"), nothing | {"run_goss": True}, "")
