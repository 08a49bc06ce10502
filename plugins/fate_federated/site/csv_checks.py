"""What a table's rows must keep: an id each, once; numbers that are finite; one line per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.site.csv_source import CsvSource


class RowCheck:
    """Checks a batch's ids and numbers, and drops the blank lines at the end of a file."""

    def __init__(self, source: CsvSource, text: list[str]) -> None:
        self._source, self._text = source, text
        self._line = source.first_line
        self._blank: int | None = None

    def check(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        source, first_line = self._source, self._line
        self._line += batch.num_rows
        index = batch.schema.get_field_index(source.id_column)
        ids = pc.utf8_trim_whitespace(batch.column(index))
        batch = batch.set_column(index, source.id_column, ids)
        for name in (source.id_column, *self._text):
            broken = _first_true(pc.match_substring(batch.column(name), "\n"))
            if broken is not None:
                raise source.error(first_line + broken, "a line break inside a value.", name)
        for name in source.value_columns:
            if pa.types.is_floating(batch.schema.field(name).type):
                infinite = _first_true(pc.is_inf(batch.column(name)))
                if infinite is not None:
                    raise source.error(first_line + infinite, "the value is not a number.", name)
        return self._without_blank_end(batch, ids, first_line)

    def _without_blank_end(self, batch: pa.RecordBatch, ids: pa.Array, first_line: int) -> pa.RecordBatch:
        empty = _first_true(pc.equal(ids, ""))
        if empty is None:
            if self._blank is not None and batch.num_rows:
                raise self._source.error(self._blank, "the id is empty.", self._source.id_column)
            return batch
        rest = batch.slice(empty)
        for name in self._source.names:
            column = rest.column(name)
            filled = pc.not_equal(column, "") if pa.types.is_string(column.type) else pc.is_valid(column)
            if pc.any(filled).as_py():
                raise self._source.error(first_line + empty, "the id is empty.", self._source.id_column)
        if self._blank is None:
            self._blank = first_line + empty
        elif empty:
            raise self._source.error(self._blank, "the id is empty.", self._source.id_column)
        return batch.slice(0, empty)


class IdCheck:
    """Finds ids that are there twice, with eight bytes of memory per row."""

    def __init__(self, source: CsvSource) -> None:
        self._source = source
        self._hashes: list[npt.NDArray[np.int64]] = []
        self.count = 0

    def add(self, ids: pa.Array) -> None:
        # Python's string hash is keyed by a secret of the process, so nobody can prepare collisions.
        self._hashes.append(np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids)))
        self.count += len(ids)

    def raise_if_twice(self) -> None:
        """Raise DataError for the first id that repeats an earlier one."""
        hashes = np.concatenate(self._hashes)
        self._hashes.clear()
        hashes.sort()
        suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if not len(suspects):
            return
        # Equal hashes may belong to different ids: look at the ids themselves, of those few only.
        seen: dict[str, int] = {}
        line = self._source.first_line
        types = dict.fromkeys(self._source.value_columns, pa.string())
        with self._source.batches(types) as batches:
            for batch in batches:
                ids = pc.utf8_trim_whitespace(batch.column(self._source.id_column)).to_pylist()
                of_batch = np.fromiter(map(hash, ids), np.int64, len(ids))
                for row in np.flatnonzero(np.isin(of_batch, suspects)):
                    earlier = seen.setdefault(ids[row], line + int(row))
                    if earlier != line + row and ids[row]:
                        raise self._source.error(
                            line + int(row), f"the id is that of line {earlier} again.", self._source.id_column
                        )
                line += len(ids)


def _first_true(mask: Any) -> int | None:
    position = pc.index(mask, True).as_py()
    return None if position < 0 else int(position)
