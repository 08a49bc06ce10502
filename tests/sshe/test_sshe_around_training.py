"""What is done around a training on shares: models, folds, validation, and input that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToJson

from fate_federated.catalog.discovery import find_component
from fate_federated.errors import ConfigError, DataError, ModelError
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Inputs
from linear.parties import ARBITER, GUEST, OUR_DEFAULTS, Case, answers, case
from linear.plain import train

from .conftest import HOST, Fit

CLOSE = {"rtol": 0, "atol": 1e-6}
CONCEALED = {"reveal_strategy": "encrypted_reveal_in_host"}
REVEALED = {"reveal_every_iter": True}


def score(results: Mapping[Party, PartyResult]) -> np.ndarray:
    found: np.ndarray = results[GUEST].data.data.column("predict_score").to_numpy()
    return found


def models(results: Mapping[Party, PartyResult]) -> dict[Party, Any]:
    return {party: result.model for party, result in results.items()}


def param(results: Mapping[Party, PartyResult], party: Party) -> pb.LRModelParam:
    model = results[party].model
    assert model is not None
    assert isinstance(model.param, pb.LRModelParam)
    return model.param


def predict(fit: Fit, data: Case, found: Mapping[Party, Any], params: Mapping[str, Any]) -> np.ndarray:
    inputs = {
        party: Inputs(data={"test_data": [data.table(party, slice(5, 25))]}, model=found[party])
        for party in data.columns
    }
    return score(fit(data, params, inputs))


@pytest.mark.parametrize("params", [{}, CONCEALED, REVEALED])
def test_a_model_predicts_other_rows(fit: Fit, data: Case, params: dict[str, Any]) -> None:
    results = fit(data, params)
    found = predict(fit, data, models(results), params)
    np.testing.assert_allclose(found, score(results)[5:25], **CLOSE)


@pytest.mark.parametrize("classes", [2, 3])
def test_weights_that_nobody_knows_predict_the_same(fit: Fit, classes: int) -> None:
    data = case("HeteroLR", 40, 2, 3, classes=classes)
    known, concealed = fit(data), fit(data, CONCEALED)
    np.testing.assert_allclose(score(concealed), score(known), **CLOSE)
    at_host = param(concealed, HOST)
    assert not at_host.weight
    assert not at_host.one_vs_rest_result.completed_models
    assert "coef" not in concealed[HOST].summary
    for name, coefficient in _flat(known[GUEST].summary["coef"]).items():
        assert _flat(concealed[GUEST].summary["coef"])[name] == pytest.approx(coefficient, abs=1e-6)
    text = MessageToJson(at_host) + MessageToJson(param(concealed, GUEST))
    weight = param(known, HOST).weight or param(known, HOST).one_vs_rest_result.completed_models[0].weight
    assert not [value for value in weight.values() if f"{value:.6f}"[1:] in text]


def _flat(coefficients: dict[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in coefficients.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


@pytest.mark.parametrize("params", [{}, CONCEALED, REVEALED])
def test_training_goes_on_from_a_model(fit: Fit, data: Case, params: dict[str, Any]) -> None:
    two = {"max_iter": 2, "decay": 0} | params
    second = fit(data, two, data.inputs(models=models(fit(data, two))))
    whole = fit(data, two | {"max_iter": 4})
    np.testing.assert_allclose(score(second), score(whole), **CLOSE)


def test_training_does_not_go_on_from_weights_to_which_there_is_no_key(fit: Fit, data: Case) -> None:
    host = fit(data, CONCEALED)[HOST].model
    guest = fit(data)[GUEST].model
    inputs = data.inputs(models={GUEST: guest, HOST: host})
    for params, message in (({}, "no key to them"), (REVEALED, "does not know")):
        with pytest.raises(ModelError, match=message):
            fit(data, params, inputs)
    with pytest.raises(ModelError, match="no key to its scores"):
        predict(fit, data, {GUEST: guest, HOST: host}, {})


def test_encrypted_weights_that_are_damaged_are_refused(fit: Fit, data: Case) -> None:
    found = models(fit(data, CONCEALED))
    damaged = pb.LRModelParam()
    damaged.CopyFrom(found[HOST].param)
    damaged.encrypted_weight.ciphertexts = damaged.encrypted_weight.ciphertexts[:-1]
    with pytest.raises(ModelError, match="damaged"):
        predict(fit, data, found | {HOST: replace(found[HOST], param=damaged)}, {})


@pytest.mark.parametrize("params", [{}, CONCEALED, REVEALED])
def test_folds_are_trained_side_by_side(fit: Fit, data: Case, params: dict[str, Any]) -> None:
    folds = {"cv_param": {"need_cv": True, "n_splits": 3, "output_fold_history": True}, "max_iter": 2}
    shared = fit(data, folds | params)
    parties = (*data.columns, ARBITER)
    with_arbiter = Federation(parties, seed=0).run(data.module, OUR_DEFAULTS | folds, data.inputs())
    np.testing.assert_allclose(score(shared), score(with_arbiter), atol=1e-5)
    assert shared[GUEST].summary["fold_1"]["loss_history"] == [
        pytest.approx(with_arbiter[GUEST].summary["fold_1"]["loss_history"][0], abs=1e-5)
    ]


def test_validation_chooses_the_best_iteration(fit: Fit) -> None:
    data = case("HeteroLR", 60, 2, 3)
    callbacks = {
        "callbacks": ["EarlyStopping", "PerformanceEvaluate", "ModelCheckpoint"], "validation_freqs": 1, "save_freq": 2,
        "early_stopping_rounds": 2, "metrics": ["auc"],
    }  # fmt: skip
    params = {"callback_param": callbacks, "max_iter": 8} | REVEALED
    inputs = data.inputs(slice(0, 40), slice(40, 60))
    shared = fit(data, params, inputs)
    params.pop("reveal_every_iter")
    with_arbiter = Federation((*data.columns, ARBITER), seed=0).run("HeteroLR", OUR_DEFAULTS | params, inputs)
    assert shared[GUEST].summary["validation_metrics"] == with_arbiter[GUEST].summary["validation_metrics"]
    assert shared[HOST].summary["best_iteration"] == with_arbiter[HOST].summary["best_iteration"]
    np.testing.assert_allclose(data.weights(shared), data.weights(with_arbiter), atol=1e-5)


def test_checkpoints_open_the_weights_of_their_iterations(fit: Fit, data: Case) -> None:
    results = fit(data, {"callback_param": {"callbacks": ["ModelCheckpoint"], "save_freq": 2}})
    weights, _ = train(data.module, data.features, answers(data), iterations=2)
    for party in (GUEST, HOST):
        first, last = param(results, party).checkpoints
        assert (first.step_index, last.step_index) == (1, 3)
        assert dict(last.models[0].weight) == pytest.approx(dict(param(results, party).weight))
        found = [first.models[0].weight[name] for name in param(results, party).header]
        np.testing.assert_allclose(found, weights[data.columns[party]], **CLOSE)


@pytest.mark.parametrize("params", [{}, CONCEALED, REVEALED])
@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_learning_rate_that_diverges_is_said_with_the_iteration(
    fit: Fit, data: Case, params: dict[str, Any], rate: float
) -> None:
    with pytest.raises(ModelError, match=r"In iteration \d the weights grew beyond all bounds"):
        fit(data, params | {"learning_rate": rate, "alpha": 0, "decay": 0, "max_iter": 30})


def test_a_last_step_out_of_range_is_found_when_the_weights_are_opened(fit: Fit, data: Case) -> None:
    with pytest.raises(ModelError, match="weights grew beyond all bounds"):
        fit(data, {"learning_rate": 1e20, "max_iter": 1})


def test_constant_columns_and_perfect_separation_are_trained_on(fit: Fit) -> None:
    data = case("HeteroLR", 40, 2, 3)
    features = data.features.copy()
    features[:, 0], features[:, 4] = 0.0, 1.0
    data = replace(data, features=features, label=(features[:, 2] > 0).astype(int))
    results = fit(data, {"max_iter": 5})
    weights, losses = train("HeteroLR", features, answers(data), iterations=5)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


def refused(data: Case, what: str) -> Case:
    features = data.features.copy()
    match what:
        case "missing":
            features[3, 4] = np.nan
        case "huge":
            features[3, 4] = 1e12
        case "labels":
            return replace(data, label=np.linspace(0, 1e9, 40))
        case "weights":
            return replace(data, weight=np.full(40, -1.0))
    return replace(data, features=features)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "missing or infinite in x4"),
        ("huge", "too large to be shared"),
        ("labels", "too large to be shared"),
        ("weights", "Sample weights are numbers"),
    ],
)
def test_numbers_that_cannot_be_shared_are_refused(fit: Fit, what: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(refused(case("HeteroLinR", 40, 2, 3), what))


def test_other_rows_at_the_host_and_further_hosts_are_refused(fit: Fit, data: Case) -> None:
    inputs = data.inputs() | {HOST: data.inputs(slice(0, 30))[HOST]}
    with pytest.raises(DataError, match="The guest has 40 rows and host-10000 has 30"):
        fit(data, {}, inputs)
    with pytest.raises(ConfigError, match="2 hosts are named"):
        fit(case("HeteroLR", 40, 2, 2, 2))


@pytest.mark.parametrize("module", ["HeteroSSHELR", "HeteroSSHELinR"])
@pytest.mark.parametrize(
    "params",
    [
        {"stepwise_param": {"need_stepwise": True}},
        CONCEALED | {"callback_param": {"callbacks": ["ModelCheckpoint"]}},
        {"validation_freqs": 1},
        {"early_stopping_rounds": 3},
        {"optimizer": "adagrad"},
        {"penalty": "L1"},
        CONCEALED | REVEALED,
    ],
)
def test_what_shares_do_not_allow_is_refused_with_the_conf(module: str, params: dict[str, Any]) -> None:
    spec = find_component(module)
    assert spec is not None
    with pytest.raises(ValueError, match=r"reveal|stepwise|ModelCheckpoint"):
        spec.params.model_validate(params)
