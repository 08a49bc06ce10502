"""A CSV file as Arrow reads it, with the line numbers that errors need.

Nothing here prints a value: errors name line and column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

from fate_federated.errors import DataError, suggest

MISSING = ("", "NA", "N/A", "na", "null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN")
BLOCK_BYTES = 4 << 20
NO_HEAD_ID = "id"
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
    """

    head: bool = True
    id_column: str = ""
    delimiter: str = ","
    kind: ColumnKind = ColumnKind.NUMBER
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)


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
        names = _column_names(file, form)
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

        known = {self.id_column: pa.string()} | dict(types or {})
        with self.file.open("rb") as handle:
            try:
                reader = pacsv.open_csv(
                    handle,
                    read_options=pacsv.ReadOptions(
                        use_threads=False,  # else a rejected row has no number
                        block_size=BLOCK_BYTES,
                        column_names=self.names,
                        skip_rows=1 if self.form.head else 0,
                    ),
                    parse_options=pacsv.ParseOptions(
                        delimiter=self.form.delimiter, ignore_empty_lines=False, invalid_row_handler=reject
                    ),
                    convert_options=pacsv.ConvertOptions(
                        column_types=known, null_values=MISSING, strings_can_be_null=False
                    ),
                )
                yield CsvBatches(reader, handle)
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
    reader: pacsv.CSVStreamingReader
    handle: IO[bytes]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.reader)


def _column_names(file: Path, form: CsvFormat) -> tuple[str, ...]:
    with file.open("rb") as handle:
        line = handle.readline()
        has_rows = bool(handle.read(1))
    if not line.strip():
        raise DataError(f"{file} is empty.")
    if form.head and not has_rows:
        raise DataError(f"{file} has a header and no rows.")
    try:
        cells = next(csv.reader([line.decode("utf-8-sig")], delimiter=form.delimiter))
    except UnicodeDecodeError:
        raise DataError(f"{file} is not in UTF-8. Nothing was stored.") from None
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
