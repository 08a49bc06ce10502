"""Validation while training, checkpoints, cross validation, choice of features, hidden batches."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score, root_mean_squared_error

from fate_components.linear.cross_validation import folds_of
from fate_components.linear.validation import Validation, chosen_metrics
from fate_federated.catalog.shared_params import CrossValidationParams
from fate_federated.errors import ConfigError, DataError
from fate_federated.federation import PartyResult
from fate_federated.party import Party
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.context import MemoryTracker
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Kind, decode
from linear.parties import ARBITER, GUEST, HOSTS, Case, answers, case
from linear.plain import train

CLOSE = {"rtol": 0, "atol": 1e-5}
Results = dict[Party, PartyResult]


def rows_of(table: Table, **wanted: object) -> dict[str, np.ndarray]:
    """The columns, of the rows that have these values."""
    columns = {name: np.array(values) for name, values in table.data.to_pydict().items()}
    chosen = np.all([columns[name] == value for name, value in wanted.items()], axis=0)
    return {name: values[chosen] for name, values in columns.items()}


def score(data: Case, weights: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
    return data.features[rows] @ weights[:-1] + weights[-1]


@pytest.fixture(scope="module")
def data() -> Case:
    return case("HeteroLR", 60, 2, 3)


# Validation


def test_each_iteration_is_judged_by_training_and_validation_rows(data: Case) -> None:
    results = data.run({"validation_freqs": 2, "metrics": ["auc", "ks"]}, data.inputs(slice(0, 40), slice(40, 60)))
    history = results[GUEST].summary["validation_metrics"]
    assert {kind: sorted(values) for kind, values in history.items()} == {
        "train": ["auc", "ks"], "validate": ["auc", "ks"],
    }  # fmt: skip
    for kind, rows in (("train", slice(0, 40)), ("validate", slice(40, 60))):
        for place, iterations in enumerate((2, 4)):
            weights, _ = train("HeteroLR", data.features[:40], answers(data)[:40], iterations=iterations)
            expected = roc_auc_score(data.label[rows], score(data, weights, rows))
            assert history[kind]["auc"][place] == pytest.approx(expected)
    assert [x for x, _ in results[GUEST].metrics["validate", "HeteroLR_auc_by_iteration"]] == [1.0, 3.0]
    types = results[GUEST].data.data.column("type").to_pylist()
    assert types == ["train"] * 40 + ["validate"] * 20


def test_training_stops_when_validation_no_longer_improves(data: Case) -> None:
    callbacks = {"callbacks": ["EarlyStopping", "PerformanceEvaluate"], "validation_freqs": 1,
                 "early_stopping_rounds": 2, "metrics": ["auc"], "use_first_metric_only": True}  # fmt: skip
    results = data.run(
        {"callback_param": callbacks, "max_iter": 25, "learning_rate": 0.9, "penalty": None},
        data.inputs(slice(0, 40), slice(40, 60)),
    )
    curve = []
    for iterations in range(1, 26):
        weights, _ = train(
            "HeteroLR", data.features[:40], answers(data)[:40], rate=0.9, penalty=None, iterations=iterations
        )
        curve.append(roc_auc_score(data.label[40:], score(data, weights, slice(40, 60))))
        best = int(np.argmax(curve))
        if iterations - 1 - best == 2:
            break
    assert iterations < 25
    model = results[GUEST].model
    assert model is not None
    assert isinstance(model.param, pb.LRModelParam)
    assert (model.param.iters, model.param.best_iteration) == (iterations, best)
    weights, _ = train("HeteroLR", data.features[:40], answers(data)[:40], rate=0.9, penalty=None, iterations=best + 1)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    assert results[HOSTS[0]].summary["best_iteration"] == best


def test_regression_is_judged_by_its_errors() -> None:
    data = case("HeteroLinR", 40, 2, 2)
    results = data.run({"validation_freqs": 4, "early_stopping_rounds": 1}, data.inputs(slice(0, 30), slice(30, 40)))
    predicted = score(data, data.weights(results), slice(30, 40))
    history = results[GUEST].summary["validation_metrics"]["validate"]
    assert history["root_mean_squared_error"] == [pytest.approx(root_mean_squared_error(data.label[30:], predicted))]
    assert history["mean_absolute_error"] == [pytest.approx(mean_absolute_error(data.label[30:], predicted))]


def test_a_metric_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match="auc is none of explained_variance"):
        chosen_metrics("regression", ["auc"])
    assert chosen_metrics("regression", ["L2_root", "r2"]) == ("root_mean_squared_error", "r2_score")
    assert chosen_metrics("multi", ["auc", "ks"]) == ("accuracy", "precision", "recall")


@pytest.mark.parametrize(("first_only", "stopped_at"), [(True, 4), (False, 2)])
def test_any_metric_that_stays_behind_stops_unless_the_first_alone_counts(first_only: bool, stopped_at: int) -> None:
    watch = Validation(MemoryTracker(), "lr", ("auc", "ks"), 2, first_only)
    auc, ks = [0.5, 0.6, 0.7, 0.6, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1]
    stops = [
        watch.note(at, {"validate": {"auc": a, "ks": k}}).stop for at, (a, k) in enumerate(zip(auc, ks, strict=True))
    ]
    assert stops.index(True) == stopped_at


def test_checkpoints_are_the_weights_along_the_way(data: Case) -> None:
    results = data.fit({"callback_param": {"callbacks": ["ModelCheckpoint"], "save_freq": 2}})
    for iterations in (2, 4):
        weights, _ = train("HeteroLR", data.features, answers(data), iterations=iterations)
        found: dict[str, float] = {}
        for party in data.columns:
            model = results[party].model
            assert model is not None
            assert isinstance(model.param, pb.LRModelParam)
            (point,) = [some for some in model.param.checkpoints if some.step_index == iterations - 1]
            found |= point.models[0].weight
        np.testing.assert_allclose([found[f"x{place}"] for place in range(5)], weights[:-1], **CLOSE)


# Cross validation


def cross_validated(data: Case, **more: object) -> Results:
    return data.fit({"cv_param": {"need_cv": True, "n_splits": 3, "random_seed": 7, **more}, "batch_size": 30})


@pytest.mark.parametrize("classes", [2, 3])
def test_each_fold_is_predicted_by_a_model_of_the_others(classes: int) -> None:
    data = case("HeteroLR", 60, 2, 3, classes=classes)
    results = data.fit({"cv_param": {"need_cv": True, "n_splits": 3, "random_seed": 7}})
    folds = folds_of(60, CrossValidationParams(n_splits=3, random_seed=7), 0)
    assert np.bincount(folds).tolist() == [20, 20, 20]
    table = results[GUEST].data
    assert len(table) == 180
    for fold in range(3):
        chances = []
        for label in [1] if classes == 2 else [0, 1, 2]:
            y = np.where(data.label == label, 1.0, -1.0)
            weights, _ = train("HeteroLR", data.features, y, present=folds != fold)
            chances.append(1 / (1 + np.exp(-score(data, weights))))
        held_out = rows_of(table, fold=fold, type="validate")
        places = held_out["id"].astype(int)
        assert sorted(places) == np.flatnonzero(folds == fold).tolist()
        np.testing.assert_allclose(held_out["predict_score"], np.max(chances, axis=0)[places], **CLOSE)
        values = results[GUEST].summary[f"fold_{fold}"]["validate"]
        if classes == 2:
            assert values["auc"] == pytest.approx(roc_auc_score(data.label[places], chances[0][places]))
        else:
            assert values["accuracy"] == pytest.approx(
                accuracy_score(data.label[places], np.argmax(chances, axis=0)[places])
            )
    assert all(result.model is None for result in results.values())


@pytest.mark.parametrize("module", ["HeteroLinR", "HeteroPoisson"])
def test_folds_of_numbers_and_counts_in_mini_batches(module: str) -> None:
    data = case(module, 40, 2, 2)
    cv_param = {"need_cv": True, "n_splits": 2, "random_seed": 3}
    results = data.fit({"cv_param": cv_param, "batch_size": 25, "shuffle": False})
    folds = folds_of(40, CrossValidationParams(n_splits=2, random_seed=3), 0)
    batches = np.split(np.arange(40), [25])
    for fold in range(2):
        weights, losses = train(module, data.features, answers(data), batches=batches, present=folds != fold)
        u = score(data, weights)[folds == fold]
        found = rows_of(results[GUEST].data, fold=fold, type="validate")["predict_score"]
        np.testing.assert_allclose(found, np.exp(u) if module == "HeteroPoisson" else u, **CLOSE)
        np.testing.assert_allclose(results[GUEST].summary[f"fold_{fold}"]["loss_history"][0], losses, **CLOSE)


def test_a_fold_history_may_be_of_instances_or_left_out(data: Case) -> None:
    results = cross_validated(data, history_value_type="instance")
    for party in data.columns:
        table = results[party].data
        assert len(table) == 180
        for fold in range(3):
            assert len(rows_of(table, fold=fold, type="validate")["id"]) == 20
            assert len(rows_of(table, fold=fold, type="train")["id"]) == 40
    assert cross_validated(data, output_fold_history=False)[GUEST].outputs.data == ()


@pytest.mark.parametrize("splits", [1, 61])
def test_folds_that_cannot_be_are_refused(data: Case, splits: int) -> None:
    with pytest.raises(DataError, match=f"n_splits is {splits} where 2 to the 60 rows"):
        data.fit({"cv_param": {"need_cv": True, "n_splits": splits}})


# Choice of features


def stepwise_in_clear(data: Case, direction: str, bic: bool, steps: int, iterations: int) -> set[int]:
    """The same search by one training after the other."""
    count, rows = data.features.shape[1], len(data.label)

    def judged(chosen: set[int]) -> float:
        features = data.features * np.isin(np.arange(count), list(chosen))
        _, losses = train(data.module, features, answers(data), penalty=None, rate=0.4, iterations=iterations)
        misfit = rows * np.log(2 * losses[-1]) if data.module == "HeteroLinR" else 2 * rows * losses[-1]
        return float(misfit + (np.log(rows) if bic else 2) * (len(chosen) + 1))

    current = set() if direction == "forward" else set(range(count))
    best = judged(current)
    for _ in range(steps):
        moves = [current | {place} for place in range(count) if direction != "backward" and place not in current]
        moves += [current - {place} for place in current if direction != "forward" and len(current) > 2]
        scores = [judged(move) for move in moves]
        if not scores or min(scores) >= best:
            break
        best, current = min(scores), moves[int(np.argmin(scores))]
    return current


@pytest.mark.parametrize(
    ("module", "direction", "name"),
    [("HeteroLR", "backward", "BIC"), ("HeteroLinR", "forward", "AIC"), ("HeteroPoisson", "both", "AIC")],
)
def test_the_same_features_are_chosen_as_in_clear(module: str, direction: str, name: str) -> None:
    data = case(module, 60, 2, 3)
    strong = np.array([0.9, 0.0, 0.8, 0.0, 0.7])
    rng = np.random.default_rng(3)
    u = data.features @ strong
    label = {"HeteroLR": (u + rng.normal(size=60) > 0).astype(int), "HeteroLinR": u + rng.normal(size=60) / 5,
             "HeteroPoisson": rng.poisson(np.exp(u / 2))}[module]  # fmt: skip
    data = Case(module, data.features, label, data.columns)
    iterations = 6
    stepwise = {"need_stepwise": True, "direction": direction, "score_name": name, "max_step": 4}
    params = {"stepwise_param": stepwise, "penalty": None, "learning_rate": 0.4, "max_iter": iterations}
    results = data.fit(params)
    chosen = sorted(stepwise_in_clear(data, direction, name == "BIC", 4, iterations))
    found = [
        place for place in range(5) if any(f"x{place}" in results[party].summary["coef"] for party in data.columns)
    ]
    assert found == chosen
    assert len(chosen) < 5
    features = data.features * np.isin(np.arange(5), chosen)
    weights, _ = train(module, features, answers(data), penalty=None, rate=0.4, iterations=iterations)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    model = results[GUEST].model
    assert model is not None
    assert isinstance(model.param, pb.LRModelParam)
    assert list(model.param.header) == [f"x{place}" for place in chosen if place < 2]
    steps = list(model.param.stepwise)
    scores = [step.best_score for step in steps]
    assert scores == sorted(scores, reverse=True)
    assert results[GUEST].summary["stepwise"] == {"score": scores[-1], "steps": len(steps)}
    host = ["x2", "x3", "x4"]
    assert [name for name in steps[-1].chosen if name.startswith("host_")] == [
        f"host_10000_{host.index(f'x{place}')}" for place in chosen if place >= 2
    ]


# Hidden batches


def test_a_host_cannot_tell_which_rows_are_in_a_random_batch() -> None:
    data = case("HeteroLinR", 50, 2, 2)
    seen: list[Message] = []
    params = {"batch_size": 10, "batch_strategy": "random", "masked_rate": 2.0, "max_iter": 3}
    results = data.fit(params, record=seen.append)
    announced = [decode(some.structure, some.body) for some in seen if some.tag.startswith("batch")]
    assert [len(rows) for rows in announced] == [30, 30, 30]
    assert all((np.diff(rows) > 0).all() for rows in announced)
    # In clear, of the rows that were announced, the ten that the guest drew are those of the same draw.
    rng = np.random.default_rng(0)
    rng.integers(2**31)
    weights = np.zeros(5)
    for iteration in range(3):
        drawn = rng.choice(50, 30, replace=False)
        assert sorted(drawn) == announced[iteration].tolist()
        rows = drawn[:10]
        X = np.column_stack([data.features[rows], np.ones(10)])
        gradient = X.T @ (X @ weights - data.label[rows]) / 10 + 0.1 * np.append(weights[:-1], 0.0)
        weights = weights - 0.1 / np.sqrt(1 + iteration) * gradient
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)


@pytest.mark.parametrize("module", ["HeteroLR", "HeteroPoisson"])
def test_random_batches_train_too(module: str) -> None:
    data = case(module, 50, 2, 2)
    results = data.fit({"batch_size": 20, "batch_strategy": "random", "masked_rate": 1, "max_iter": 3})
    assert len(results[GUEST].summary["loss_history"]) == 3


# Privacy


def test_messages_of_the_family_are_of_the_kinds_that_the_protocol_names() -> None:
    data = case("HeteroPoisson", 20, 2, 2, 2)
    seen: list[Message] = []
    data.fit({"max_iter": 2}, record=seen.append)
    clear = {
        (some.tag.split(".")[0], some.sender.role.value, some.receiver.role.value)
        for some in seen
        if some.kind is not Kind.CIPHERTEXT
    }
    assert clear == {
        ("plan", "guest", "host"), ("plan", "guest", "arbiter"), ("parameters", "guest", "host"),
        ("parameters", "guest", "arbiter"), ("features", "host", "guest"),
        ("public_key", "arbiter", "host"), ("public_key", "arbiter", "guest"), ("verdict", "arbiter", "host"),
        ("verdict", "arbiter", "guest"), ("gradient", "arbiter", "host"), ("gradient", "arbiter", "guest"),
        ("predicted_score", "host", "guest"),
    }  # fmt: skip
    # Only hosts of a log-linear model send to one another: the product so far, encrypted.
    between = {some.tag.split(".")[0] for some in seen if (some.sender, some.receiver) == HOSTS}
    assert between == {"gradient_score"}
    assert not [some for some in seen if some.sender == ARBITER and some.kind is Kind.CIPHERTEXT]


def test_predictions_of_numbers_have_fates_columns() -> None:
    data = case("HeteroLinR", 20, 2, 2)
    table = data.fit({"max_iter": 1})[GUEST].data.data
    assert table.column_names == ["id", "label", "predict_result", "predict_score", "predict_detail", "type"]
    row = table.slice(0, 1).to_pylist()[0]
    assert row["predict_result"] == row["predict_score"] == json.loads(row["predict_detail"])["label"]
