"""Rows that are one text each: tags, tags with values, or svmlight's pairs of index and value. They become columns."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BATCH_ROWS = 1 << 15
SPARSE_NAME = "x{}"
"""FATE's name of the feature of an index."""
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How a row is written.

    Attributes:
        indexed: items are pairs ``index:value``; else they are tags.
        with_value: tags are pairs ``tag:value``; else a tag alone, whose value is 1.
        delimitor: between items.
        value_delimitor: between a tag or an index and its value.
        with_label: the first item is the label.
        missing: texts of a value that count as missing.
        absent: the value of a feature that a row does not list.
    """

    indexed: bool
    with_value: bool
    delimitor: str
    value_delimitor: str
    with_label: bool
    missing: tuple[str, ...]
    absent: float


@dataclass(frozen=True, slots=True)
class ReadLines:
    """What rows became.

    Attributes:
        features: by name, in the order of the indices or of the tags' texts, each of shape (rows,). Of an item that
            a row lists twice the last counts.
        labels: as texts; None where the rows have none.
    """

    features: dict[str, Floats]
    labels: pa.Array | None


def read_lines(form: LineFormat, lines: pa.ChunkedArray, header: Sequence[str] | None = None) -> ReadLines:
    """Take rows apart.

    Args:
        header: the features to make; None for all that the rows have. Items of other features are left out.

    Raises:
        DataError: an item is not written so, by row and item, counted from 1; or the features would not fit in memory.
    """
    rows = len(lines)
    columns = _Columns(rows, form.absent, header)
    labels: list[pa.Array] = []
    start, unknown = 0, 0
    for batch in _batches(lines):
        items = _split(form, batch, start)
        if items.labels is not None:
            labels.append(items.labels)
        if form.with_label and sum(map(len, labels)) not in (0, start + len(batch)):
            raise DataError(
                f"Some rows begin with a label and some with a feature: look between the rows {start + 1} and "
                f"{start + len(batch)}."
            )
        unknown += columns.add(items, _names(form, items), _values(form, items), len(batch))
        start += len(batch)
    if unknown:
        log.warning("%d items of features that the model does not know are left out", unknown)
    if not columns.places:
        raise DataError("No row lists a feature. Look at delimitor, tag_with_value and tag_value_delimitor.")
    ordered = header if header is not None else _ordered(form, columns, rows)
    return ReadLines(columns.taken(ordered), pa.concat_arrays(labels) if labels else None)


@dataclass(frozen=True, slots=True)
class _Items:
    """The items of some rows.

    Attributes:
        rows: of each item, counted from 0 in the table.
        places: of each item, counted from 1 in its row.
        keys: indices or tags, dictionary-encoded.
        values: texts; None where a tag stands alone.
        labels: by row.
    """

    rows: Integers
    places: Integers
    keys: pa.DictionaryArray
    values: pa.Array | None
    labels: pa.Array | None

    def error(self, item: int, message: str) -> DataError:
        return DataError(f"Row {self.rows[item] + 1}, item {self.places[item]}: {message}")


class _Columns:
    """Columns that are found while rows are read."""

    def __init__(self, rows: int, absent: float, header: Sequence[str] | None) -> None:
        self._rows, self._absent, self._read = rows, absent, 0
        self._fixed = header is not None
        self.places = {name: place for place, name in enumerate(header or ())}
        check_size(rows, len(self.places))
        self._matrix: Floats = np.zeros((max(len(self.places), 1), rows))

    def add(self, items: _Items, names: Sequence[str], values: Floats, rows: int) -> int:
        """Take in the next ``rows`` rows; returns how many items were left out."""
        known = len(self.places)
        if not self._fixed:
            for name in names:
                self.places.setdefault(name, len(self.places))
            self._grow()
        start, self._read = self._read, self._read + rows
        if self._absent != 0:
            self._matrix[:known, start : self._read] = self._absent
            self._matrix[known : len(self.places), : self._read] = self._absent
        places = np.array([self.places.get(name, -1) for name in names], dtype=np.int64)
        place = places[items.keys.indices.to_numpy()]
        kept = place >= 0
        if kept.all():
            self._matrix[place, items.rows] = values
            return 0
        self._matrix[place[kept], items.rows[kept]] = values[kept]
        return int(kept.size - kept.sum())

    def _grow(self) -> None:
        needed, capacity = len(self.places), len(self._matrix)
        if needed > capacity:
            check_size(self._rows, needed)
            # Zeros that nobody wrote take no memory: only the rows read so far are copied.
            larger = np.zeros((max(needed, 2 * capacity), self._rows))
            larger[:capacity, : self._read] = self._matrix[:, : self._read]
            self._matrix = larger

    def taken(self, header: Sequence[str]) -> dict[str, Floats]:
        absent = np.full(self._rows, self._absent)
        return {name: self._matrix[self.places[name]] if name in self.places else absent for name in header}


def check_size(rows: int, columns: int) -> None:
    """Whether a table of numbers fits in memory.

    Raises:
        DataError: it does not.
    """
    needed, free = rows * columns * 8, psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"{rows} rows of {columns} features would take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. "
            "Each feature becomes a column here, also where few rows have it: leave rare ones out, or give it more "
            "memory."
        )


def _batches(lines: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in lines.chunks:
        for start in range(0, len(chunk), BATCH_ROWS):
            yield pc.fill_null(chunk.slice(start, BATCH_ROWS), "")


def _split(form: LineFormat, batch: pa.Array, start: int) -> _Items:
    parts = pc.split_pattern(batch, form.delimitor)
    lengths = pc.list_value_length(parts).to_numpy()
    texts = pc.utf8_trim_whitespace(parts.flatten())
    ends = np.cumsum(lengths)
    places = np.arange(len(texts), dtype=np.int64) - np.repeat(ends - lengths, lengths) + 1
    rows = np.repeat(np.arange(start, start + len(batch), dtype=np.int64), lengths)
    labels = None
    filled = pc.not_equal(texts, "").to_numpy(zero_copy_only=False)
    if form.with_label:
        # Splitting gives every row at least one item, if an empty one.
        labels = texts.take(pa.array(ends - lengths))
        if _no_label(form, labels):
            labels = None
        else:
            filled &= places > 1
    texts = texts.filter(pa.array(filled))
    rows, places = rows[filled], places[filled]
    if not (form.indexed or form.with_value):
        return _Items(rows, places, texts.dictionary_encode(), None, labels)
    pairs = pc.split_pattern(texts, form.value_delimitor, max_splits=1, reverse=True)
    halves = pc.list_value_length(pairs).to_numpy()
    single = np.flatnonzero(halves != 2)
    if single.size:
        where = f"Row {rows[single[0]] + 1}, item {places[single[0]]}"
        hint = "" if form.with_label else " Where rows begin with their label, set with_label."
        raise DataError(f"{where}: there is no {form.value_delimitor!r} before a value.{hint}")
    flat = pairs.flatten()
    first = np.arange(len(texts), dtype=np.int64) * 2
    return _Items(rows, places, flat.take(pa.array(first)).dictionary_encode(), flat.take(pa.array(first + 1)), labels)


def _no_label(form: LineFormat, first: pa.Array) -> bool:
    """Whether the rows to predict begin with a feature, all of them."""
    if not (form.indexed or form.with_value) or not len(first):
        return False
    return bool(pc.all(pc.match_substring(first, form.value_delimitor)).as_py())


def _names(form: LineFormat, items: _Items) -> list[str]:
    keys = items.keys.dictionary
    if not form.indexed:
        names: list[str] = keys.to_pylist()
        return names
    try:
        numbers = keys.cast(pa.int64())
    except pa.ArrowInvalid:
        numbers = None
    if numbers is None or (len(numbers) and pc.min(numbers).as_py() < 0):
        whole = pc.match_substring_regex(keys, "^[0-9]{1,18}$").to_numpy(zero_copy_only=False)
        item = int(np.flatnonzero(~whole[items.keys.indices.to_numpy()])[0])
        raise items.error(item, "the index is not a whole number of at least 0.")
    return [SPARSE_NAME.format(number) for number in numbers.to_pylist()]


def _values(form: LineFormat, items: _Items) -> Floats:
    if items.values is None:
        return np.ones(len(items.keys))
    texts = items.values
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        missing = pc.is_in(texts, value_set=pa.array([*form.missing, "", "nan", "NaN"], pa.string()))
        texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
        try:
            numbers = texts.cast(pa.float64())
        except pa.ArrowInvalid:
            raise items.error(
                _first_not_number(texts), "the value is not a number. Name what counts as missing with missing_impute."
            ) from None
    values: Floats = pc.fill_null(numbers, NAN).to_numpy()
    return values


def _first_not_number(texts: pa.Array) -> int:
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            texts.slice(low, middle - low).cast(pa.float64())
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _ordered(form: LineFormat, columns: _Columns, rows: int) -> list[str]:
    if not form.indexed:
        return sorted(columns.places)
    last = max(int(name.removeprefix(SPARSE_NAME.format(""))) for name in columns.places)
    check_size(rows, last + 1)
    return [SPARSE_NAME.format(index) for index in range(last + 1)]


def line_column(data: pa.Table, names: Sequence[str]) -> pa.ChunkedArray | None:
    """The column that holds whole rows, where that is the only one."""
    if len(names) != 1:
        return None
    column: Any = data.column(names[0])
    return (
        column.cast(pa.string()) if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else None
    )


def joined_columns(data: pa.Table, names: Sequence[str], delimitor: str) -> pa.ChunkedArray:
    """The values of columns as whole rows, which is how FATE keeps any table."""
    texts = [data.column(name).cast(pa.string()) for name in names]
    return pc.binary_join_element_wise(*texts, delimitor, null_handling="replace", null_replacement="")
