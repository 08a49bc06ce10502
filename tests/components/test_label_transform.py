from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.label_transform.model import Encoder, encode, encode_detail
from fate_components.label_transform.spec import LABEL_TRANSFORM
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table


def rows(labels: list[Any]) -> Table:
    return make_table(range(len(labels)), {"x": [0.5] * len(labels)}, label=labels)


def exchange(
    guest: Party, table: Table, params: dict[str, Any] | None = None, model: Model | None = None
) -> PartyResult:
    inputs = Inputs(data={"data": [table]}, model=model)
    return Federation([guest]).run(LABEL_TRANSFORM, params, {guest: inputs})[guest]


def labels_of(table: Table) -> list[Any]:
    labels: list[Any] = table.data.column(table.label_column).to_pylist()
    return labels


@pytest.mark.parametrize(
    ("labels", "params", "expected"),
    [
        ([0, 1, 1], {"label_encoder": {"0": 1, "1": 0}}, [1, 0, 0]),
        ([0.0, 1.0, 1.0], {"label_encoder": {"0": 1, "1": 0}}, [1, 0, 0]),
        ([0, 1, 1], {"label_encoder": {"0": 1, "1": 0, "2": 3}}, [1, 0, 0]),
        ([0, 1, 2, 3], {"label_encoder": {"0": 1, "1": 0}}, [1, 0, 2, 3]),
        (["sick", "well"], {"label_encoder": {"sick": 1, "well": 0}, "label_list": ["sick", "well"]}, [1, 0]),
        ([1, -1], {"label_encoder": {"-1": "no", "1": "yes"}}, ["yes", "no"]),
        ([1, 2], {"label_encoder": {"1": 0.5, "2": 2}}, [0.5, 2.0]),
        ([7, -3, 7, 5], {}, [2, 0, 2, 1]),
        (["b", "a"], {}, [1, 0]),
        ([7, 5], {"label_list": [9, 5, 7]}, [1, 0]),
        ([1, None, 0], {"label_encoder": {"0": 1, "1": 0}}, [0, None, 1]),
    ],
)
def test_labels_are_exchanged(labels: list[Any], params: dict[str, Any], expected: list[Any], guest: Party) -> None:
    fitted = exchange(guest, rows(labels), params)
    assert labels_of(fitted.data) == expected
    assert fitted.data.feature_names == ("x",)
    again = exchange(guest, rows(labels), None, fitted.model)
    assert labels_of(again.data) == expected


def test_the_metric_names_the_exchange(guest: Party) -> None:
    result = exchange(guest, rows([0, 1]), {"label_encoder": {"0": 1, "1": 0}})
    meta = result.tracker.meta["train", "label_transform"]
    assert meta == {"metric_type": "LABEL_TRANSFORM", "label_encoder": {"0": 1, "1": 0}}


def predictions() -> Table:
    data = {
        "id": ["a", "b"], "label": [1, 0], "predict_result": [1, 1], "predict_score": [0.75, 0.5],
        "predict_detail": ['{"0": 0.25, "1": 0.75}', '{"0": 0.5, "1": 0.5}'], "type": ["train", "train"],
    }  # fmt: skip
    return Table(pa.table(data), "id", "label")


def test_predictions_get_the_labels_from_before_the_training(guest: Party) -> None:
    fitted = exchange(guest, rows(["sick", "well"]), {"label_encoder": {"sick": 0, "well": 1}})
    back = exchange(guest, predictions(), None, fitted.model).data
    assert back.data.to_pydict() == {
        "id": ["a", "b"], "label": ["well", "sick"], "predict_result": ["well", "well"], "predict_score": [0.75, 0.5],
        "predict_detail": ['{"sick": 0.25, "well": 0.75}', '{"sick": 0.5, "well": 0.5}'], "type": ["train", "train"],
    }  # fmt: skip
    assert back.label_column == "label"


def test_predictions_of_merged_labels_cannot_be_turned_back(guest: Party) -> None:
    fitted = exchange(guest, rows([0, 1, 2]), {"label_encoder": {"0": 0, "1": 1, "2": 1}})
    with pytest.raises(DataError, match="two labels the same new one"):
        exchange(guest, predictions(), None, fitted.model)


LABELS = st.sampled_from([0, 1, 2, -1, "a", "b"])


@given(pairs=st.dictionaries(LABELS, LABELS, max_size=6))
def test_labels_in_json_are_exchanged_at_once(pairs: dict[Any, Any]) -> None:
    detail = json.dumps({str(label): 0.125 for label in [0, 1, 2, -1, "a", "b"]})
    expected = "{" + ", ".join(f'"{pairs.get(label, label)}": 0.125' for label in [0, 1, 2, -1, "a", "b"]) + "}"
    assert encode_detail(Encoder(pairs), pa.array([detail])).to_pylist() == [expected]


@given(values=st.lists(st.none() | st.sampled_from([0, 1, 2, 3]), min_size=1))
def test_exchanging_twice_two_labels_gives_them_back(values: list[Any]) -> None:
    swap = Encoder({0: 1, 1: 0, 2: 2, 3: 3})
    assert encode(swap, encode(swap, pa.array(values, pa.int64()))).to_pylist() == values


def test_rows_without_a_label_pass(guest: Party) -> None:
    table = make_table(["a"], {"x": [1.0]})
    fitted = exchange(guest, table, {"label_encoder": {"0": 1}})
    assert fitted.data is table
    assert exchange(guest, table, None, fitted.model).data is table


def test_a_host_without_predictions_has_nothing_to_turn_back(guest: Party, host: Party) -> None:
    fitted = exchange(guest, rows([0, 1]), {})
    inputs = {guest: Inputs(data={"data": [predictions()]}, model=fitted.model), host: Inputs(model=fitted.model)}
    results = Federation([guest, host]).run(LABEL_TRANSFORM, {}, inputs)
    assert results[host].outputs.data == ()


@pytest.mark.parametrize(
    ("labels", "params", "text"),
    [
        ([1, 2, 3], {"label_list": [1, 2]}, "label_list does not name 1 of the 3 labels"),
        ([1, 2, 1], {"label_encoder": {"1": 2}}, "does not name 1 of the 2 labels of the rows, and gives other rows 1"),
        ([1, 2], {"label_encoder": {"a": 1}}, "does not name 2 of the 2 labels of the rows"),
        (list(range(1001)), {}, "1001 labels; 1000 are the most that can be classes"),
    ],
)
def test_labels_that_are_not_expected_are_refused(
    labels: list[Any], params: dict[str, Any], text: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=text):
        exchange(guest, rows(labels), params)


def test_a_model_refuses_labels_that_its_training_did_not_have(guest: Party) -> None:
    fitted = exchange(guest, rows([0, 1]), {})
    with pytest.raises(DataError, match="1 of the 3 labels of the rows have no other label"):
        exchange(guest, rows([0, 2, 1]), None, fitted.model)


def test_labels_of_the_encoder_that_no_row_has_are_told(guest: Party, caplog: pytest.LogCaptureFixture) -> None:
    exchange(guest, rows([0]), {"label_encoder": {"0": 1, "1": 0}})
    assert "label_encoder names 1 labels that no row has" in caplog.text


def test_a_list_that_is_not_the_encoder_s_is_refused(guest: Party) -> None:
    with pytest.raises(DslError, match="label_list and label_encoder name different labels: 2"):
        exchange(guest, rows([0]), {"label_encoder": {"0": 1, "1": 0}, "label_list": [0, 1, 2]})


def test_a_model_of_another_component_is_refused(guest: Party) -> None:
    scaled = Federation([guest]).run("FeatureScale", inputs={guest: rows([0, 1])})[guest]
    with pytest.raises(ModelError, match="LabelTransform cannot apply a model of FeatureScale"):
        exchange(guest, rows([0]), None, scaled.model)
