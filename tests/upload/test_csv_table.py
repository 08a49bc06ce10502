"""CSV files become Parquet tables exactly, or an error that names the place and no value."""

from __future__ import annotations

import csv
import math
import string
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fate_federated.errors import DataError
from fate_federated.site import csv_source
from fate_federated.site.csv_source import MISSING, ColumnKind, CsvFormat
from fate_federated.site.csv_table import Written, csv_to_parquet
from fate_federated.task.table import Table

SECRET = "Zebra77"
AS_IT_IS = CsvFormat()

Convert = Callable[..., tuple[Written, pa.Table]]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    def run(content: str | bytes, form: CsvFormat = AS_IT_IS) -> tuple[Written, pa.Table]:
        source, target = tmp_path / "in.csv", tmp_path / "out.parquet"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        written = csv_to_parquet(source, lambda: target.open("wb"), form)
        return written, pq.read_table(target)

    return run


def test_a_file_becomes_a_table_with_text_ids_and_typed_numbers(convert: Convert) -> None:
    written, table = convert("id,y,x0\n007,1,0.5\nb,0,\n")
    assert written.rows == 2
    assert table.to_pydict() == {"id": ["007", "b"], "y": [1, 0], "x0": [0.5, None]}
    assert table.schema.types == [pa.string(), pa.int64(), pa.float64()]
    assert Table.from_arrow(table).id_column == "id"


def test_the_id_may_be_any_column(convert: Convert) -> None:
    written, table = convert("y,mock,x\n1,a,2\n", CsvFormat(id_column="mock"))
    assert written.id_column == "mock"
    assert Table.from_arrow(table).feature_names == ("y", "x")


def test_without_a_head_columns_are_numbered(convert: Convert) -> None:
    _, table = convert("a,1,2.5\nb,2,3\n", CsvFormat(head=False))
    assert table.to_pydict() == {"id": ["a", "b"], "x0": [1, 2], "x1": [2.5, 3.0]}


@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        ('1,a:2;b:0.5\n2,"c:1\n3\n4,a,b\n\n', CsvFormat(head=False), ["a:2;b:0.5", '"c:1', "", "a,b"]),
        ("1,0 3:1.5 7:2\n2,1\n3,\n4,1 1:nan", CsvFormat(head=False), ["0 3:1.5 7:2", "1", "", "1 1:nan"]),
        ("id,tags\n1,a\n2,b,c\n3,1\n4,2,3,4\n", CsvFormat(lines=True), ["a", "b,c", "1", "2,3,4"]),
        ("1|5\n2|6|7\n3|\n4|5\n", CsvFormat(head=False, delimiter="|", lines=True), ["5", "6|7", "", "5"]),
    ],
    ids=["tags with values", "pairs", "with a head", "numbers as tags"],
)
def test_rows_without_columns_are_kept_whole(
    content: str, form: CsvFormat, expected: list[str], convert: Convert
) -> None:
    written, table = convert(content, form)
    assert written.rows == 4
    assert table.to_pydict() == {"id": ["1", "2", "3", "4"], "line": expected}


def test_whole_rows_need_an_id_each_and_once(convert: Convert) -> None:
    with pytest.raises(DataError, match="line 3, column 'id': the id is that of line 1 again"):
        convert(f"1,{SECRET}:1\n2,b:1\n1,{SECRET}:2\n", CsvFormat(head=False))
    with pytest.raises(DataError, match="line 2, column 'id': the id is empty"):
        convert("1,a:1\n,b:1\n", CsvFormat(head=False))


def test_a_byte_order_mark_spaces_and_windows_line_ends_are_no_part_of_the_data(convert: Convert) -> None:
    _, table = convert("\ufeffid, x\r\n a , 1\r\nb,2\r\n\r\n\r\n".encode())
    assert table.to_pydict() == {"id": ["a", "b"], "x": [1, 2]}


@pytest.mark.parametrize("word", MISSING)
def test_a_missing_value_is_null_in_numbers_and_as_it_is_in_text(convert: Convert, word: str) -> None:
    form = CsvFormat(kinds={"t": ColumnKind.TEXT})
    _, table = convert(f"id,x,t\na,{word},{word}\nb,1,z\n", form)
    assert table.to_pydict() == {"id": ["a", "b"], "x": [None, 1], "t": [word, "z"]}


def test_a_column_of_nothing_but_missing_values_holds_numbers(convert: Convert) -> None:
    _, table = convert("id,x\na,\nb,NA\n")
    assert table.to_pydict() == {"id": ["a", "b"], "x": [None, None]}
    assert table.schema.field("x").type == pa.int64()


def test_a_fraction_far_down_makes_the_whole_column_float(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 256)
    lines = [f"{row},{row},{row % 2}" for row in range(300)]
    lines[250] = "250,250.5,1"
    _, table = convert("\n".join(["id,x,y", *lines]))
    assert table.schema.field("x").type == pa.float64()
    assert table.schema.field("y").type == pa.int64()
    assert table.column("x").to_pylist() == [250.5 if row == 250 else float(row) for row in range(300)]


@pytest.mark.parametrize(
    ("content", "line", "column", "says"),
    [
        (f"id,x\na,1\nb,{SECRET}\n", 3, "x", "not a number"),
        (f"id,x,y\na,{SECRET},1\n", 2, "x", "not a number"),
        (f"id,x\na,1\n{SECRET},2\nb,3\n{SECRET},4\n", 5, "id", "line 3 again"),
        ("id,x\na,1\n,2\nb,3\n", 3, "id", "id is empty"),
        ("id,x\na,1\n,2\n", 3, "id", "id is empty"),
        ("id,x\na,1\n\nb,3\n", 3, "id", "id is empty"),
        (f"id,x\na,1\nb,2,{SECRET}\n", 3, "", "3 columns where there should be 2"),
        (f"id,x\na,1\n\n{SECRET}\n", 4, "", "1 columns where there should be 2"),
        ("id,x,x\na,1,2\n", 1, "x", "twice"),
        ("id,,x\na,1,2\n", 1, "", "column 2 has no name"),
        ("id,x\na,1\nb,inf\n", 3, "x", "not a number"),
        ("id,x\na,1\nb,-inf\n", 3, "x", "not a number"),
        ("id,x\na,true\n", 2, "x", "not a number"),
        ("id,x\na,2024-01-31\n", 2, "x", "not a number"),
        ('id,x\n"a\nb",1\n', 2, "id", "line break"),
    ],
)
def test_what_cannot_be_taken_is_named_by_line_and_column_and_never_by_value(
    convert: Convert, content: str, line: int, column: str, says: str
) -> None:
    with pytest.raises(DataError) as caught:
        convert(content)
    text = str(caught.value)
    assert f"line {line}" in text
    assert repr(column) in text or not column
    assert says in text
    assert SECRET not in text
    # The value is not in the chain of errors either, which a traceback would print.
    assert caught.value.__cause__ is None


def test_the_place_is_right_in_a_later_block(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 128)
    lines = [f"{row},{row / 2}" for row in range(500)]
    lines[401] = f"401,{SECRET}"
    with pytest.raises(DataError, match=r"line 403, column 'x': the value is not a number"):
        convert("\n".join(["id,x", *lines]))


def test_a_ragged_row_of_a_later_block_is_named(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 128)
    lines = [f"{row},{row / 2}" for row in range(500)]
    lines[401] = "401"
    with pytest.raises(DataError, match=r"line 403: 1 columns where there should be 2"):
        convert("\n".join(["id,x", *lines]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"id,x\n", "has a header and no rows"),
        (b"id,x", "has a header and no rows"),
        (b"id,x\n\n\n", "has no rows"),
        (b"id;y;x\na;1;2\n", r"--delimiter ';', or as id_delimiter"),
        (b"id\ty\na\t1\n", r"--delimiter \$'\\t', or as id_delimiter"),
        ("id,x\né,1\n".encode("latin-1"), "UTF-8"),
        ("idé,x\na,1\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(convert: Convert, content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        convert(content)


def test_an_id_column_that_is_not_there_is_named_with_those_that_are(convert: Convert) -> None:
    with pytest.raises(DataError, match=r"no column 'idd'\. Did you mean 'id'"):
        convert("id,x\na,1\n", CsvFormat(id_column="idd"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        csv_to_parquet(tmp_path / "none.csv", lambda: (tmp_path / "out").open("wb"), CsvFormat())


NAMES = st.lists(st.text(string.ascii_letters + "_é", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8)
NUMBERS = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False).map(float)
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[object]]]:
    names = ["key", *draw(NAMES)]
    ids = draw(st.lists(IDS, min_size=1, max_size=30, unique=True))
    return names, [[key, *draw(st.tuples(*[NUMBERS] * (len(names) - 1)))] for key in ids]


@given(tables(), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from([64, 4 << 20]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read(
    convert: Convert, table: tuple[list[str], list[list[object]]], delimiter: str, block_bytes: int
) -> None:
    names, rows = table
    text = _csv([names, *rows], delimiter)
    blocks = max(block_bytes, 2 * max(len(line) for line in text.encode().split(b"\n")) + 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_source, "BLOCK_BYTES", blocks)
        written, read = convert(text, CsvFormat(delimiter=delimiter))
    assert written.rows == len(rows)
    columns = read.to_pydict()
    assert columns["key"] == [row[0] for row in rows]
    for index, name in enumerate(names[1:], 1):
        expected = [row[index] for row in rows]
        whole = all(value is None or isinstance(value, int) for value in expected)
        assert read.schema.field(name).type == (pa.int64() if whole else pa.float64())
        assert columns[name] == [value if value is None or whole else float(value) for value in expected]  # type: ignore[arg-type]


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_single_broken_cell_is_found(convert: Convert, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bad = data.draw(st.text(string.ascii_letters, min_size=1, max_size=6).filter(lambda text: not _is_number(text)))
    rows: list[list[object]] = [[f"r{at}", *range(width)] for at in range(height)]
    rows[row][column + 1] = bad
    names = ["id", *(f"c{at}" for at in range(width))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_source, "BLOCK_BYTES", 64)
        with pytest.raises(DataError, match=rf"line {row + 2}, column 'c{column}': the value is not a number"):
            convert(_csv([names, *rows], ","))


@given(st.lists(st.integers(0, 60), min_size=2, max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_repeated_id_is_found_or_there_is_none(convert: Convert, ids: list[int]) -> None:
    content = "id,x\n" + "".join(f"k{key},1\n" for key in ids)
    repeats = [at for at, key in enumerate(ids) if key in ids[:at]]
    if not repeats:
        assert convert(content)[0].rows == len(ids)
        return
    first = repeats[0]
    with pytest.raises(DataError, match=rf"line {first + 2}, .*line {ids.index(ids[first]) + 2} again"):
        convert(content)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_a_data_error(convert: Convert, content: bytes) -> None:
    try:
        written, table = convert(content)
    except DataError:
        return
    assert written.rows == table.num_rows > 0


def _csv(rows: list[list[object]], delimiter: str) -> str:
    buffer = StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return buffer.getvalue()


def _is_number(text: str) -> bool:
    if text in MISSING:
        return True
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
