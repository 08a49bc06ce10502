"""HomoLR is training on the pooled rows, and says no more of them than sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score
from tests.homo.homo_parties import ARBITER, GUEST, HOSTS, Pool, kept_models, losing_run, pool
from tests.linear.plain import train

from fate_components.homo_lr.component import HomoLR
from fate_components.homo_lr.spec import HomoLRParams
from fate_components.linear.model import linear_part
from fate_components.secure_aggregation.messages import Masked
from fate_federated.errors import ConfigError, DataError, DslError, FateFederatedError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Kind, decode

BASE: dict[str, Any] = {
    "init_param": {"init_method": "zeros"}, "learning_rate": 0.1, "alpha": 0.1, "optimizer": "sgd", "max_iter": 4,
    "tol": 0,
}  # fmt: skip


def weights(result: PartyResult) -> np.ndarray:
    """Weights and intercepts, shape (features + 1, models)."""
    assert result.model is not None
    part = linear_part(result.model, "HomoLR")
    return np.vstack([part.weights, part.intercepts])


def pooled(rows: Pool, label: np.ndarray, **params: Any) -> tuple[np.ndarray, list[float]]:
    return train("HomoLR", rows.features, label, weight=rows.weight, **params)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adagrad", "nesterov_momentum_sgd", "sqn"])
@pytest.mark.parametrize("penalty", ["L2", "L1", None])
def test_it_is_training_on_the_pooled_rows(optimizer: str, penalty: str | None) -> None:
    rows = pool([40, 25, 60])
    sqn = {"update_interval_L": 2, "memory_M": 3}
    params = {**BASE, "optimizer": optimizer, "penalty": penalty, "max_iter": 9, "sqn_param": sqn}
    results = rows.run("HomoLR", params)
    label = np.where(rows.label == 1, 1.0, -1.0)
    expected, losses = pooled(rows, label, optimizer=optimizer, penalty=penalty, iterations=9)
    for party in rows.parties:
        np.testing.assert_allclose(weights(results[party])[:, 0], expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(results[party].summary["loss_history"], losses, rtol=0, atol=1e-9)
        assert results[party].summary["coef"].keys() == {"x0", "x1", "x2", "x3"}
        assert results[party].tracker.meta["train", "loss"]["unit_name"] == "aggregate_round"
    assert [loss for _, loss in results[ARBITER].metrics["train", "loss"]] == results[GUEST].summary["loss_history"]


def test_rows_count_by_their_weights() -> None:
    rows = pool([40, 25], weighted=True)
    results = rows.run("HomoLR", BASE)
    expected, losses = pooled(rows, np.where(rows.label == 1, 1.0, -1.0))
    np.testing.assert_allclose(weights(results[GUEST])[:, 0], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, rtol=0, atol=1e-9)


def test_several_classes_are_each_trained_against_the_rest() -> None:
    rows = pool([60, 30, 40], classes=3)
    # The guest has no row of class 2.
    order = np.argsort(rows.label, kind="stable")
    rows = replace(rows, features=rows.features[order], label=rows.label[order])
    results = rows.run("HomoLR", BASE)
    for party in rows.parties:
        for place, one in enumerate((0, 1, 2)):
            expected, losses = pooled(rows, np.where(rows.label == one, 1.0, -1.0))
            np.testing.assert_allclose(weights(results[party])[:, place], expected, rtol=0, atol=1e-9)
            np.testing.assert_allclose(results[party].summary["loss_history"][str(one)], losses, rtol=0, atol=1e-9)
    model = results[HOSTS[0]].model
    assert model is not None
    assert isinstance(model.param, pb.LRModelParam)
    assert list(model.param.classes) == [0, 1, 2]


@pytest.mark.parametrize("mu", [None, 0.5])
@pytest.mark.parametrize("aggregate_iters", [1, 3])
def test_batches_are_averaged_as_in_fedavg_and_fedprox(mu: float | None, aggregate_iters: int) -> None:
    rows, size, alpha, rate = pool([40, 25]), 16, 0.1, 0.1
    label = np.where(rows.label == 1, 1.0, -1.0)
    results = rows.run("HomoLR", {
        **BASE, "batch_size": size, "shuffle": False, "aggregate_iters": aggregate_iters, "max_iter": 4,
        "use_proximal": mu is not None, "mu": mu or 0.0,
    })  # fmt: skip
    X = np.column_stack([rows.features, np.ones(len(label))])
    shrinks = np.append(np.ones(X.shape[1] - 1), 0.0)
    common, losses = np.zeros(X.shape[1]), []
    for first in range(0, 4, aggregate_iters):
        losses.append(np.mean(np.log1p(np.exp(-label * (X @ common)))) + alpha / 2 * (common[:-1] ** 2).sum())
        total = np.zeros_like(common)
        for party in rows.parties:
            mine, w = rows.rows(party), common
            for t in range(first, min(first + aggregate_iters, 4)):
                for start in range(0, len(mine), size):
                    b = mine[start : start + size]
                    g = X[b].T @ (-label[b] / (1 + np.exp(label[b] * (X[b] @ w)))) / len(b)
                    w = w - rate / np.sqrt(1 + t) * (g + alpha * shrinks * w + (mu or 0.0) * (w - common))
            total = total + w * len(mine)
        common = total / len(label)
    np.testing.assert_allclose(weights(results[GUEST])[:, 0], common, rtol=0, atol=1e-12)
    np.testing.assert_allclose(results[GUEST].summary["loss_history"], losses, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(weights(results[HOSTS[0]]), weights(results[GUEST]))


def test_random_batches_and_shuffles_learn_too() -> None:
    rows = pool([200, 150])
    sqn = {"optimizer": "sqn", "learning_rate": 0.3, "sqn_param": {"sample_size": 100}}
    for params in ({"batch_strategy": "random"}, {"shuffle": True}, sqn):
        results = rows.run(
            "HomoLR", {**BASE, "batch_size": 32, "max_iter": 20, "alpha": 0.001, "learning_rate": 1.0, **params}
        )
        losses = results[GUEST].summary["loss_history"]
        assert losses[-1] < 0.75 * losses[0]


def test_each_fold_is_trained_on_the_other_rows() -> None:
    rows = pool([40, 25])
    results = rows.run("HomoLR", {**BASE, "cv_param": {"need_cv": True, "n_splits": 3, "random_seed": 5}})
    present = np.ones((65, 3), dtype=bool)
    for party in rows.parties:
        mine = rows.rows(party)
        order = np.random.default_rng(5).permutation(len(mine))
        for fold, part in enumerate(np.array_split(order, 3)):
            present[mine[part], fold] = False
    for fold in range(3):
        _, losses = pooled(rows, np.where(rows.label == 1, 1.0, -1.0), present=present[:, fold])
        for party in rows.parties:
            found = results[party].summary[f"fold_{fold}"]
            np.testing.assert_allclose(found["loss_history"][0], losses, rtol=0, atol=1e-9)
            assert set(found["validate"]) >= {"auc", "ks"}
    history = results[HOSTS[0]].data.data
    assert history.num_rows == 3 * 25
    assert set(history.column("fold").to_pylist()) == {0, 1, 2}
    assert results[GUEST].model is None


def test_a_training_goes_on_from_a_model() -> None:
    rows = pool([40, 25])
    first = rows.run("HomoLR", {**BASE, "max_iter": 2, "decay": 0})
    models = {party: first[party].model for party in rows.parties}
    assert all(models.values())
    results = rows.run("HomoLR", {**BASE, "max_iter": 3, "decay": 0}, rows.inputs(models))  # type: ignore[arg-type]
    whole = rows.run("HomoLR", {**BASE, "max_iter": 5, "decay": 0})
    np.testing.assert_allclose(weights(results[GUEST]), weights(whole[GUEST]), rtol=0, atol=1e-12)


def test_each_party_predicts_its_own_rows() -> None:
    rows = pool([40, 25])
    trained = rows.run("HomoLR", BASE)
    messages: list[Message] = []
    other = pool([7, 9], seed=1)
    inputs = {
        party: Inputs(data={"test_data": [other.table(party)]}, model=trained[party].model) for party in rows.parties
    }
    results = other.run("HomoLR", BASE, inputs, record=messages.append)
    assert {message.kind for message in messages} == {Kind.PARAMETERS}
    for party in rows.parties:
        mine = other.rows(party)
        score = np.column_stack([other.features[mine], np.ones(len(mine))]) @ weights(trained[party])[:, 0]
        found = results[party].data.data
        np.testing.assert_allclose(found.column("predict_score").to_numpy(), 1 / (1 + np.exp(-score)), rtol=1e-12)
        assert set(found.column("type").to_pylist()) == {"predict"}


def test_validation_stops_the_training_and_keeps_the_best_weights() -> None:
    rows = pool([60, 40])
    validate = rows.table(GUEST, np.arange(100))
    wrong = make_table(
        range(100), {f"x{column}": rows.features[:, column] for column in range(4)}, 1 - rows.label
    )  # a guest whose validation gets worse with each step
    callbacks = {"callbacks": ["EarlyStopping", "ModelCheckpoint"], "early_stopping_rounds": 3, "save_freq": 2}
    inputs = rows.inputs(validate=validate)
    inputs[GUEST] = Inputs(data={"train_data": [rows.table(GUEST)], "validate_data": [wrong]})
    params = {**BASE, "max_iter": 30, "callback_param": callbacks, "metrics": ["auc"]}
    results = rows.run("HomoLR", params, inputs)
    for party in rows.parties:
        model = results[party].model
        assert model is not None
        assert isinstance(model.param, pb.LRModelParam)
        assert model.param.iters < 30
        assert model.param.best_iteration >= 0
        assert [one.step_index for one in model.param.checkpoints] == list(range(1, model.param.iters, 2))
        assert len(results[party].summary["validation_metrics"]["validate"]["auc"]) == model.param.iters
    np.testing.assert_array_equal(weights(results[GUEST]), weights(results[HOSTS[0]]))


def test_without_validation_data_the_last_weights_are_kept() -> None:
    rows = pool([60, 40])
    stopping = {"early_stopping_rounds": 2, "validation_freqs": 3}
    results, expected = (rows.run("HomoLR", {**BASE, **params}) for params in (stopping, {}))
    for party in rows.parties:
        np.testing.assert_array_equal(weights(results[party]), weights(expected[party]))
        assert results[party].summary["best_iteration"] == -1


def test_checkpoints_are_kept_by_themselves() -> None:
    rows = pool([60, 40])
    callbacks = {"callbacks": ["ModelCheckpoint"], "save_freq": 2}
    kept = kept_models(rows, lambda: HomoLR(HomoLRParams(**BASE, callback_param=callbacks)))
    for party in rows.parties:
        assert [step for step, _ in kept[party]] == [1, 3]
        for step, model in kept[party]:
            expected = rows.run("HomoLR", {**BASE, "max_iter": step + 1})[party]
            part = linear_part(model, "HomoLR")
            np.testing.assert_array_equal(np.vstack([part.weights, part.intercepts]), weights(expected))


@pytest.mark.parametrize("early_stop", ["diff", "weight_diff", "abs"])
def test_it_ends_at_all_parties_when_it_has_converged(early_stop: str) -> None:
    rows = pool([40, 25])
    tol = {"diff": 1e-3, "weight_diff": 0.02, "abs": 0.65}[early_stop]
    results = rows.run("HomoLR", {**BASE, "max_iter": 100, "early_stop": early_stop, "tol": tol})
    iterations = {len(results[party].summary["loss_history"]) for party in rows.parties}
    assert len(iterations) == 1
    assert 1 < iterations.pop() < 100
    assert all(results[party].summary["is_converged"] for party in rows.parties)


def test_there_may_be_several_guests() -> None:
    rows, second = pool([40, 25]), Party.parse("guest-9998")
    inputs = {GUEST: rows.table(GUEST), second: rows.table(HOSTS[0])}
    federation = Federation([GUEST, second, ARBITER], seed=3, deadline_seconds=60)
    results = federation.run("HomoLR", BASE, inputs)
    expected, _ = pooled(rows, np.where(rows.label == 1, 1.0, -1.0))
    for party in inputs:
        np.testing.assert_allclose(weights(results[party])[:, 0], expected, rtol=0, atol=1e-9)


def test_columns_may_stand_in_another_order() -> None:
    rows = pool([40, 25])
    inputs = rows.inputs()
    host = HOSTS[0]
    inputs[host] = Inputs(data={"train_data": [rows.table(host, columns=[2, 0, 3, 1])]})
    np.testing.assert_array_equal(
        weights(rows.run("HomoLR", BASE, inputs)[host]), weights(rows.run("HomoLR", BASE)[GUEST])
    )


def test_what_the_arbiter_receives_is_masked_and_little_else() -> None:
    rows = pool([40, 25, 60], columns=100, classes=3)
    messages: list[Message] = []
    rows.run("HomoLR", BASE, record=messages.append)
    of_arbiter = [message for message in messages if message.receiver == ARBITER]
    assert {message.tag.partition(".")[0] for message in of_arbiter} == {
        "trains", "values", "aggregation_keys", "aggregation_masked", "aggregation_opened", "round",
    }  # fmt: skip
    for party in rows.parties:
        words = [
            Masked.from_wire(decode(message.structure, message.body)).words.ravel()
            for message in of_arbiter
            if message.sender == party and "masked" in message.tag
        ]
        joined = np.concatenate(words)
        assert len(joined) > 2000
        assert len(np.unique(joined)) == len(joined)
        assert kstest(joined / 2.0**64, "uniform").pvalue > 1e-6
        low = (joined & np.uint64(0xFFFF)) / 2.0**16
        assert kstest(low, "uniform").pvalue > 1e-6
        # What the first rounds have in common with later ones, if anything, is not seen.
        assert abs(np.corrcoef(words[1] / 2.0**64, words[2] / 2.0**64)[0, 1]) < 0.2


def test_hosts_and_guest_exchange_no_numbers_of_their_rows() -> None:
    rows = pool([40, 25, 60])
    messages: list[Message] = []
    rows.run("HomoLR", BASE, record=messages.append)
    between = {
        message.tag.partition(".")[0] for message in messages if ARBITER not in (message.sender, message.receiver)
    }
    assert between == {"agreement", "aggregation_keys", "aggregation_shares", "start", "round"}


@pytest.mark.parametrize(("lost", "since"), [("aggregation_masked", 3), ("aggregation_opened", 4)])
def test_training_goes_on_without_a_host_that_falls_silent(
    lost: str, since: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HomoLR, "grace_seconds", 1.5)
    rows, silent = pool([40, 25, 60]), HOSTS[1]
    outcomes = losing_run(rows, lambda: HomoLR(HomoLRParams(**BASE)), lost, since, silent)
    label = np.where(rows.label == 1, 1.0, -1.0)
    w = np.zeros(5)
    X = np.column_stack([rows.features, np.ones(125)])
    for number in range(1, 5):
        there = np.arange(125 if number < since or lost == "aggregation_opened" else 65)
        g = X[there].T @ (-label[there] / (1 + np.exp(label[there] * (X[there] @ w)))) / len(there)
        w = w - 0.1 / np.sqrt(number) * (g + 0.1 * np.append(w[:-1], 0))
    for party in rows.parties:
        found = outcomes[party]
        assert isinstance(found, Outputs), found
        assert found.model is not None
        part = linear_part(found.model, "HomoLR")
        np.testing.assert_allclose(np.append(part.weights[:, 0], part.intercepts), w, rtol=0, atol=1e-9)


def failure(rows: Pool, params: dict[str, Any], inputs: Any = None) -> dict[Party, Any]:
    outcomes = rows.outcomes("HomoLR", {**BASE, **params}, inputs)
    assert all(isinstance(outcome, FateFederatedError) for outcome in outcomes.values()), outcomes
    return outcomes


def test_a_host_without_a_label_is_told_so() -> None:
    rows, host = pool([40, 25]), HOSTS[0]
    bare = make_table(range(25), {f"x{column}": rows.features[40:, column] for column in range(4)})
    outcomes = failure(rows, {}, {GUEST: rows.table(GUEST), host: bare})
    assert isinstance(outcomes[host], DataError)
    assert "label" in str(outcomes[host])


def test_parties_with_other_columns_are_told_so() -> None:
    rows, host = pool([40, 25]), HOSTS[0]
    outcomes = failure(rows, {}, {GUEST: rows.table(GUEST), host: rows.table(host, columns=[0, 1, 2])})
    assert "the same features" in str(outcomes[host])
    assert "'x3'" in str(outcomes[host])


def test_one_class_at_all_parties_is_refused() -> None:
    rows = replace(pool([40, 25]), label=np.ones(65, np.int64))
    assert any("2 to 1000 classes" in str(outcome) for outcome in failure(rows, {}).values())


def test_missing_values_are_refused() -> None:
    rows = pool([40, 25])
    rows.features[50, 2] = np.nan
    outcomes = failure(rows, {})
    assert "x2" in str(outcomes[HOSTS[0]])


def test_a_rate_that_diverges_is_said_so() -> None:
    rows = pool([40, 25])
    rows.features[:] *= 1e4
    outcomes = failure(rows, {"learning_rate": 1e6, "alpha": 100.0, "max_iter": 50})
    assert any(isinstance(outcome, ModelError) and "learning_rate" in str(outcome) for outcome in outcomes.values())


def test_a_guest_without_hosts_cannot_train_but_predict() -> None:
    rows = pool([40])
    outcomes = failure(rows, {})
    assert isinstance(outcomes[GUEST], ConfigError)
    model = pool([40, 25]).run("HomoLR", BASE)[GUEST].model
    results = rows.run("HomoLR", BASE, {GUEST: Inputs(data={"data": [rows.table(GUEST)]}, model=model)})
    assert len(results[GUEST].data) == 40


@pytest.mark.parametrize("party", [HOSTS[0], ARBITER])
@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.2), ("use_proximal", True), ("mu", 5.0)])
def test_parties_with_other_parameters_are_told_so(party: Party, name: str, value: object) -> None:
    rows = pool([40, 25])
    federation = Federation([*rows.parties, ARBITER], deadline_seconds=60)
    outcomes = federation.outcomes("HomoLR", BASE, rows.inputs(), party_params={party: {name: value}})
    assert isinstance(outcomes[party], ConfigError)
    assert f"guest-9999 and {party} have other values of {name} for" in str(outcomes[party])


def test_training_at_one_party_only_is_refused() -> None:
    rows, host = pool([40, 25]), HOSTS[0]
    trained = rows.run("HomoLR", BASE)
    inputs = rows.inputs()
    inputs[host] = Inputs(data={"test_data": [rows.table(host)]}, model=trained[host].model)
    outcomes = failure(rows, {}, inputs)
    assert "do not both have training data" in str(outcomes[host])


def test_stepwise_choice_is_refused() -> None:
    with pytest.raises(DslError, match="not available for HomoLR"):
        pool([40, 25]).run("HomoLR", {"stepwise_param": {"need_stepwise": True}})


def test_it_ranks_rows_well() -> None:
    rows = pool([400, 300], columns=10)
    results = rows.run("HomoLR", {**BASE, "max_iter": 30, "alpha": 0.001, "optimizer": "rmsprop"})
    data = results[GUEST].data.data
    assert roc_auc_score(data.column("label").to_numpy(), data.column("predict_score").to_numpy()) > 0.97


def test_a_training_that_diverges_says_in_which_iteration() -> None:
    rows = pool([40, 25])
    outcomes = rows.outcomes("HomoLR", {**BASE, "learning_rate": 30, "alpha": 1, "decay": 0, "max_iter": 60})
    found = [str(outcome) for outcome in outcomes.values() if isinstance(outcome, ModelError)]
    assert found
    assert all("In iteration 6 the weights" in text for text in found), found
    results = rows.run("HomoLR", {**BASE, "learning_rate": 30, "alpha": 1, "decay": 0, "max_iter": 5})
    losses = results[GUEST].summary["loss_history"]
    first = next(at for at, loss in enumerate(losses) if loss > 1000 * losses[0])
    for party in rows.parties:
        assert results[party].metrics["train", "divergence"] == [(first, pytest.approx(losses[first]))]
