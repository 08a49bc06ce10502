"""Every model of the family against the same update rule on joined data in clear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from linear.parties import ARBITER, GUEST, HOSTS, Case, answers, case
from linear.plain import train

CLOSE = {"rtol": 0, "atol": 1e-5}
OPTIMIZERS = {
    "HeteroLR": ["sqn"],
    "HeteroLinR": ["sgd", "rmsprop", "adam", "adagrad", "sqn"],
    "HeteroPoisson": ["sgd", "rmsprop", "adam", "adagrad"],
}


@pytest.fixture(scope="module", params=list(OPTIMIZERS))
def data(request: pytest.FixtureRequest) -> Case:
    return case(request.param, 40, 2, 3)


@pytest.mark.parametrize(
    ("module", "optimizer"), [(module, name) for module, names in OPTIMIZERS.items() for name in names]
)
def test_every_optimizer_agrees_with_the_plaintext_run(module: str, optimizer: str) -> None:
    data = case(module, 40, 2, 3)
    iterations = 8 if optimizer == "sqn" else 3
    sqn = {"update_interval_L": 2, "memory_M": 3}
    results = data.fit({"optimizer": optimizer, "max_iter": iterations, "sqn_param": sqn})
    weights, losses = train(module, data.features, answers(data), optimizer=optimizer, iterations=iterations)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    assert [loss for _, loss in results[ARBITER].metrics["train", "loss"]] == results[GUEST].summary["loss_history"]


def test_a_training_without_a_penalty_agrees_with_the_plaintext_run(data: Case) -> None:
    assert_agrees(data, None, 1.0)


@pytest.mark.parametrize(("module", "alpha"), [("HeteroLR", 0.1), ("HeteroLinR", 0.15), ("HeteroPoisson", 0.3)])
def test_weights_that_the_l1_penalty_makes_nothing_of_agree_with_the_plaintext_run(module: str, alpha: float) -> None:
    weights = assert_agrees(case(module, 40, 2, 7), "L1", alpha)
    assert (weights[:-1] == 0).any()


def assert_agrees(data: Case, penalty: str | None, alpha: float) -> np.ndarray:
    """Weights and losses are those of the update rule on the joined data; the weights, the intercept last."""
    results = data.fit({"penalty": penalty, "alpha": alpha, "learning_rate": 0.3})
    weights, losses = train(data.module, data.features, answers(data), penalty=penalty, alpha=alpha, rate=0.3)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    return weights


def test_mini_batches_of_weighted_rows_at_two_hosts_agree_with_the_plaintext_run(data: Case) -> None:
    three = case(data.module, 35, 2, 2, 2)
    three = replace(three, weight=np.random.default_rng(5).uniform(0, 3, 35))
    results = three.fit({"batch_size": 10, "shuffle": False, "max_iter": 2, "early_stop": "weight_diff"})
    batches = np.split(np.arange(35), [10, 20, 30])
    weights, losses = train(
        three.module, three.features, answers(three), batches=batches, iterations=2, weight=three.weight
    )
    np.testing.assert_allclose(three.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


def test_training_goes_on_from_a_model(data: Case) -> None:
    first = data.fit({"max_iter": 2, "decay": 0})
    models = {party: result.model for party, result in first.items() if result.model is not None}
    second = data.run({"max_iter": 2, "decay": 0}, data.inputs(models=models))
    whole = data.fit({"max_iter": 4, "decay": 0})
    np.testing.assert_allclose(data.weights(second), data.weights(whole), **CLOSE)


def test_an_exposure_is_a_factor_of_the_expected_count() -> None:
    exposure = np.random.default_rng(1).uniform(0.5, 2.0, 40)
    data = replace(case("HeteroPoisson", 40, 2, 3), exposure=exposure)
    results = data.fit({"exposure_colname": "exposure"})
    weights, losses = train("HeteroPoisson", data.features, answers(data), offset=np.log(exposure))
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    # The plaintext loss has log E in its score: it counts -y·log E.
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    assert "exposure" not in results[GUEST].summary["coef"]
    expected = exposure * np.exp(data.features @ weights[:-1] + weights[-1])
    found = results[GUEST].data.data.column("predict_score").to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_exposure_that_is_not_among_the_columns_is_1_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    data = case("HeteroPoisson", 40, 2, 3)
    results = data.fit({"exposure_colname": "exposed"})
    without = data.fit()
    np.testing.assert_allclose(data.weights(results), data.weights(without), atol=0)
    assert "'exposed', which exposure_colname names: every row counts as exposed by 1" in caplog.text
    meta = results[GUEST].tracker.meta["train", "exposure"]
    assert meta["warning"] == "the guest's data have no column 'exposed', which exposure_colname names"
    assert ("train", "exposure") not in without[GUEST].metrics


def test_labels_below_zero_are_no_counts() -> None:
    data = case("HeteroPoisson", 20, 2, 2)
    with pytest.raises(DataError, match="at least 0; 1 rows have less"):
        replace(data, label=np.append(data.label[1:], -1)).fit()


def test_large_labels_and_features_are_no_trouble() -> None:
    plain = case("HeteroLinR", 30, 2, 2)
    data = replace(plain, features=plain.features * [1, 1, 1e5, 1], label=plain.label * 1e6)
    results = data.fit({"optimizer": "adam", "learning_rate": 10.0, "max_iter": 3})
    weights, _ = train("HeteroLinR", data.features, answers(data), optimizer="adam", rate=10.0, iterations=3)
    np.testing.assert_allclose(data.weights(results), weights, rtol=1e-5)


def test_many_and_constant_columns_are_no_trouble() -> None:
    plain = case("HeteroLR", 20, 3, 270)
    data = replace(plain, features=plain.features * np.append(np.zeros(2), np.ones(271)))
    results = data.fit({"max_iter": 2, "learning_rate": 0.01})
    weights, losses = train("HeteroLR", data.features, answers(data), rate=0.01, iterations=2)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


@pytest.mark.parametrize("module", ["HeteroLinR", "HeteroPoisson"])
def test_weights_without_bounds_are_named_with_the_iteration(module: str) -> None:
    with pytest.raises(ModelError, match=r"In iteration \d the weights grew beyond all bounds. Lower learning_rate"):
        case(module, 30, 2, 2).fit({"learning_rate": 1e5, "max_iter": 9})


def test_a_sample_weight_is_not_negative() -> None:
    data = case("HeteroLR", 20, 2, 2)
    with pytest.raises(DataError, match="Sample weights are numbers of at least 0"):
        replace(data, weight=np.append(np.ones(19), -1.0)).fit()


def test_classes_that_agree_in_their_first_digits_are_told_apart() -> None:
    several = case("HeteroLR", 45, 2, 2, classes=3)
    results = replace(several, label=several.label + 1000000).fit({"max_iter": 1})
    names = ["1000000", "1000001", "1000002"]
    summary = results[GUEST].summary
    assert [list(summary[name]) for name in ("coef", "intercept", "loss_history")] == [names] * 3
    model = results[GUEST].model
    assert model is not None
    assert isinstance(model.param, pb.LRModelParam)
    assert list(model.param.one_vs_rest_result.one_vs_rest_classes) == names


def test_one_model_for_each_of_three_classes() -> None:
    several = case("HeteroLR", 45, 2, 2, 2, classes=3)
    results = several.fit({"optimizer": "adam"})
    chances = []
    for label in range(3):
        y = np.where(several.label == label, 1.0, -1.0)
        weights, losses = train("HeteroLR", several.features, y, optimizer="adam")
        np.testing.assert_allclose(several.weights(results, str(label)), weights, **CLOSE)
        np.testing.assert_allclose(results[GUEST].summary["loss_history"][str(label)], losses, **CLOSE)
        chances.append(1 / (1 + np.exp(-(several.features @ weights[:-1] + weights[-1]))))
    columns = results[GUEST].data.data.to_pydict()
    assert columns["predict_result"] == np.argmax(chances, axis=0).tolist()
    np.testing.assert_allclose(columns["predict_score"], np.max(chances, axis=0), atol=1e-5)
    models = {party: result.model for party, result in results.items() if result.model is not None}
    inputs = {party: replace(inputs, model=models[party]) for party, inputs in several.inputs().items()}
    inputs = {party: replace(some, data={"test_data": some.data["train_data"]}) for party, some in inputs.items()}
    again = several.run({}, inputs)[GUEST].data.data.to_pydict()
    assert again["predict_detail"] == columns["predict_detail"]
    assert results[HOSTS[0]].summary["one_vs_rest"] is True
