"""Rows that are one text each, against scikit-learn's reader and a plain loop."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from fate_components.data_transform import lines as lines_module
from fate_components.data_transform.lines import LineFormat, check_size, read_lines
from fate_federated.errors import DataError
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.site.csv_source import CsvFormat
from fate_federated.site.csv_table import csv_to_parquet
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

SECRET = "Zebra77"


def rows(*lines: str) -> Table:
    return Table(pa.table({"id": [f"r{row}" for row in range(len(lines))], "line": list(lines)}), "id")


def transform(guest: Party, table: Table, params: dict[str, Any], model: Model | None = None) -> PartyResult:
    return Federation([guest]).run(
        "DataTransform", params, {guest: Inputs(data={"data": [table]}, model=model)}
    )[guest]  # fmt: skip


SPARSE = {"input_format": "sparse", "delimitor": " "}
TAG = {"input_format": "tag", "delimitor": ";"}
TAG_VALUE = {**TAG, "tag_with_value": True}


# svmlight


def test_pairs_are_what_scikit_learn_reads_of_the_same_file(
    guest: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "BATCH_ROWS", 7)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(50, 12)).round(4) * (rng.random((50, 12)) < 0.3)
    matrix[0, 11] = 1.5
    label = rng.integers(-1, 2, 50)
    plain = BytesIO()
    dump_svmlight_file(matrix, label, plain)
    source, target = tmp_path / "rows.txt", tmp_path / "rows.parquet"
    source.write_text("\n".join(f"u{row},{line}" for row, line in enumerate(plain.getvalue().decode().splitlines())))
    csv_to_parquet(source, lambda: target.open("wb"), CsvFormat(head=False))
    output = transform(guest, Table.from_arrow(pq.read_table(target)), {**SPARSE, "with_label": True}).data
    plain.seek(0)
    expected, expected_label = load_svmlight_file(plain, zero_based=True)
    assert output.feature_names == tuple(f"x{index}" for index in range(12))
    np.testing.assert_array_equal(output.features, expected.toarray())
    np.testing.assert_array_equal(output.label, expected_label)
    assert output.ids.to_pylist() == [f"u{row}" for row in range(50)]


def test_an_index_that_no_row_has_is_a_column_of_zeros(guest: Party) -> None:
    output = transform(guest, rows("0:1 3:2", "", "3:4"), SPARSE).data
    assert output.feature_names == ("x0", "x1", "x2", "x3")
    np.testing.assert_array_equal(output.features, [[1, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 4]])


def test_a_model_reads_new_pairs_into_the_columns_that_it_saw(guest: Party, caplog: pytest.LogCaptureFixture) -> None:
    fitted = transform(guest, rows("1 0:1 2:2", "0 1:3"), {**SPARSE, "with_label": True})
    labelled = transform(guest, rows("0 9:1 1:5"), {}, fitted.model)
    np.testing.assert_array_equal(labelled.data.features, [[0, 5, 0]])
    np.testing.assert_array_equal(labelled.data.label, [0])
    assert "1 items of features that the model does not know are left out" in caplog.text
    unlabelled = transform(guest, rows("2:7", "1:1 0:2"), {}, fitted.model).data
    assert unlabelled.label_column is None
    np.testing.assert_array_equal(unlabelled.features, [[0, 0, 7], [2, 1, 0]])


# Tags


def test_a_tag_is_one_where_a_row_lists_it(guest: Party) -> None:
    output = transform(guest, rows("young;rich", "rich", "", " old ; rich;rich"), TAG).data
    assert output.feature_names == ("old", "rich", "young")
    np.testing.assert_array_equal(output.features, [[0, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]])
    assert output.data.schema.field("old").type == pa.float64()


def test_tags_have_labels_and_a_data_type(guest: Party) -> None:
    params = {**TAG, "with_label": True, "label_name": "sick", "data_type": "int"}
    output = transform(guest, rows("1;a", "0;b;a", "1"), params).data
    assert output.label_column == "sick"
    np.testing.assert_array_equal(output.label, [1, 0, 1])
    assert output.data.select(["a", "b"]).to_pydict() == {"a": [1, 1, 0], "b": [0, 1, 0]}
    assert output.data.schema.field("a").type == pa.int64()


ITEMS = st.dictionaries(st.sampled_from(["a", "b:c", "d", "é"]), st.sampled_from(["1", "-2.5", "-9999", "na", ""]))


@given(
    table=st.lists(ITEMS, min_size=1, max_size=8).filter(any),
    fill=st.booleans(),
    outliers=st.booleans(),
    batch_rows=st.integers(1, 4),
)
@settings(deadline=None, max_examples=40)
def test_tags_with_values_are_those_of_a_plain_loop(
    table: list[dict[str, str]], fill: bool, outliers: bool, batch_rows: int
) -> None:
    guest = Party.parse("guest-1")
    params = {
        **TAG_VALUE, "missing_fill": fill, "default_value": 42,
        "outlier_replace": outliers, "outlier_impute": "-9999", "outlier_replace_value": 0.66,
    }  # fmt: skip
    table_of_lines = rows(*(";".join(f"{tag}:{value}" for tag, value in row.items()) for row in table))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BATCH_ROWS", batch_rows)
        fitted = transform(guest, table_of_lines, params)
    header = sorted({tag for row in table for tag in row})

    def expected(row: dict[str, str], tag: str) -> float:
        text = row.get(tag)
        if text is None:
            return 42 if fill else 0
        if text in ("na", ""):
            return 42 if fill else float("nan")
        return 0.66 if outliers and text == "-9999" else float(text)

    assert fitted.data.feature_names == tuple(header)
    np.testing.assert_array_equal(fitted.data.features, [[expected(row, tag) for tag in header] for row in table])
    again = transform(guest, table_of_lines, {}, fitted.model)
    assert again.data.data.equals(fitted.data.data)


@pytest.mark.parametrize(("method", "expected"), [("min", 1.0), ("max", 3.0), ("mean", 2.0), (None, 0.0)])
def test_a_tag_with_a_value_is_missing_where_a_row_does_not_list_it(
    method: str | None, expected: float, guest: Party
) -> None:
    params = {**TAG_VALUE, "missing_fill": True, "missing_fill_method": method}
    fitted = transform(guest, rows("a:1;b:1", "a:3", "b:1"), params)
    np.testing.assert_array_equal(fitted.data.features[:, 0], [1, 3, expected])
    assert fitted.summary["missing_ratio"] == {"a": 1 / 3, "b": 1 / 3}
    new = transform(guest, rows("b:7"), {}, fitted.model)
    np.testing.assert_array_equal(new.data.features, [[expected, 7]])


def test_either_output_format_has_the_same_columns(guest: Party) -> None:
    table = Table(pa.table({"id": ["a", "b"], "x0": [0.0, 1.5], "x1": [2, 0]}), "id")
    for source, params in ((table, {}), (rows("a:1;b:2", "b:3"), TAG_VALUE)):
        dense, sparse = (
            transform(guest, source, {**params, "output_format": output_format}).data
            for output_format in ("dense", "sparse")
        )
        assert dense.data.equals(sparse.data)


# What cannot be read


@pytest.mark.parametrize(
    ("lines", "params", "text"),
    [
        (["0:1", f"0:1 {SECRET}"], SPARSE, r"Row 2, item 2: there is no ':' before a value\. Where rows begin"),
        (["0:1", f"0:1 {SECRET}:3"], SPARSE, "Row 2, item 2: the index is not a whole number"),
        (["0:1", "1:2 -4:3"], SPARSE, "Row 2, item 2: the index is not a whole number"),
        (["a:1", f"a:1;b:{SECRET}"], TAG_VALUE, "Row 2, item 2: the value is not a number"),
        (["1;a:1", "a:1;b:2"], {**TAG_VALUE, "with_label": True}, "'y' holds something other than a number in row 2"),
        (["a:1", "b:2"], {**TAG_VALUE, "with_label": True}, "the first item of every row is a feature"),
        ([";a", "1;b"], {**TAG, "with_label": True}, "label 'y' is missing in 1 rows, the first is row 1"),
        (["", ""], TAG, "No row lists a feature"),
        (["1:1 99999999999:2"], SPARSE, "1 rows of 100000000000 features would take 800.0 GB"),
        (["r0:1;id:2"], TAG_VALUE, "A feature has the name of the id or of the label: id"),
    ],
)
def test_rows_that_cannot_be_read_are_named_without_their_text(
    lines: list[str], params: dict[str, Any], text: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=text) as caught:
        transform(guest, rows(*lines), params)
    assert SECRET not in str(caught.value)


def test_the_error_names_the_row_of_the_table_and_not_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "BATCH_ROWS", 3)
    form = LineFormat(False, True, ",", ":", False, (), 0.0)
    lines = pa.chunked_array([["a:1"] * 5, ["a:1", "b:2,a:?", "a:1"]])
    with pytest.raises(DataError, match="Row 7, item 2"):
        read_lines(form, lines)


def test_labels_must_be_there_in_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "BATCH_ROWS", 2)
    form = LineFormat(False, True, ",", ":", True, (), 0.0)
    with pytest.raises(DataError, match="look between the rows 3 and 4"):
        read_lines(form, pa.chunked_array([["1,a:1", "0,a:2", "a:1", "a:2"]]))


def test_whole_rows_and_columns_are_told_apart(guest: Party) -> None:
    columns = Table(pa.table({"id": ["a"], "x0": [1.0], "x1": [2.0]}), "id")
    with pytest.raises(DataError, match=r"take whole rows.*This table has 2 columns"):
        transform(guest, columns, TAG_VALUE)
    with pytest.raises(DataError, match="whole rows in place of columns: set input_format"):
        transform(guest, rows("a;b"), {})


def test_columns_may_hold_tags(guest: Party) -> None:
    table = Table(pa.table({"id": ["a", "b"], "y": [1, 0], "t0": ["old", "young"], "t1": [None, "old"]}), "id")
    output = transform(guest, table, {**TAG, "with_label": True}).data
    assert output.feature_names == ("old", "young")
    np.testing.assert_array_equal(output.features, [[1, 0], [1, 1]])
    np.testing.assert_array_equal(output.label, [1, 0])


def test_a_table_that_memory_cannot_hold_is_refused_before_it_is_made() -> None:
    with pytest.raises(DataError, match=r"would take 80000\.0 GB, and .* GB are free"):
        check_size(10**7, 10**6)


# Match ids


@pytest.fixture
def persons() -> Table:
    return Table(
        pa.table({"row": ["s1", "s2", "s3"], "phone": [133, 133, 7], "Y": [1, 0, 1], "x": [0.5, 1.5, 2.5]}), "row"
    )


@pytest.mark.parametrize("named", [{"match_id_name": "phone"}, {"match_id_name": "PHONE"}, {}, {"match_id_index": 0}])
def test_a_match_id_is_no_feature_and_kept_as_text(named: dict[str, Any], guest: Party, persons: Table) -> None:
    fitted = transform(guest, persons, {"with_match_id": True, "with_label": True, **named})
    output = fitted.data
    assert output.match_ids.to_pylist() == ["133", "133", "7"]
    assert output.ids.to_pylist() == ["s1", "s2", "s3"]
    assert output.feature_names == ("x",)
    again = transform(guest, persons, {"with_match_id": True}, fitted.model).data
    assert again.match_id_column == "phone"
    assert again.data.equals(output.data)


def test_a_match_id_may_be_named_by_its_position(guest: Party, persons: Table) -> None:
    output = transform(guest, persons, {"with_match_id": True, "match_id_index": 2}).data
    assert (output.match_id_column, output.feature_names) == ("x", ("phone", "Y"))


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"match_id_name": "tel"}, "match_id_name names the column 'tel'; the columns are phone, Y, x"),
        ({"match_id_index": 3}, "match_id_index is 3; beside the id there are the columns 0 to 2"),
    ],
)
def test_a_match_id_that_is_not_there_is_said(params: dict[str, Any], text: str, guest: Party, persons: Table) -> None:
    with pytest.raises(DataError, match=text):
        transform(guest, persons, {"with_match_id": True, **params})


def test_rows_to_predict_need_their_match_id(guest: Party, persons: Table) -> None:
    fitted = transform(guest, persons, {"with_match_id": True, "match_id_name": "phone"})
    without = Table(persons.data.drop_columns(["phone"]), "row")
    with pytest.raises(DataError, match="match_id_name names the column 'phone'"):
        transform(guest, without, {}, fitted.model)
