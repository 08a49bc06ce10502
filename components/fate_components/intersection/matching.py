"""Finding equal elements, and orders that say nothing of the rows."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.table import Table

Rows = npt.NDArray[np.int64]


def random_order(count: int) -> Rows:
    """A permutation that nobody can guess."""
    keys = np.frombuffer(secrets.token_bytes(8 * count), np.uint64)
    return np.argsort(keys, kind="stable").astype(np.int64)


def find(mine: pa.Array, theirs: pa.Array) -> Rows:
    """For each of mine its position among theirs, -1 where it is not there; shape (len(mine),)."""
    positions: Rows = pc.fill_null(pc.index_in(mine, value_set=theirs), -1).to_numpy().astype(np.int64)
    return positions


def as_values(data: bytes, width_bytes: int) -> pa.Array:
    """Elements one after the other as an array."""
    count = len(data) // width_bytes
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width_bytes), count, [None, pa.py_buffer(data)])


def check_positions(received: object, rows: int) -> Rows:
    """Positions that a peer sent.

    Raises:
        MessageRejected: they are not increasing positions in ``0..rows-1``.
    """
    if not isinstance(received, np.ndarray) or received.dtype != np.int64 or received.ndim != 1:
        raise MessageRejected("A peer sent common rows that are not a list of positions.")
    positions: Rows = received
    if positions.size and (positions[0] < 0 or positions[-1] >= rows or (np.diff(positions) <= 0).any()):
        raise MessageRejected(f"A peer sent positions of common rows that are no subset of the {rows} rows here.")
    return positions


def check_pairs(received: object, mine: int, theirs: int) -> tuple[Rows, Rows]:
    """Equal elements that a peer found: positions in my list and in the peer's.

    Raises:
        MessageRejected: they are no pairs of positions, or name one twice.
    """
    if not isinstance(received, np.ndarray) or received.dtype != np.int64 or received.shape[:1] != (2,):
        raise MessageRejected("A peer sent matches that are no pairs of positions.")
    pairs = received.reshape(2, -1)
    for positions, count in zip(pairs, (mine, theirs), strict=True):
        check_positions(np.sort(positions), count)
    return pairs[0], pairs[1]


def distinct_ids(table: Table, repeatable: bool) -> tuple[pa.Array, Rows]:
    """What rows are matched by, each once in the order of its first row, and for each row its place there.

    Raises:
        DataError: an id is missing, or two rows have the same where that is not ``repeatable``; the text names rows,
            counted from 1, and no id.
    """
    ids, name = table.match_ids, table.match_id_column or table.id_column
    if ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py() + 1
        raise DataError(f"{ids.null_count} rows have no id in column {name!r}, the first is row {row}.")
    codes = ids.dictionary_encode()
    numbers: Rows = codes.indices.to_numpy().astype(np.int64)
    if len(codes.dictionary) == len(ids) or repeatable:
        return codes.dictionary, numbers
    _, first_seen = np.unique(numbers, return_index=True)
    second = int(np.flatnonzero(first_seen[numbers] != np.arange(len(numbers)))[0])
    raise DataError(
        f"Column {name!r} has {len(ids) - len(codes.dictionary)} duplicate ids: rows "
        f"{int(first_seen[numbers[second]]) + 1} and {second + 1} are the first of them. "
        "Remove them before the upload, or set repeated_id_process and repeated_id_owner."
    )


def common_order(ids: Sequence[str]) -> Rows:
    """The order of the SHA-256 of the ids, which never leave the party.

    Every party that has exactly these ids arrives at the same order without a message; it says nothing of the rows
    that are not common, and, unlike the ids' own order, nothing that the labels might follow.
    """
    keys = [hashlib.sha256(text.encode()).digest() for text in ids]
    order: Rows = pc.sort_indices(pa.array(keys, pa.binary(32))).to_numpy().astype(np.int64)
    return order
