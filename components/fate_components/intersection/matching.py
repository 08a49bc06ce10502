"""Finding equal elements and putting rows into an order that all parties can agree on without a message."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.table import Table
from fate_federated.wire.payload import ELEMENT_BYTES, GroupElements

Rows = npt.NDArray[np.int64]


def check_ids(table: Table) -> None:
    """Intersection needs each id once.

    Raises:
        DataError: an id is missing, or two rows have the same; the text names rows, counted from 1, and no id.
    """
    ids = table.ids
    if ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py() + 1
        raise DataError(f"{ids.null_count} rows have no id in column {table.id_column!r}, the first is row {row}.")
    codes = ids.dictionary_encode()
    if len(codes.dictionary) == len(ids):
        return
    numbers = codes.indices.to_numpy()
    _, first_seen = np.unique(numbers, return_index=True)
    second = int(np.flatnonzero(first_seen[numbers] != np.arange(len(numbers)))[0])
    raise DataError(
        f"Column {table.id_column!r} has {len(ids) - len(codes.dictionary)} duplicate ids: rows "
        f"{int(first_seen[numbers[second]]) + 1} and {second + 1} are the first of them. "
        "Remove them before the upload."
    )


def sort_elements(elements: GroupElements) -> tuple[GroupElements, Rows]:
    """The elements in the order of their bytes, and for each the row that it came from.

    Blinded elements look random, so their order says nothing of the order of the rows.
    """
    matrix = np.frombuffer(elements.data, np.uint8).reshape(-1, ELEMENT_BYTES)
    rows = np.argsort(matrix.view(f"S{ELEMENT_BYTES}").reshape(-1), kind="stable").astype(np.int64)
    return GroupElements(matrix[rows].tobytes()), rows


def find_elements(mine: GroupElements, theirs: GroupElements) -> Rows:
    """For each of my elements its position among theirs, -1 where it is not there; shape (len(mine),)."""
    found = pc.index_in(_arrow(mine), value_set=_arrow(theirs))
    positions: Rows = pc.fill_null(found, -1).to_numpy().astype(np.int64)
    return positions


def _arrow(elements: GroupElements) -> pa.Array:
    data = pa.py_buffer(elements.data)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(ELEMENT_BYTES), len(elements), [None, data])


def check_positions(received: object, rows: int) -> Rows:
    """Positions that a peer sent.

    Raises:
        MessageRejected: they are not increasing positions in ``0..rows-1``.
    """
    if not isinstance(received, np.ndarray) or received.dtype != np.int64 or received.ndim != 1:
        raise MessageRejected("The guest sent common rows that are not a list of positions.")
    positions: Rows = received
    if positions.size and (positions[0] < 0 or positions[-1] >= rows or (np.diff(positions) <= 0).any()):
        raise MessageRejected(f"The guest sent positions of common rows that are no subset of the {rows} rows here.")
    return positions


def in_common_order(table: Table) -> Table:
    """Rows ordered by the SHA-256 of their ids, which never leave the party.

    Every party that has exactly these ids arrives at the same order without a message; it says nothing of the rows
    that are not common, and, unlike the ids' own order, nothing that the labels might follow.
    """
    keys = [hashlib.sha256(text.encode()).digest() for text in table.ids.to_pylist()]
    order = pc.sort_indices(pa.array(keys, pa.binary(32)))
    return table.take(order.to_numpy().astype(np.int64))
