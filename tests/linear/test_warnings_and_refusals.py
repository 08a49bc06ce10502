"""What parties are told of settings and data that cannot do what they are meant to."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from fate_federated.federation import Federation
from linear.parties import ARBITER, GUEST, HOSTS, OUR_DEFAULTS, Case, case


@pytest.fixture(scope="module")
def below_minus_one() -> Case:
    """Labels that have no logarithm of 1 + y."""
    data = case("HeteroLinR", 90, 2, 3)
    return replace(data, label=data.label * 3 - 2)


def stopping(*names: str) -> dict[str, object]:
    metrics = list(names)
    callbacks = {"callbacks": ["EarlyStopping"], "early_stopping_rounds": 2, "validation_freqs": 1, "metrics": metrics}
    return {"callback_param": callbacks, "max_iter": 8, "learning_rate": 0.3, "alpha": 0}


def test_a_metric_without_a_value_leaves_the_choice_to_the_next(
    below_minus_one: Case, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = below_minus_one.inputs(slice(0, 60), slice(60, 90))
    results = below_minus_one.run(stopping("mean_squared_log_error", "r2_score"), inputs)
    summary = results[GUEST].summary
    history = summary["validation_metrics"]["validate"]
    assert history.keys() == {"r2_score"}
    assert history["r2_score"] == sorted(history["r2_score"])
    assert (summary["best_iteration"], len(history["r2_score"])) == (7, 8)
    assert caplog.text.count("mean_squared_log_error cannot be computed of the validation rows") == 1


def test_validation_without_any_value_is_told_and_chooses_no_iteration(
    below_minus_one: Case, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = below_minus_one.inputs(slice(0, 60), slice(60, 90))
    params = stopping("msle")
    assert isinstance(params["callback_param"], dict)
    params["callback_param"]["validation_freqs"] = 3
    results = below_minus_one.run(params, inputs)
    assert caplog.text.count("nothing stops the training") == 1
    assert results[GUEST].summary["best_iteration"] == -1
    expected = below_minus_one.run(params | {"callback_param": {}}, inputs)
    np.testing.assert_allclose(below_minus_one.weights(results), below_minus_one.weights(expected), atol=1e-8)


# Divergence


@pytest.mark.parametrize("module", ["HeteroLR", "HeteroSSHELR"])
def test_a_loss_that_grows_beyond_all_sense_is_told_once(module: str, caplog: pytest.LogCaptureFixture) -> None:
    data = case(module, 60, 2, 3)
    parties = (*data.columns, ARBITER) if module == "HeteroLR" else tuple(data.columns)
    params = OUR_DEFAULTS | {"learning_rate": 30, "decay": 0, "alpha": 1, "max_iter": 5}
    results = Federation(parties, seed=0).run(module, params, data.inputs())
    losses = results[GUEST].summary["loss_history"]
    first = next(at for at, loss in enumerate(losses) if loss > 1000 * losses[0])
    for party in data.columns:
        ((iteration, loss),) = results[party].metrics["train", "divergence"]
        assert iteration == first
        assert loss == pytest.approx(losses[first])
        assert f"In iteration {first} the loss" in results[party].tracker.meta["train", "divergence"]["warning"]
    assert caplog.text.count("diverges, and its model") == len(data.columns)


def test_a_training_that_descends_is_no_divergence(caplog: pytest.LogCaptureFixture) -> None:
    for module in ("HeteroLR", "HeteroLinR", "HeteroPoisson"):
        case(module, 60, 2, 3).fit()
    assert "diverges" not in caplog.text


def test_the_iteration_is_named_in_which_a_host_fails() -> None:
    data = case("HeteroPoisson", 60, 2, 3)
    data.features[:, 3] = 1e12
    outcomes = Federation((*data.columns, ARBITER), seed=0).outcomes(data.module, OUR_DEFAULTS, data.inputs())
    assert re.search(r"In iteration \d the", str(outcomes[HOSTS[0]]))


# Labels and weights out of range


def refusal(data: Case, **params: object) -> str:
    """What the guest says."""
    parties = tuple(data.columns) if "SSHE" in data.module else (*data.columns, ARBITER)
    outcome = Federation(parties, seed=0).outcomes(data.module, OUR_DEFAULTS | params, data.inputs())[GUEST]
    return f"{type(outcome).__name__}: {outcome}"


@pytest.mark.parametrize(("module", "largest"), [("HeteroLinR", 35), ("HeteroPoisson", 26)])
def test_labels_that_are_too_large_are_named_as_the_cause(module: str, largest: int) -> None:
    data = case(module, 60, 2, 3)
    data = replace(data, label=np.abs(data.label) * 2.0**36)
    text = refusal(data, learning_rate=1e-9)
    assert f"DataError: The training data has labels of 2**{largest} or more" in text


def test_classes_may_be_of_any_size() -> None:
    data = case("HeteroLR", 60, 2, 3)
    results = replace(data, label=data.label * 1e30).fit({"max_iter": 1})
    columns = results[GUEST].data.data
    assert set(columns.column("predict_result").to_pylist()) <= {0.0, 1e30}
    np.testing.assert_allclose(data.weights(results), data.weights(data.fit({"max_iter": 1})), rtol=0, atol=1e-9)


@pytest.mark.parametrize("module", ["HeteroLR", "HeteroPoisson", "HeteroSSHELR"])
def test_weights_that_rounding_would_change_are_refused(module: str) -> None:
    data = case(module, 60, 2, 3)
    weight = np.linspace(1, 2, 60)
    assert "DataError: Sample weights are so small" in refusal(replace(data, weight=weight * 1e-8))
    assert "DataError: All sample weights are 0" in refusal(replace(data, weight=weight * 0))
    few_are_small = np.where(np.arange(60) < 5, 1e-9, weight)
    assert refusal(replace(data, weight=few_are_small), max_iter=1).startswith("PartyResult")


# Settings without effect


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"callback_param": {"callbacks": ["EarlyStopping"]}}, "EarlyStopping has no effect: early_stopping_rounds"),
        ({"early_stopping_rounds": 2}, "early_stopping_rounds has no effect: there are no validation data"),
        ({"callback_param": {"callbacks": ["PerformanceEvaluate"]}}, "PerformanceEvaluate has no effect"),
        (
            {"cv_param": {"need_cv": True}, "stepwise_param": {"need_stepwise": True, "max_step": 1}},
            "cv_param has no effect: stepwise_param",
        ),
    ],
)
def test_settings_without_effect_are_told_once(
    params: dict[str, object], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    case("HeteroLR", 40, 2, 2).fit({"max_iter": 1} | params)
    assert caplog.text.count(text) == 1
    assert caplog.text.count("no effect") == 1


def test_a_model_to_go_on_from_has_no_effect_on_a_cross_validation(caplog: pytest.LogCaptureFixture) -> None:
    data = case("HeteroLR", 40, 2, 2)
    results = data.fit({"max_iter": 1})
    models = {party: model for party in data.columns if (model := results[party].model) is not None}
    data.run({"max_iter": 1, "cv_param": {"need_cv": True, "n_splits": 2}}, data.inputs(models=models))
    assert "the model to go on from has no effect" in caplog.text
