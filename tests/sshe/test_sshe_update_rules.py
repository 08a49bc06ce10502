"""Trainings on shares against the same update rule on joined data in clear, and against the one with an arbiter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fate_federated.federation import Federation
from linear.parties import ARBITER, GUEST, OUR_DEFAULTS, Case, answers, case
from linear.plain import train

from .conftest import Fit

CLOSE = {"rtol": 0, "atol": 1e-6}
REVEALED = {"reveal_every_iter": True}


@pytest.mark.parametrize(
    ("module", "optimizer", "revealed"),
    [
        ("HeteroLR", "sgd", False),
        ("HeteroLR", "nesterov_momentum_sgd", False),
        ("HeteroLinR", "sgd", False),
        *(("HeteroLR", name, True) for name in ("sgd", "rmsprop", "adam", "adagrad", "nesterov_momentum_sgd")),
        *(("HeteroLinR", name, True) for name in ("sgd", "rmsprop", "adam", "adagrad")),
    ],
)
def test_every_optimizer_agrees_with_the_plaintext_run(fit: Fit, module: str, optimizer: str, revealed: bool) -> None:
    data = case(module, 40, 2, 3)
    results = fit(data, {"optimizer": optimizer, "max_iter": 3, "reveal_every_iter": revealed})
    weights, losses = train(module, data.features, answers(data), optimizer=optimizer, iterations=3)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


@pytest.mark.parametrize("revealed", [False, True])
def test_a_training_without_a_penalty_agrees_with_the_plaintext_run(fit: Fit, data: Case, revealed: bool) -> None:
    assert_agrees(fit, data, None, revealed=revealed)


def test_weights_that_the_l1_penalty_makes_nothing_of_agree_with_the_plaintext_run(fit: Fit, data: Case) -> None:
    weights = assert_agrees(fit, case(data.module, 40, 2, 7), "L1", revealed=True)
    assert (weights[:-1] == 0).any()


def assert_agrees(fit: Fit, data: Case, penalty: str | None, *, revealed: bool) -> np.ndarray:
    """Weights and losses are those of the update rule on the joined data; the weights, the intercept last."""
    params = {"penalty": penalty, "alpha": 0.1, "learning_rate": 0.3, "reveal_every_iter": revealed}
    results = fit(data, params)
    weights, losses = train(data.module, data.features, answers(data), penalty=penalty, alpha=0.1, rate=0.3)
    np.testing.assert_allclose(data.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)
    return weights


@pytest.mark.parametrize("revealed", [False, True])
def test_mini_batches_of_weighted_rows_agree_with_the_plaintext_run(fit: Fit, weighted: Case, revealed: bool) -> None:
    params = {"batch_size": 15, "shuffle": False, "max_iter": 2, "early_stop": "weight_diff"}
    results = fit(weighted, params | {"reveal_every_iter": revealed})
    weights, losses = train(
        weighted.module, weighted.features, answers(weighted), batches=np.split(np.arange(40), [15, 30]), iterations=2,
        weight=weighted.weight,
    )  # fmt: skip
    np.testing.assert_allclose(weighted.weights(results), weights, **CLOSE)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, **CLOSE)


@pytest.mark.parametrize("strategy", ["full", "random"])
def test_the_training_with_an_arbiter_comes_to_the_same(fit: Fit, data: Case, strategy: str) -> None:
    params = {"batch_size": 10, "max_iter": 3, "batch_strategy": strategy, "masked_rate": 1}
    shared = fit(data, params)
    parties = (*data.columns, ARBITER)
    with_arbiter = Federation(parties, seed=0).run(data.module, OUR_DEFAULTS | params, data.inputs())
    np.testing.assert_allclose(data.weights(shared), data.weights(with_arbiter), atol=1e-5)
    losses = [results[GUEST].summary["loss_history"] for results in (shared, with_arbiter)]
    np.testing.assert_allclose(*losses, atol=1e-5)
    predictions = [results[GUEST].data.data.column("predict_score").to_numpy() for results in (shared, with_arbiter)]
    np.testing.assert_allclose(*predictions, atol=1e-5)


@pytest.mark.parametrize("revealed", [False, True])
def test_each_class_is_trained_against_the_rest(fit: Fit, revealed: bool) -> None:
    data = case("HeteroLR", 40, 2, 3, classes=3)
    results = fit(data, {"max_iter": 2, "reveal_every_iter": revealed})
    for label in (0, 1, 2):
        weights, losses = train("HeteroLR", data.features, np.where(data.label == label, 1.0, -1.0), iterations=2)
        np.testing.assert_allclose(data.weights(results, str(label)), weights, **CLOSE)
        np.testing.assert_allclose(results[GUEST].summary["loss_history"][str(label)], losses, **CLOSE)


def test_numbers_that_are_large_are_shared_with_fewer_bits(fit: Fit, data: Case) -> None:
    large = replace(data, features=data.features * np.array([1, 1, 1e5, 1e5, 1]))
    params = {"learning_rate": 1e-13, "max_iter": 2}
    results = fit(large, params)
    weights, _ = train(large.module, large.features, answers(large), rate=1e-13, iterations=2)
    np.testing.assert_allclose(large.weights(results), weights, **CLOSE)


def test_a_training_ends_when_the_weights_hardly_change(fit: Fit, data: Case) -> None:
    results = fit(data, {"early_stop": "weight_diff", "tol": 0.02, "max_iter": 50, "learning_rate": 0.3})
    losses = results[GUEST].summary["loss_history"]
    weights, plain = train(data.module, data.features, answers(data), rate=0.3, iterations=len(losses))
    before, _ = train(data.module, data.features, answers(data), rate=0.3, iterations=len(losses) - 1)
    assert 1 < len(losses) < 50
    assert np.linalg.norm(weights - before) < 0.02 * max(np.linalg.norm(weights), 1)
    np.testing.assert_allclose(losses, plain, **CLOSE)
