"""A CSV file as Arrow reads it, with the line numbers that errors need.

Nothing here prints a value: errors name line and column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fate_federated.errors import DataError, suggest

MISSING = ("", "NA", "N/A", "na", "null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN")
BLOCK_BYTES = 4 << 20
NO_HEAD_ID = "id"
LINE = "line"
"""Of a table of whole rows, the column that is not the id."""
NEVER = "\x01"
"""A delimiter that no text file holds: each of its lines is one column."""
LIKELY_DELIMITERS = ";\t|,"


class ColumnKind(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    """int64 where every value is one, else float64."""
    INTEGER = "integer"
    FLOAT = "float"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How to read a file.

    Attributes:
        head: whether the first line names the columns; else they are ``id, x0, x1, …``.
        id_column: name of the id's column; empty for the first.
        delimiter: one character.
        kind: of all columns but the id and those of ``kinds``.
        kinds: by column name.
        lines: rows have no columns (they list tags, or pairs of index and value): what follows the id is one text, in
            the column ``line``. A file without a head whose first row is not numbers is read so in any case.
    """

    head: bool = True
    id_column: str = ""
    delimiter: str = ","
    kind: ColumnKind = ColumnKind.NUMBER
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    lines: bool = False


class TypesDoNotHold(Exception):
    """A value of a later block is not of the type that the first block suggested."""


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A file, and what its first line says."""

    file: Path
    form: CsvFormat
    names: tuple[str, ...]
    id_column: str

    @classmethod
    def open(cls, file: Path, form: CsvFormat) -> CsvSource:
        cells = _first_cells(file, form)
        if not form.head and form.kind is ColumnKind.NUMBER and not form.kinds and not all(map(_is_number, cells[1:])):
            form = replace(form, lines=True)
        names = _line_names(cells, form) if form.lines else _column_names(file, form, cells)
        id_column = form.id_column or names[0]
        for name in (id_column, *form.kinds):
            if name not in names:
                raise DataError(f"{file} has no column {name!r}. {suggest(name, names)}")
        return cls(file, form, names, id_column)

    @property
    def first_line(self) -> int:
        """Of the rows, counted from 1."""
        return 2 if self.form.head else 1

    @property
    def value_columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name != self.id_column)

    def kind(self, name: str) -> ColumnKind:
        if self.form.lines:
            return ColumnKind.TEXT
        return self.form.kinds.get(name, self.form.kind)

    def error(self, line: int, message: str, column: str = "") -> DataError:
        where = f"{self.file}, line {line}" + (f", column {column!r}" if column else "")
        return DataError(f"{where}: {message} Nothing was stored.")

    @contextmanager
    def batches(self, types: Mapping[str, pa.DataType] | None) -> Iterator[CsvBatches]:
        """Read it block by block; ``types`` None lets the first block suggest those of the columns."""
        rejected: list[pacsv.InvalidRow] = []

        def reject(row: pacsv.InvalidRow) -> str:
            rejected.append(row)
            return "error"

        lines = self.form.lines
        known = {self.id_column: pa.string()} | dict(types or {})
        with self.file.open("rb") as handle:
            try:
                reader = pacsv.open_csv(
                    handle,
                    read_options=pacsv.ReadOptions(
                        use_threads=False,  # else a rejected row has no number
                        block_size=BLOCK_BYTES,
                        column_names=[LINE] if lines else self.names,
                        skip_rows=1 if self.form.head else 0,
                    ),
                    parse_options=pacsv.ParseOptions(
                        delimiter=NEVER if lines else self.form.delimiter,
                        quote_char=False if lines else '"',
                        ignore_empty_lines=False,
                        invalid_row_handler=reject,
                    ),
                    convert_options=pacsv.ConvertOptions(
                        column_types=known, null_values=MISSING, strings_can_be_null=False
                    ),
                )
                yield CsvBatches(self, reader, handle)
            except pa.ArrowInvalid as error:
                if rejected:
                    row = rejected[0]
                    raise self.error(
                        row.number, f"{row.actual_columns} columns where there should be {row.expected_columns}."
                    ) from None
                if "conversion error" in str(error) and "UTF8" not in str(error):
                    raise TypesDoNotHold from None
                raise DataError(
                    f"{self.file} is not a CSV file in UTF-8 with {self.form.delimiter!r} between columns and one row "
                    "per line. Nothing was stored."
                ) from None


@dataclass(frozen=True, slots=True)
class CsvBatches:
    source: CsvSource
    reader: pacsv.CSVStreamingReader
    handle: IO[bytes]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if not self.source.form.lines:
            return iter(self.reader)
        return map(self._id_and_line, self.reader)

    def _id_and_line(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        parts = pc.split_pattern(batch.column(0), self.source.form.delimiter, max_splits=1)
        lengths = pc.list_value_length(parts).to_numpy()
        first = np.cumsum(lengths) - lengths
        flat = parts.flatten()
        line = flat.take(pa.array(first + 1, mask=lengths < 2))
        return pa.record_batch([flat.take(pa.array(first)), pc.fill_null(line, "")], names=list(self.source.names))


def _first_cells(file: Path, form: CsvFormat) -> list[str]:
    with file.open("rb") as handle:
        line = handle.readline()
        has_rows = bool(handle.read(1))
    if not line.strip():
        raise DataError(f"{file} is empty.")
    if form.head and not has_rows:
        raise DataError(f"{file} has a header and no rows.")
    try:
        return next(csv.reader([line.decode("utf-8-sig")], delimiter=form.delimiter))
    except UnicodeDecodeError:
        raise DataError(f"{file} is not in UTF-8. Nothing was stored.") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() in MISSING
    return True


def _line_names(cells: list[str], form: CsvFormat) -> tuple[str, str]:
    id_column = cells[0].strip() if form.head else NO_HEAD_ID
    return (id_column if id_column not in ("", LINE) else NO_HEAD_ID), LINE


def _column_names(file: Path, form: CsvFormat, cells: list[str]) -> tuple[str, ...]:
    if not form.head:
        return (NO_HEAD_ID, *(f"x{index}" for index in range(len(cells) - 1)))
    names = tuple(cell.strip() for cell in cells)
    if len(names) == 1:
        likely = next((mark for mark in LIKELY_DELIMITERS if mark in names[0]), "")
        if likely:
            shell = "$'\\t'" if likely == "\t" else f"'{likely}'"
            raise DataError(
                f"{file}, line 1: one column with {form.delimiter!r} between columns, and its name holds {likely!r}. "
                f"If that is the delimiter, say so with --delimiter {shell}, or as id_delimiter in FATE's upload "
                "configuration. Nothing was stored."
            )
    for index, name in enumerate(names):
        if not name:
            raise DataError(f"{file}, line 1: column {index + 1} has no name. Nothing was stored.")
        if name in names[:index]:
            raise DataError(f"{file}, line 1, column {name!r}: the name is there twice. Nothing was stored.")
    return names
