"""What a trained model says of rows, and in which form."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from split_data import ARBITER, FAST, GUEST, HOSTS, Floats, Split

from fate_components.hetero_lr.model import probability
from fate_components.linear.model import linear_part
from fate_components.linear.prediction import classified
from fate_federated.errors import DataError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model

Trained = dict[Party, PartyResult]


@pytest.fixture(scope="module")
def trained(data: Split) -> Trained:
    return data.fit({"optimizer": "sgd", "learning_rate": 0.5, "alpha": 0.01})


def predict(
    data: Split, trained: Trained, rows: slice = slice(None), host_rows: slice | None = None, port: str = "test_data"
) -> Trained:
    taken = {GUEST: rows, HOSTS[0]: rows if host_rows is None else host_rows}
    inputs = {
        party: Inputs(data={port: [data.table(party, taken[party])]}, model=trained[party].model)
        for party in data.columns
    }
    return Federation(data.parties, seed=0).run("HeteroLR", FAST, inputs)


def expected_probability(data: Split, trained: Trained) -> Floats:
    weights = data.weights(trained)
    return 1 / (1 + np.exp(-(data.features @ weights[:-1] + weights[-1])))


def test_training_rows_are_predicted_in_fates_columns(data: Split, trained: Trained) -> None:
    table = trained[GUEST].data
    assert table.data.column_names == ["id", "label", "predict_result", "predict_score", "predict_detail", "type"]
    assert table.label_column == "label"
    columns = table.data.to_pydict()
    chance = expected_probability(data, trained)
    np.testing.assert_allclose(columns["predict_score"], chance, rtol=1e-12)
    assert columns["label"] == data.label.tolist()
    assert columns["predict_result"] == (chance > 0.5).astype(int).tolist()
    assert set(columns["type"]) == {"train"}
    for detail, score in zip(columns["predict_detail"], columns["predict_score"], strict=True):
        assert json.loads(detail) == {"0": 1 - score, "1": score}


def test_hosts_and_arbiter_hand_on_no_rows(trained: Trained) -> None:
    assert trained[HOSTS[0]].outputs.data == ()
    assert trained[ARBITER].outputs.data == ()
    assert trained[ARBITER].model is None


@pytest.mark.parametrize("port", ["test_data", "eval_data", "data"])
def test_a_model_predicts_other_rows(data: Split, trained: Trained, port: str) -> None:
    result = predict(data, trained, slice(5, 25), port=port)[GUEST].data.data.to_pydict()
    np.testing.assert_allclose(result["predict_score"], expected_probability(data, trained)[5:25], rtol=1e-12)
    assert result["id"] == [str(row) for row in range(5, 25)]
    assert set(result["type"]) == {"predict"}


def test_validation_rows_follow_the_training_rows(data: Split) -> None:
    inputs = {
        party: Inputs(data={
            "train_data": [data.table(party, slice(0, 30))], "validate_data": [data.table(party, slice(30, 50))],
        })
        for party in data.columns
    }  # fmt: skip
    results = Federation(data.parties, seed=0).run("HeteroLR", FAST, inputs)
    columns = results[GUEST].data.data.to_pydict()
    assert columns["type"] == ["train"] * 30 + ["validate"] * 20
    np.testing.assert_allclose(columns["predict_score"], expected_probability(data, results), rtol=1e-12)


def test_a_model_says_what_was_learnt_and_how(data: Split, trained: Trained) -> None:
    guest, host = trained[GUEST].model, trained[HOSTS[0]].model
    assert guest is not None
    assert host is not None
    assert isinstance(guest.param, pb.LRModelParam)
    assert guest.param.iters == 4
    assert list(guest.param.header) == ["x0", "x1"]
    assert list(guest.param.loss_history) == trained[GUEST].summary["loss_history"]
    assert dict(guest.param.weight) == trained[GUEST].summary["coef"]
    assert guest.param.intercept == trained[GUEST].summary["intercept"] != 0
    assert isinstance(guest.meta, pb.LRModelMeta)
    assert (guest.meta.optimizer, guest.meta.penalty, guest.meta.fit_intercept) == ("sgd", "L2", True)
    assert isinstance(host.param, pb.LRModelParam)
    assert (host.param.intercept, list(host.param.loss_history), list(host.param.classes)) == (0, [], [])
    assert trained[GUEST].summary["one_vs_rest"] is False


def test_the_field_numbers_are_those_that_fate_serving_reads() -> None:
    numbers = {field.name: field.number for field in pb.LRModelParam.DESCRIPTOR.fields}
    assert numbers == {
        "iters": 1, "loss_history": 2, "is_converged": 3, "weight": 4, "intercept": 5, "header": 6,
        "one_vs_rest_result": 7, "need_one_vs_rest": 8, "best_iteration": 9, "classes": 15, "checkpoints": 16,
        "stepwise": 17, "encrypted_weight": 18, "encrypted_weight_key": 19,
    }  # fmt: skip


def test_columns_are_found_by_name(data: Split, trained: Trained) -> None:
    turned = Split(data.features, data.label, data.columns)
    table = turned.table(HOSTS[0])
    shuffled = replace(table, data=table.data.select(["x4", "id", "x2", "x3"]))
    inputs = {
        GUEST: Inputs(data={"test_data": [turned.table(GUEST)]}, model=trained[GUEST].model),
        HOSTS[0]: Inputs(data={"test_data": [shuffled]}, model=trained[HOSTS[0]].model),
    }
    result = Federation(data.parties).run("HeteroLR", FAST, inputs)
    score = result[GUEST].data.data.column("predict_score").to_numpy()
    np.testing.assert_allclose(score, expected_probability(data, trained), rtol=1e-12)
    inputs[HOSTS[0]] = replace(inputs[HOSTS[0]], data={"test_data": [replace(table, data=table.data.drop("x3"))]})
    with pytest.raises(ModelError, match="lacks: x3"):
        Federation(data.parties).run("HeteroLR", FAST, inputs)


def test_different_row_counts_are_refused(data: Split, trained: Trained) -> None:
    with pytest.raises(DataError, match="host-10000 predicts 9 rows where the guest has 10"):
        predict(data, trained, slice(0, 10), slice(0, 9))


def test_one_party_trains_and_the_other_predicts_is_refused(data: Split, trained: Trained) -> None:
    inputs = {
        GUEST: Inputs(data={"train_data": [data.table(GUEST)]}),
        HOSTS[0]: Inputs(data={"test_data": [data.table(HOSTS[0])]}, model=trained[HOSTS[0]].model),
    }
    with pytest.raises(DataError, match="do not both have training data"):
        Federation(data.parties).run("HeteroLR", FAST, inputs)


def test_without_model_and_training_data_there_is_nothing_to_do(data: Split) -> None:
    inputs = {party: Inputs(data={"test_data": [data.table(party)]}) for party in data.columns}
    with pytest.raises(ModelError, match="neither training data nor a model"):
        Federation(data.parties).run("HeteroLR", FAST, inputs)
    with pytest.raises(DataError, match="no input data"):
        Federation(data.parties).run("HeteroLR", FAST, {})


def test_a_model_of_something_else_is_refused(data: Split, trained: Trained) -> None:
    with pytest.raises(ModelError, match="a model of FeatureScale"):
        linear_part(Model("FeatureScale", pb.LRModelMeta(), pb.LRModelMeta()), "HeteroLR")


@given(st.floats(allow_nan=False))
def test_a_probability_never_overflows(score: float) -> None:
    chance = probability(np.array([score, -score]))
    assert (chance >= 0).all()
    assert chance.sum() == pytest.approx(1)


def test_labels_other_than_0_and_1_keep_their_names() -> None:
    table = make_table(["a", "b"], {"x": [1.0, 2.0]}, np.array([-1, 1]))
    result = classified(
        table, probability(np.array([[-3.0], [0.25]])), np.array([-1.0, 1.0]), 0.5, "train"
    ).data.to_pydict()
    assert result["label"] == result["predict_result"] == [-1, 1]
    assert json.loads(result["predict_detail"][0]).keys() == {"-1", "1"}


def test_rows_without_a_label_get_none() -> None:
    table = make_table(["a"], {"x": [1.0]})
    result = classified(table, np.array([[0.5]]), np.array([0.0, 1.0]), 0.4, "predict")
    assert result.label_column is None
    assert result.data.column("label").type == pa.int64()
    assert result.data.to_pydict()["label"] == [None]
    assert result.data.to_pydict()["predict_result"] == [1]
