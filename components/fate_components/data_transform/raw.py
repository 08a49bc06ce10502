"""The label, the match id and the raw features of a table's rows, however they are written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from fate_components.data_transform.lines import LineFormat, joined_columns, line_column, read_lines
from fate_federated.errors import DataError
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

DENSE = "dense"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a row are.

    Attributes:
        lines: how rows are written that have no columns; None where each feature has its column.
        label_name: of the label; None for rows without one.
        match_id: name of the match id's column, or its position among the columns but the id; None for rows without.
    """

    lines: LineFormat | None
    label_name: str | None
    match_id: str | int | None


@dataclass(frozen=True, slots=True)
class RawRows:
    """The parts of a table's rows.

    Attributes:
        features: nothing but features.
        label_name, label: None where there is none.
        match_id_name: its column in the table.
    """

    features: pa.Table
    label_name: str | None
    label: pa.ChunkedArray | None
    match_id_name: str | None = None


def read_rows(table: Table, layout: Layout, header: Sequence[str] | None = None) -> RawRows:
    """Find the parts of the rows.

    Args:
        header: with a model: its features. Then a label may be absent, and what is no feature of the model is left out.

    Raises:
        DataError: a column is not there, or the rows are written otherwise.
    """
    names = [name for name in table.data.column_names if name != table.id_column]
    if layout.lines is None:
        return _columns(table, layout, names, header)
    lines = line_column(table.data, names)
    if lines is None and names and not (layout.lines.indexed or layout.lines.with_value):
        log.warning("the table has columns: each value in them is read as a tag")
        lines = joined_columns(table.data, names, layout.lines.delimitor)
    if lines is None:
        raise DataError(
            "input_format sparse, and tag with values, take whole rows, of an id and one text. This table has "
            f"{len(names)} columns beside its id: name input_format in FATE's upload configuration, or use dense."
        )
    read = read_lines(layout.lines, lines, header)
    label_name = layout.label_name if read.labels is not None else None
    if layout.label_name is not None and label_name is None:
        if header is None:
            raise DataError("with_label is set, and the first item of every row is a feature. Set with_label to false.")
        log.info("the rows have no label: they can be predicted, not evaluated")
    label = None if read.labels is None else pa.chunked_array([read.labels])
    features = pa.table({name: pa.array(values) for name, values in read.features.items()})
    return RawRows(features, label_name, label)


def _columns(table: Table, layout: Layout, names: list[str], header: Sequence[str] | None) -> RawRows:
    if layout.match_id is None and table.match_id_column is not None:
        match_id: str | None = table.match_id_column
    else:
        match_id = _match_id(layout.match_id, names)
    names = [name for name in names if name != match_id]
    label = table.label_column if layout.label_name is None else _label(layout.label_name, names, header is not None)
    names = [name for name in names if name != label]
    if header is not None:
        _match(header, names)
        names = list(header)
    elif names == ["line"] and line_column(table.data, names) is not None:
        raise DataError("The table has whole rows in place of columns: set input_format to tag or sparse.")
    column = None if label is None else table.data.column(label)
    return RawRows(table.data.select(names), label, column, match_id)


def _match_id(match_id: str | int | None, names: Sequence[str]) -> str | None:
    if match_id is None or isinstance(match_id, str):
        return None if match_id is None else find_column(match_id, names, "match_id_name")
    if not 0 <= match_id < len(names):
        raise DataError(f"match_id_index is {match_id}; beside the id there are the columns 0 to {len(names) - 1}.")
    return names[match_id]


def _label(name: str, names: Sequence[str], predicting: bool) -> str | None:
    try:
        return find_column(name, names, "label_name")
    except DataError:
        if not predicting:
            raise
        log.info("the rows have no label %r: they can be predicted, not evaluated", name)
        return None


def _match(header: Sequence[str], names: Sequence[str]) -> None:
    there, wanted = set(names), set(header)
    absent = [name for name in header if name not in there]
    if absent:
        raise DataError(f"The model was trained on columns that the table lacks: {', '.join(absent)}.")
    extra = [name for name in names if name not in wanted]
    if extra:
        log.warning("columns that the model does not know are dropped: %s", ", ".join(extra))
    elif list(names) != list(header):
        log.warning("columns are put into the order of the model")


def find_column(name: str, columns: Sequence[str], parameter: str) -> str:
    """The column of that name; where there is none, the only one that differs in upper and lower case.

    Raises:
        DataError: there is none, or several differ in case alone.
    """
    if name in columns:
        return name
    near = [column for column in columns if column.casefold() == name.casefold()]
    if len(near) == 1:
        return near[0]
    raise DataError(f"{parameter} names the column {name!r}; the columns are {', '.join(columns)}.")
