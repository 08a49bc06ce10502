"""Reading tables of predictions: which rows belong together, their numbers, classes and scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from fate_components.evaluation.binary import Floats, Mask
from fate_components.evaluation.multiclass import as_text
from fate_federated.errors import DataError
from fate_federated.task.table import Table

LABEL, RESULT, SCORE, DETAIL, TYPE = "label", "predict_result", "predict_score", "predict_detail", "type"
FOLD = "fold"
"""Of the rows that a cross validation hands on: every row once for each fold."""
CLUSTER = ("predicted_cluster_index", "predicted_label", RESULT)
"""What the column of a row's cluster may be called."""
SPREAD, RADIUS, DISTANCE = "cluster_inner_dist", "cluster_max_radius", "inter_cluster_dist"
"""Of tables with one row per cluster: mean and largest distance of its rows to its centre, and a list of the distances
of its centre to those of all clusters, in the order of the rows."""

_SLICE = 2**17

_READ = (LABEL, RESULT, SCORE, DETAIL, TYPE, FOLD, *CLUSTER, SPREAD, RADIUS, DISTANCE)


def data_sets(table: Table, kind_otherwise: str) -> Iterator[tuple[str, str, Table]]:
    """The rows of each value of the column ``type`` (train, validate, predict ...), without columns of no use here.

    Args:
        kind_otherwise: the type of rows that have none.

    Yields:
        the fold, as text, empty without a column ``fold``; the type; the rows.
    """
    names = [name for name in table.data.column_names if name in (*_READ, table.label_column, table.weight_column)]
    data = table.data.select([table.id_column, *(name for name in names if name != table.id_column)])
    for fold, of_fold in _parts(data, FOLD, ""):
        for kind, rows in _parts(of_fold, TYPE, kind_otherwise):
            yield fold, kind, Table(rows, table.id_column, table.label_column, weight_column=table.weight_column)


def _parts(data: pa.Table, name: str, otherwise: str) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each value of a column, those without a value under another name."""
    if name not in data.column_names:
        yield otherwise, data
        return
    values = pc.fill_null(data.column(name).cast(pa.string()), otherwise)
    distinct = pc.unique(values).to_pylist()
    for value in distinct:
        yield value, data if len(distinct) == 1 else data.filter(pc.equal(values, value))


def label_name(table: Table) -> str:
    """What the column of the label is called."""
    return table.label_column or LABEL


def has_labels(table: Table) -> bool:
    """Whether any row says what is true of it."""
    name = label_name(table)
    return name in table.data.column_names and table.data.column(name).null_count < len(table)


def numbers(table: Table, name: str) -> Floats:
    """A column of finite numbers, shape (rows,).

    Raises:
        DataError: it is not.
    """
    try:
        values: Floats = pc.fill_null(column(table, name).cast(pa.float64()), float("nan")).to_numpy()
    except pa.ArrowException as error:
        raise DataError(f"Column {name!r} holds something other than numbers.") from error
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(f"Column {name!r} has {bad.size} missing or infinite values, the first in row {bad[0] + 1}.")
    return values


def classes(table: Table, name: str) -> pa.Array:
    """A column of labels, numbers or texts, of which none is missing; shape (rows,).

    Raises:
        DataError: one is, or they are something else.
    """
    values = column(table, name).combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        if values.null_count:
            first = pc.index(values.is_null(), True).as_py() + 1
            raise DataError(f"Column {name!r} has {values.null_count} missing values, the first in row {first}.")
        return values.cast(pa.string())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    return pa.array(numbers(table, name)) if pa.types.is_floating(values.type) or values.null_count else values


def is_class(values: pa.Array, name: float | str) -> Mask:
    """Which of these labels are a class; a text names the class of a number that it spells."""
    if pa.types.is_string(values.type):
        return _mask(pc.equal(values, as_text(pa.array([name]))[0]))
    try:
        return _mask(pc.equal(values.cast(pa.float64()), float(name)))
    except ValueError:
        return np.zeros(len(values), np.bool_)


def weights(table: Table) -> Floats | None:
    """How much each row counts, shape (rows,); None where all count the same.

    Raises:
        DataError: a weight is missing, negative or infinite, or all are 0.
    """
    if table.weight_column is None:
        return None
    weight = numbers(table, table.weight_column)
    if weight.min(initial=0.0) < 0 or not weight.any():
        raise DataError(f"The weights in {table.weight_column!r} are not at least 0 and greater than 0 for some row.")
    return weight


def class_scores(table: Table) -> dict[str, Floats]:
    """What predict_detail, a JSON object per row, says of each class; arrays of shape (rows,).

    Raises:
        DataError: it is something else, or a row lacks a class that others have.
    """
    details = column(table, DETAIL)
    try:
        # In slices, so that not all of the text is in memory a second time.
        slices = [details.slice(start, _SLICE) for start in range(0, len(details), _SLICE)]
        parsed = pa.concat_tables(map(_parsed, slices), promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"Column {DETAIL!r} holds something other than JSON objects: {error}") from error
    return {name: numbers(Table(parsed, name), name) for name in parsed.column_names}


def _parsed(details: pa.ChunkedArray) -> pa.Table:
    """JSON objects as a table with a column for each name in them."""
    texts = pc.fill_null(details.cast(pa.large_string()), "{}").combine_chunks()
    lines = pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), pa.scalar("\n", pa.large_string()))[0]
    parsed = pyarrow.json.read_json(pa.BufferReader(lines.as_buffer()))
    if len(parsed) != len(texts):
        raise DataError(f"Column {DETAIL!r} does not hold one JSON object in each row.")
    return parsed


def column(table: Table, name: str) -> pa.ChunkedArray:
    """A column by name.

    Raises:
        DataError: there is none.
    """
    if name not in table.data.column_names:
        raise DataError(f"Evaluation needs the column {name!r}; there are {', '.join(table.data.column_names)}.")
    return table.data.column(name)


def _mask(values: pa.BooleanArray) -> Mask:
    mask: Mask = values.to_numpy(zero_copy_only=False)
    return mask
