from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.data_transform.fit import learn
from fate_components.data_transform.messages import model_of
from fate_components.data_transform.model import parts_of, plan_of, transform_column
from fate_components.data_transform.raw import RawRows
from fate_components.data_transform.spec import DATA_IO, DATA_TRANSFORM, DataIoParams
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

NAN = float("nan")


def raw(**columns: Any) -> Table:
    rows = len(next(iter(columns.values())))
    return Table(pa.table({"id": [f"r{row}" for row in range(rows)], **columns}), "id")


def transform(
    guest: Party, table: Table, params: dict[str, Any] | None = None, model: Model | None = None, module: str = ""
) -> PartyResult:
    inputs = Inputs(data={"data": [table]}, model=model)
    return Federation([guest]).run(module or "DataTransform", params, {guest: inputs})[guest]


def test_the_label_is_named_and_taken_out_of_the_features(guest: Party) -> None:
    output = transform(guest, raw(x0=[1.5, 2.5], y=[1, 0], x1=[3, 4]), {"with_label": True}).data
    assert output.label_column == "y"
    assert output.feature_names == ("x0", "x1")
    np.testing.assert_array_equal(output.label, [1, 0])
    np.testing.assert_array_equal(output.features, [[1.5, 3.0], [2.5, 4.0]])
    assert output.ids.to_pylist() == ["r0", "r1"]
    assert output.data.schema.field("x1").type == pa.float64()


def test_without_with_label_every_column_is_a_feature(guest: Party) -> None:
    output = transform(guest, raw(y=[1, 0], x=[1, 2])).data
    assert output.feature_names == ("y", "x")
    assert output.label is None


def test_a_version_1_dataio_has_a_label_unless_told_otherwise() -> None:
    assert DATA_IO.legacy_defaults == {"with_label": True}
    assert DATA_TRANSFORM.legacy_defaults == {}


@pytest.mark.parametrize("label_name", ["Diagnosis", "diagnosis", "DIAGNOSIS"])
def test_the_label_is_found_in_any_case(label_name: str, guest: Party) -> None:
    output = transform(guest, raw(Diagnosis=[0, 1], x=[1, 2]), {"with_label": True, "label_name": label_name}).data
    assert output.label_column == "Diagnosis"


def test_an_exact_match_wins_over_another_case(guest: Party) -> None:
    output = transform(guest, raw(Y=[5, 6], y=[0, 1]), {"with_label": True}).data
    assert output.label_column == "y"
    assert output.feature_names == ("Y",)


@pytest.mark.parametrize(
    ("columns", "name"), [({"x": [1], "z": [2]}, "y"), ({"Y1": [1], "y1": [2]}, "Y_1"), ({"AB": [1], "Ab": [1]}, "ab")]
)
def test_a_label_that_is_not_there_is_said_with_the_columns(
    columns: dict[str, list[int]], name: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=f"label_name names the column '{name}'; the columns are {', '.join(columns)}"):
        transform(guest, raw(**columns), {"with_label": True, "label_name": name})


@pytest.mark.parametrize(
    ("label", "label_type", "expected"),
    [
        ([1, 0], "int", pa.int64()),
        ([1.0, 0.0], "int", pa.int64()),
        (["1", "0"], "int", pa.int64()),
        ([1, 0], "float64", pa.float64()),
        (["1.0", "-1.0"], "long", pa.int64()),
        ([True, False], "int", pa.int64()),
    ],
)
def test_the_label_has_its_type(label: list[Any], label_type: str, expected: pa.DataType, guest: Party) -> None:
    output = transform(guest, raw(y=label, x=[1, 2]), {"with_label": True, "label_type": label_type}).data
    assert output.data.schema.field("y").type == expected
    np.testing.assert_array_equal(output.label, [float(value) for value in label])


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ([1, None], "The label 'y' is missing in 1 rows, the first is row 2"),
        ([1.5, 0.0], "Column 'y' holds numbers that are no int"),
        (["1", "sick"], "Column 'y' holds something other than a number in row 2"),
    ],
)
def test_a_label_of_another_type_is_refused(label: list[Any], text: str, guest: Party) -> None:
    with pytest.raises(DataError, match=text):
        transform(guest, raw(y=label, x=[1, 2]), {"with_label": True})


# Types


def test_columns_have_the_data_type_and_their_own(guest: Party) -> None:
    params = {"data_type": "float", "exclusive_data_type": {"N": "int", "name": "str"}}
    output = transform(guest, raw(x=["1.5", " 2 "], n=["7", "8.0"], name=[1, 2]), params).data
    assert [field.type for field in output.data.schema] == [pa.string(), pa.float64(), pa.int64(), pa.string()]
    assert output.data.column("n").to_pylist() == [7, 8]
    assert output.data.column("name").to_pylist() == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "params", "text"),
    [
        (["1", "2", "three"], {}, "Column 'x' holds something other than a number in row 3"),
        ([0.5, 1.0, 2.0], {"data_type": "int"}, "Column 'x' holds numbers that are no int"),
        ([1, 2, 3], {"exclusive_data_type": {"z": "int"}}, "exclusive_data_type names the column 'z'"),
        ([[1], [2], [3]], {}, "neither numbers nor text"),
    ],
)
def test_what_is_not_of_the_type_is_refused_without_its_value(
    column: list[Any], params: dict[str, Any], text: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=text) as caught:
        transform(guest, raw(x=column), params)
    assert "three" not in str(caught.value)


# Missing values and outliers


def test_missing_values_stay_missing_unless_filled(guest: Party) -> None:
    output = transform(guest, raw(x=[1.0, None, NAN], t=["", "2", "None"], n=[1, None, 3])).data
    np.testing.assert_array_equal(output.features, [[1, NAN, 1], [NAN, 2, NAN], [NAN, NAN, 3]])


@pytest.mark.parametrize(
    ("method", "expected"),
    [(None, 9.0), ("designated", 9.0), ("min", 1.0), ("max", 4.0), ("mean", 2.5)],
)
def test_missing_values_are_filled(method: str | None, expected: float, guest: Party) -> None:
    params = {"missing_fill": True, "missing_fill_method": method, "default_value": 9}
    result = transform(guest, raw(x=[1.0, None, 4.0, NAN], t=["1", "nan", "4", ""]), params)
    np.testing.assert_array_equal(result.data.features, [[1, 1], [expected] * 2, [4, 4], [expected] * 2])
    assert result.summary["missing_ratio"] == {"x": 0.5, "t": 0.5}


def test_designated_takes_one_value_for_each_column(guest: Party) -> None:
    params = {"missing_fill": True, "missing_fill_method": "designated", "default_value": [1, 2.5, "n/a"],
              "exclusive_data_type": {"c": "str"}}  # fmt: skip
    output = transform(guest, raw(a=[None, 0.0], b=[None, 0.0], c=["", "x"]), params).data
    assert output.data.slice(0, 1).to_pylist() == [{"id": "r0", "a": 1.0, "b": 2.5, "c": "n/a"}]


def test_missing_impute_names_what_counts_as_missing(guest: Party) -> None:
    params = {"missing_fill": True, "default_value": 0, "missing_impute": [-9999, "unknown"]}
    output = transform(guest, raw(x=[1, -9999, None], t=["unknown", "-9999.0", "3"]), params).data
    np.testing.assert_array_equal(output.features, [[1, 0], [0, 0], [0, 3]])


def test_a_word_that_missing_impute_does_not_name_is_no_number(guest: Party) -> None:
    with pytest.raises(DataError, match="something other than a number in row 2"):
        transform(guest, raw(x=["1", "na"]), {"missing_fill": True, "missing_impute": ["-"]})


@pytest.mark.parametrize(
    ("method", "expected"),
    [(None, 0.66), ("designated", 0.66), ("min", 1.0), ("max", 3.0), ("mean", 2.0)],
)
def test_outliers_are_replaced(method: str | None, expected: float, guest: Party) -> None:
    params = {"outlier_replace": True, "outlier_impute": "-9999", "outlier_replace_method": method,
              "outlier_replace_value": 0.66}  # fmt: skip
    output = transform(guest, raw(x=[1.0, -9999.0, 3.0, NAN], t=["1", "-9999", "3", ""]), params).data
    np.testing.assert_array_equal(output.features, [[1, 1], [expected] * 2, [3, 3], [NAN, NAN]])


def test_missing_values_are_filled_before_outliers_are_replaced(guest: Party) -> None:
    params = {"missing_fill": True, "default_value": 7, "outlier_replace": True, "outlier_replace_value": 8}
    output = transform(guest, raw(t=["1", "na", "3"]), params).data
    np.testing.assert_array_equal(output.features[:, 0], [1, 7, 3])
    output = transform(guest, raw(t=["1", "na", "3"]), {**params, "missing_fill": False}).data
    np.testing.assert_array_equal(output.features[:, 0], [1, 8, 3])


@pytest.mark.parametrize(
    ("table", "params", "text"),
    [
        (raw(x=[NAN, NAN]), {"missing_fill_method": "mean"}, "'x' has no value to take the mean of"),
        (raw(x=["a", "b"]), {"missing_fill_method": "max", "data_type": "str"}, "'x' is text and has no max"),
        (raw(x=[1, 2]), {"default_value": [1, 2]}, "default_value lists 2 values for 1 columns"),
        (raw(x=[1, None]), {"default_value": "none", "data_type": "int"}, "cannot be filled with 'none'"),
        (raw(x=[1, None]), {"default_value": 0.5, "data_type": "int"}, "cannot be filled with '0.5'"),
    ],
)
def test_a_fill_that_cannot_be_made_is_refused(table: Table, params: dict[str, Any], text: str, guest: Party) -> None:
    with pytest.raises(DataError, match=text):
        transform(guest, table, {"missing_fill": True, **params})


# With a model


def test_a_model_fills_new_rows_with_what_it_learnt(guest: Party) -> None:
    params = {"with_label": True, "missing_fill": True, "missing_fill_method": "mean"}
    fitted = transform(guest, raw(y=[0, 1], a=[1.0, 3.0], b=[10.0, 20.0]), params)
    new = transform(guest, raw(y=[1], a=[NAN], b=[5.0]), None, fitted.model)
    np.testing.assert_array_equal(new.data.features, [[2.0, 5.0]])
    np.testing.assert_array_equal(new.data.label, [1])
    assert new.model is fitted.model


def test_columns_are_matched_by_name_and_extra_ones_dropped_with_a_warning(
    guest: Party, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = transform(guest, raw(a=[1.0], b=[2.0]))
    new = transform(guest, raw(c=[9.0], b=[20.0], a=[10.0]), None, fitted.model)
    assert new.data.feature_names == ("a", "b")
    np.testing.assert_array_equal(new.data.features, [[10.0, 20.0]])
    assert "columns that the model does not know are dropped: c" in caplog.text


def test_a_column_that_the_model_needs_is_missed(guest: Party) -> None:
    fitted = transform(guest, raw(a=[1.0], b=[2.0], c=[3.0]))
    with pytest.raises(DataError, match="columns that the table lacks: a, c"):
        transform(guest, raw(b=[2.0]), None, fitted.model)


def test_rows_without_a_label_can_be_transformed_for_prediction(guest: Party) -> None:
    fitted = transform(guest, raw(y=[0, 1], a=[1.0, 2.0]), {"with_label": True})
    new = transform(guest, raw(a=[5.0]), {"with_label": True}, fitted.model)
    assert new.data.label_column is None
    assert new.data.feature_names == ("a",)


def test_a_model_of_another_component_is_refused(guest: Party) -> None:
    scaled = Federation([guest]).run("FeatureScale", inputs={guest: raw(a=[1.0, 2.0])})[guest]
    with pytest.raises(ModelError, match="DataIO cannot apply a model of FeatureScale"):
        transform(guest, raw(a=[1.0]), None, scaled.model, "DataIO")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"input_format": "sparse", "data_type": "str"}, "/DataTransform"),
        ({"input_format": "tag", "exclusive_data_type": {"a": "str"}}, "/DataTransform"),
        ({"input_format": "tag", "with_match_id": True}, "/DataTransform"),
        ({"input_format": "csv"}, "/DataTransform/input_format"),
        ({"delimitor": ""}, "/DataTransform/delimitor"),
        ({"missing_fill_method": "median"}, "/DataTransform/missing_fill_method"),
        ({"lable_name": "y"}, "/DataTransform/lable_name"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(params: dict[str, Any], place: str, guest: Party) -> None:
    with pytest.raises(DslError) as caught:
        transform(guest, raw(x=[1]), params)
    assert [problem.pointer for problem in caught.value.problems] == [place]


def test_match_ids_are_unknown_to_dataio(guest: Party) -> None:
    with pytest.raises(DslError, match="with_match_id"):
        transform(guest, raw(x=[1]), {"with_match_id": False}, module="DataIO")


CELLS = st.sampled_from(["", "na", "1", "2.5", "-9999", "nan", " 3 ", "1e3"])


@given(
    rows=st.lists(CELLS, min_size=1, max_size=8),
    fill=st.booleans(),
    replace=st.booleans(),
    method=st.sampled_from([None, "designated"]),
    impute=st.sampled_from([None, ["", "na", "nan", "-9999"], ["", "na", "nan", "2.5", 1000]]),
)
@settings(deadline=None)
def test_a_model_makes_of_the_training_rows_what_training_made_of_them(
    rows: list[str], fill: bool, replace: bool, method: Any, impute: Any
) -> None:
    params = DataIoParams(
        missing_fill=fill, missing_fill_method=method, missing_impute=impute, default_value=-1.0,
        outlier_replace=replace, outlier_impute=[-9999], outlier_replace_value=-2.0,
    )  # fmt: skip
    data = pa.table({"x": rows})
    learnt = learn(params, data, ["x"])
    stored = plan_of(*parts_of(model_of("DataIO", params, learnt, "id", RawRows(data, None, None)), "DataIO"))
    assert transform_column(stored, stored.columns[0], data.column("x")).equals(learnt.features["x"])
    if fill:
        assert learnt.features["x"].null_count == 0
