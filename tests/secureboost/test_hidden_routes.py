"""Prediction that does not tell the guest which way rows go at the hosts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, learn, predict, some_rows, split_tables

from fate_components.secureboost import hidden_routes
from fate_federated.errors import FateFederatedError, ModelError
from fate_federated.federation import Federation
from fate_federated.task.component import Inputs
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Ciphertexts, decode

ONE = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}
TWO = {GUEST: [0, 1], HOSTS[0]: [2, 3], HOSTS[1]: [4]}
HIDDEN: dict[str, Any] = {"EINI_inference": True}


def classes_of(number: Any, classes: int) -> Any:
    return np.digitize(number, np.quantile(number, np.arange(1, classes) / classes))


def numbers(results: Any, column: str = "predict_score") -> Any:
    return results[GUEST].data.data.column(column).to_numpy()


@pytest.mark.parametrize("owned", [ONE, TWO])
@pytest.mark.parametrize(
    ("params", "classes"),
    [(REGRESSION, 0), ({}, 2), ({}, 3), ({"multi_mode": "multi_output"}, 14)],
)
def test_scores_are_those_of_a_plain_prediction(
    params: dict[str, Any], classes: int, owned: dict[Any, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden_routes, "CIPHERTEXTS", 200)
    features, number = some_rows(60, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    label = classes_of(number, classes) if classes else number
    params = {**params, "use_missing": True}
    tables = split_tables(features, label, owned)
    results = learn(params, tables)
    plain, hidden = predict(params, tables, results), predict(params | HIDDEN, tables, results)
    assert np.allclose(numbers(plain), numbers(hidden), rtol=0, atol=1e-12)
    assert np.allclose(numbers(plain, "predict_result"), numbers(hidden, "predict_result"), rtol=0, atol=1e-12)


def test_what_hosts_send_is_encrypted_and_new_every_time() -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, TWO)
    results = learn(REGRESSION, tables)
    messages: list[Message] = []
    predict(REGRESSION | HIDDEN, tables, results, record=messages.append)
    sent = {(m.sender, m.receiver, m.tag): decode(m.structure, m.body) for m in messages if m.sender != GUEST}
    assert set(sent) == {(HOSTS[0], HOSTS[1], "weights.0"), (HOSTS[1], GUEST, "scores.0")}
    assert all(isinstance(value, Ciphertexts) for value in sent.values())
    (weights,) = [decode(m.structure, m.body) for m in messages if m.sender == GUEST and m.tag == "weights.0"]
    handed_on = sent[HOSTS[0], HOSTS[1], "weights.0"]
    assert weights.shape == handed_on.shape
    pieces = [
        some.data[at : at + some.width_bytes]
        for some in (weights, handed_on) for at in range(0, len(some.data), some.width_bytes)
    ]  # fmt: skip
    assert len(set(pieces)) == len(pieces)


def test_a_mask_keeps_the_order_and_the_sign() -> None:
    features, number = some_rows(60, 5)
    tables = split_tables(features, (number > 0).astype(int), ONE)
    results = learn({}, tables)
    plain = predict({}, tables, results)
    masked = predict(HIDDEN | {"EINI_random_mask": True}, tables, results)
    logit, of_masked = (np.log(p / (1 - p)) for p in (numbers(plain), numbers(masked)))
    factor = of_masked / logit
    assert np.allclose(factor, factor[0])
    assert 0 < factor[0] <= 1
    assert numbers(plain, "predict_result").tolist() == numbers(masked, "predict_result").tolist()


@pytest.mark.parametrize(
    ("params", "ours"),
    [({"EINI_complexity_check": True}, "complexity"), ({}, "belong")],
)
def test_a_simple_model_or_another_one_is_refused_at_all_parties(params: dict[str, Any], ours: str) -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, ONE)
    model = learn(REGRESSION, tables)
    other = model if params else learn(REGRESSION | {"num_trees": 1}, tables)
    inputs = {
        party: Inputs(data={"test_data": [table]}, model=(model if party == GUEST else other)[party].model)
        for party, table in tables.items()
    }
    outcomes = Federation(tuple(tables), seed=0, deadline_seconds=20).outcomes(
        "HeteroSecureBoost", OURS | REGRESSION | HIDDEN | params, inputs
    )
    assert isinstance(outcomes[HOSTS[0]], ModelError)
    assert ours in str(outcomes[HOSTS[0]])
    assert isinstance(outcomes[GUEST], FateFederatedError)


def test_a_model_with_enough_ways_passes_the_check() -> None:
    features, number = some_rows(60, 5)
    tables = split_tables(features, number, ONE)
    params = REGRESSION | {"num_trees": 45, "tree_param": {"max_depth": 2}, "bin_num": 4}
    results = learn(params, tables)
    hidden = predict(params | HIDDEN | {"EINI_complexity_check": True}, tables, results)
    assert np.allclose(numbers(hidden), numbers(predict(params, tables, results)), rtol=0, atol=1e-12)
