"""Features in a Parquet or CSV file, held in memory."""

from __future__ import annotations

import array
import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fate_serving.adapters import Found

FEW = 16
"""Rows from which on columns are picked at once."""


class TableAdapter:
    """A file of rows by id. A file that was replaced is read again with the next request.

    Args:
        path: relative to the folder of ``serving.yaml``; ``.csv`` with a header, else Parquet.
        id_column: its column with the id.
        request_key: the member of a request that holds the id; the first one if not given.

    Raises:
        ValueError: there is no such column, or an id is there twice.
    """

    def __init__(self, *, home: Path, path: str, id_column: str, request_key: str = "") -> None:
        self._file, self._id_column, self._key = home / path, id_column, request_key
        self._stamp = self._look()
        self._names, self._columns, self._places = self._read()

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        """See :class:`~fate_serving.adapters.Adapter`."""
        stamp = self._look()
        if stamp != self._stamp:
            self._names, self._columns, self._places = await asyncio.to_thread(self._read)
            self._stamp = stamp
        names, columns, places = self._names, self._columns, self._places
        at = [places.get(row_id(row, self._key), -1) for row in rows]
        known = [place for place in at if place >= 0]
        if len(known) < FEW:
            found = iter(
                [{name: column[place] for name, column in zip(names, columns, strict=True)} for place in known]
            )
        else:
            picked = [_picked(column, known) for column in columns]
            found = iter([dict(zip(names, values, strict=True)) for values in zip(*picked, strict=True)])
        return [None if place < 0 else next(found) for place in at]

    async def close(self) -> None:
        """Nothing is held."""

    def _look(self) -> tuple[int, int]:
        found = os.stat(self._file)  # noqa: PTH116 - on every request
        return found.st_mtime_ns, found.st_size

    def _read(self) -> tuple[tuple[str, ...], list[Sequence[Any]], dict[str, int]]:
        table = pa_csv.read_csv(self._file) if self._file.suffix == ".csv" else pq.read_table(self._file)
        if self._id_column not in table.column_names:
            raise ValueError(f"{self._file} has no column {self._id_column!r}")
        ids: list[str] = table.column(self._id_column).cast(pa.string()).to_pylist()
        places = {each: place for place, each in enumerate(ids)}
        if len(places) != len(ids):
            raise ValueError(f"{self._file} has ids twice in {self._id_column!r}")
        names = tuple(name for name in table.column_names if name != self._id_column)
        return names, [_column(table.column(name)) for name in names], places


def row_id(row: Mapping[str, Any], key: str) -> str:
    """The id that a request names, as text; empty where it names none."""
    value = row.get(key) if key else next(iter(row.values()), None)
    return "" if value is None or type(value) in (dict, list) else str(value)


def _picked(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    if isinstance(column, array.array):
        picked: list[Any] = np.frombuffer(column, column.typecode)[places].tolist()
        return picked
    return [column[place] for place in places]


def _column(column: pa.ChunkedArray) -> Sequence[Any]:
    if column.null_count == 0 and (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        kind = "d" if pa.types.is_floating(column.type) else "q"
        return array.array(kind, column.to_numpy().astype("f8" if kind == "d" else "i8").tobytes())
    values: list[Any] = column.to_pylist()
    return values
