from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from fate_components.sample_weight.spec import SAMPLE_WEIGHT
from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import sample_weight_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

LABEL = np.array([0, 0, 0, 1, 1, 2])


@pytest.fixture
def table() -> Table:
    return make_table(range(6), {"w": [1.0, 2.0, 0.0, 4.0, 5.0, 6.0], "x": np.arange(6.0)}, label=LABEL)


def run(party: Party, table: Table, model: Model | None = None, **params: Any) -> PartyResult:
    return Federation([party]).run(SAMPLE_WEIGHT, params, {party: Inputs({"data": [table]}, model=model)})[party]


def test_balanced_weights_are_scikit_learns(guest: Party, table: Table) -> None:
    result = run(guest, table, class_weight="balanced")
    np.testing.assert_allclose(result.data.weight, compute_sample_weight("balanced", LABEL))
    assert result.data.feature_names == ("w", "x")
    np.testing.assert_array_equal(result.data.features, table.features)
    meta = result.tracker.meta["train", "sample_weight"]
    assert meta["metric_type"] == "SAMPLE_WEIGHT"
    assert meta["weight_mode"] == "class weight"
    assert meta["class_weight"] == pytest.approx({"0": 6 / 9, "1": 1.0, "2": 2.0})


def test_labels_have_the_weights_of_the_conf_and_others_count_1(guest: Party, table: Table) -> None:
    result = run(guest, table, class_weight={"0": 0.5, "1": 3})
    np.testing.assert_array_equal(result.data.weight, [0.5, 0.5, 0.5, 3, 3, 1])


@pytest.mark.parametrize(("normalize", "factor"), [(False, 1.0), (True, 1 / 3)])
def test_a_feature_becomes_the_weight(normalize: bool, factor: float, guest: Party, table: Table) -> None:
    result = run(guest, table, sample_weight_name="w", normalize=normalize, class_weight="balanced")
    np.testing.assert_allclose(result.data.weight, table.features[:, 0] * factor)
    assert result.data.feature_names == ("x",)
    assert result.summary["weight_mode"] == "sample weight name"
    np.testing.assert_array_equal(result.data.label, LABEL)


def test_weights_go_with_their_rows_and_their_table_to_disk(guest: Party, table: Table) -> None:
    weighted = run(guest, table, sample_weight_name="w").data
    again = Table.from_arrow(weighted.to_arrow())
    np.testing.assert_array_equal(again.weight, weighted.weight)
    assert again.feature_names == ("x",)
    np.testing.assert_array_equal(weighted.take(np.array([3, 0])).weight, [4.0, 1.0])
    np.testing.assert_array_equal(weighted.with_features(weighted.features * 2).weight, weighted.weight)
    twice = run(guest, weighted, class_weight={"1": 9}).data
    np.testing.assert_array_equal(twice.weight, [1, 1, 1, 9, 9, 1])
    assert twice.data.column_names == ["id", "y", "x", "fate.weight"]


def test_a_model_weighs_new_rows_as_it_learnt(guest: Party, table: Table) -> None:
    by_label, by_column = (
        run(guest, table, class_weight="balanced").model,
        run(guest, table, sample_weight_name="w").model,
    )
    new = make_table(["a", "b"], {"x": [1.0, 2.0], "w": [7.0, 8.0]}, label=[2, 0])
    np.testing.assert_allclose(run(guest, new, by_label).data.weight, [2.0, 6 / 9])
    np.testing.assert_allclose(run(guest, new, by_column).data.weight, [7.0, 8.0])
    bare = make_table(["a"], {"x": [1.0]})
    for model in (by_label, by_column):
        assert run(guest, bare, model).data == bare
    assert by_label is not None
    assert isinstance(by_label.param, pb.SampleWeightModelParam)
    assert dict(by_label.param.class_weight) == pytest.approx({"0": 6 / 9, "1": 1.0, "2": 2.0})


def test_nothing_asked_and_hosts_without_labels_leave_rows_as_they_are(guest: Party, host: Party, table: Table) -> None:
    assert run(guest, table).data is table
    unlabelled = make_table(["a"], {"x": [1.0]})
    assert run(host, unlabelled, class_weight="balanced").data is unlabelled
    with pytest.raises(DataError, match="class_weight needs labels, and the table of guest-9999 has none"):
        run(guest, unlabelled, class_weight="balanced")


def test_what_is_no_weight_is_refused(guest: Party, table: Table) -> None:
    with pytest.raises(DataError, match="sample_weight_name names z"):
        run(guest, table, sample_weight_name="z")
    for value in (-1.0, float("nan"), float("inf")):
        wrong = make_table(range(3), {"w": [1.0, value, value]})
        with pytest.raises(
            DataError, match="2 values of the weight w are missing, infinite or below 0, the first in row 2"
        ):
            run(guest, wrong, sample_weight_name="w")
    with pytest.raises(DataError, match="All values of the weight w are 0"):
        run(guest, make_table(range(2), {"w": [0.0, 0.0]}), sample_weight_name="w", normalize=True)
    with pytest.raises(DslError, match="weights are at least 0"):
        run(guest, table, class_weight={"1": -1})


def test_labels_of_the_conf_that_no_row_has_are_told(
    guest: Party, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    run(guest, table, class_weight={"a": 1, "0": 2})
    assert "class_weight names 1 labels that no row has" in caplog.text


def test_text_labels_have_weights_too(guest: Party) -> None:
    texts = make_table(range(6), {"x": np.arange(6.0)}, label=["no", "no", "no", "perhaps", "yes", "yes"])
    balanced = run(guest, texts, class_weight="balanced")
    np.testing.assert_allclose(balanced.data.weight, [6 / 9] * 3 + [2.0] + [1.0] * 2)
    new = make_table(["a", "b"], {"x": [1.0, 2.0]}, label=["yes", "new"])
    np.testing.assert_allclose(run(guest, new, balanced.model).data.weight, [1.0, 1.0])
    np.testing.assert_allclose(run(guest, texts, class_weight={"yes": 3}).data.weight, [1.0] * 4 + [3.0] * 2)
