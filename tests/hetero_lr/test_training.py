"""A federated training against the same update rule on joined data in clear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plaintext_reference import fit
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from split_data import ARBITER, FAST, GUEST, HOSTS, Floats, Split

from fate_federated.errors import DataError, ModelError
from fate_federated.federation import Federation
from fate_federated.task.component import Inputs

CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov_momentum_sgd", "rmsprop", "adagrad", "adam"])
def test_every_optimizer_agrees_with_the_plaintext_run(data: Split, optimizer: str) -> None:
    results = data.fit({"optimizer": optimizer, "alpha": 0.1})
    weights, losses = fit(data.features, data.label, optimizer=optimizer, alpha=0.1)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    assert [loss for _, loss in results[ARBITER].metrics["train", "loss"]] == results[GUEST].summary["loss_history"]


@pytest.mark.parametrize(("penalty", "alpha"), [("L2", 1.0), ("L1", 0.4), (None, 1.0)])
def test_every_penalty_agrees_with_the_plaintext_run(data: Split, penalty: str | None, alpha: float) -> None:
    results = data.fit({"optimizer": "sgd", "penalty": penalty, "alpha": alpha, "learning_rate": 0.5})
    weights, losses = fit(data.features, data.label, optimizer="sgd", penalty=penalty, alpha=alpha, rate=0.5)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    assert (np.abs(weights) < 1e-12).any() == (penalty == "L1")


def test_mini_batches_agree_with_the_plaintext_run(data: Split) -> None:
    results = data.fit({"batch_size": 20, "shuffle": False, "max_iter": 2})
    weights, losses = fit(data.features, data.label, batch_size=20, iterations=2)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


def test_shuffled_batches_train_too(data: Split) -> None:
    results = data.fit({"batch_size": 20, "optimizer": "sgd", "alpha": 0.01, "learning_rate": 0.5})
    losses = results[GUEST].summary["loss_history"]
    assert losses == sorted(losses, reverse=True)


def test_two_hosts_agree_with_the_plaintext_run(two_hosts: Split) -> None:
    params = {"optimizer": "adam", "decay": 0.5, "decay_sqrt": False, "early_stop": "weight_diff"}
    results = two_hosts.fit(params)
    weights, losses = fit(two_hosts.features, two_hosts.label, optimizer="adam", decay=0.5, decay_sqrt=False)
    np.testing.assert_allclose(two_hosts.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


def test_without_an_intercept(data: Split) -> None:
    init = {"init_method": "const", "init_const": 0.25, "fit_intercept": False}
    results = data.fit({"init_param": init, "floating_point_precision": None})
    start = np.append(np.full(data.features.shape[1], 0.25), 0.0)
    weights, _ = fit(data.features, data.label, start=start, intercept=False)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    assert results[GUEST].summary["intercept"] == 0


def by_loss(tol: float) -> Any:
    return lambda before, after, losses: len(losses) > 1 and abs(losses[-2] - losses[-1]) < tol


def by_weights(tol: float) -> Any:
    def stop(before: Floats, after: Floats, losses: list[float]) -> bool:
        return bool(np.linalg.norm(after - before) < tol * max(np.linalg.norm(after), 1.0))

    return stop


@pytest.mark.parametrize(
    ("early_stop", "tol", "stop"),
    [
        ("diff", 0.02, by_loss(0.02)),
        ("abs", 0.6, lambda before, after, losses: losses[-1] < 0.6),
        ("weight_diff", 0.08, by_weights(0.08)),
    ],
)
def test_training_stops_when_the_plaintext_run_does(data: Split, early_stop: str, tol: float, stop: Any) -> None:
    common = {"optimizer": "sgd", "alpha": 0.1, "learning_rate": 0.4}
    results = data.fit(common | {"early_stop": early_stop, "tol": tol, "max_iter": 12})
    weights, losses = fit(data.features, data.label, optimizer="sgd", alpha=0.1, rate=0.4, iterations=12, stop=stop)
    assert 2 < len(losses) < 12
    assert len(results[GUEST].summary["loss_history"]) == len(losses)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    assert results[GUEST].summary["is_converged"]
    assert results[HOSTS[0]].summary["is_converged"]


def test_training_goes_on_from_a_model(data: Split) -> None:
    common = {"optimizer": "sgd", "decay": 0}
    first = data.fit(common | {"max_iter": 2})
    models = {party: result.model for party, result in first.items() if result.model is not None}
    second = data.fit(common | {"max_iter": 2}, models=models)
    weights, _ = fit(data.features, data.label, optimizer="sgd", decay=0)
    np.testing.assert_allclose(data.weights(second), weights, **CLOSE)


@pytest.mark.parametrize("seed", [7, -7])
def test_a_seed_makes_initial_weights_repeatable(data: Split, seed: int) -> None:
    params = {"init_param": {"init_method": "random_normal", "random_seed": seed}, "max_iter": 1}
    np.testing.assert_allclose(data.weights(data.fit(params)), data.weights(data.fit(params)), rtol=0, atol=1e-7)


def test_breast_cancer_is_ranked_as_well_as_by_scikit_learn() -> None:
    raw = load_breast_cancer()
    features = (raw.data - raw.data.mean(axis=0)) / raw.data.std(axis=0)
    data = Split(features, raw.target, {GUEST: slice(0, 10), HOSTS[0]: slice(10, 30)})
    results = data.fit({"learning_rate": 0.15, "alpha": 0.01, "max_iter": 5, "optimizer": "nesterov_momentum_sgd"})
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    reference = LogisticRegression(max_iter=1000).fit(features, raw.target).decision_function(features)
    assert roc_auc_score(raw.target, score) > roc_auc_score(raw.target, reference) - 0.005
    weights, _ = fit(features, raw.target, rate=0.15, alpha=0.01, iterations=5, optimizer="nesterov_momentum_sgd")
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)


# Bad input


def run(data: Split, changed: dict[Any, Any], params: dict[str, Any] | None = None) -> None:
    inputs = {party: Inputs(data={"train_data": [data.table(party)]}) for party in data.columns}
    Federation(data.parties, seed=0).run("HeteroLR", FAST | (params or {}), inputs | changed)


def test_different_row_counts_are_refused_with_both(data: Split) -> None:
    short = Inputs(data={"train_data": [data.table(HOSTS[0], slice(0, 49))]})
    with pytest.raises(DataError, match="guest has 50 rows and host-10000 has 49"):
        run(data, {HOSTS[0]: short})


def test_a_guest_without_a_label_is_refused(data: Split) -> None:
    with pytest.raises(DataError, match="label"):
        run(data, {GUEST: Inputs(data={"train_data": [data.table(GUEST, with_label=False)]})})


def test_a_single_class_is_refused(data: Split) -> None:
    changed = Split(data.features, np.zeros(len(data.label), dtype=np.int64), data.columns)
    with pytest.raises(DataError, match="labels of 2 to 1000 classes; the training data has 1"):
        changed.fit()


def test_no_rows_are_refused(data: Split) -> None:
    nothing = {party: Inputs(data={"train_data": [data.table(party, slice(0, 0))]}) for party in data.columns}
    with pytest.raises(DataError, match="no rows"):
        run(data, nothing)


def test_a_missing_value_is_named_by_its_column(data: Split) -> None:
    features = data.features.copy()
    features[7, 3] = np.nan
    with pytest.raises(DataError, match="missing or infinite in x3"):
        Split(features, data.label, data.columns).fit()


def test_a_party_without_features_is_refused(data: Split) -> None:
    empty = Split(data.features, data.label, {GUEST: slice(0, 5), HOSTS[0]: slice(5, 5)})
    with pytest.raises(DataError, match="at least one feature"):
        empty.fit()


def test_a_rate_that_diverges_is_named_with_the_iteration(data: Split) -> None:
    with pytest.raises(ModelError, match="In iteration 2 the weights grew beyond all bounds"):
        data.fit({"optimizer": "sgd", "learning_rate": 1e5, "max_iter": 9})


def test_a_model_for_other_columns_is_not_gone_on_from(data: Split, two_hosts: Split) -> None:
    models = {party: result.model for party, result in two_hosts.fit({"max_iter": 1}).items() if result.model}
    with pytest.raises(ModelError, match="columns"):
        data.fit(models=models)


def test_small_batches_and_short_keys_are_warned_of(data: Split, caplog: pytest.LogCaptureFixture) -> None:
    wide = Split(np.tile(data.features, (1, 5))[:12], data.label[:12], {GUEST: slice(0, 2), HOSTS[0]: slice(2, 25)})
    wide.fit({"batch_size": 10, "max_iter": 1, "encrypt_param": {"method": "IterativeAffine", "key_length": 1024}})
    assert "host-10000 has 23 features and a batch has 10 rows" in caplog.text
    assert "key_length 1024 is short" in caplog.text
    assert "Paillier is used instead" in caplog.text
