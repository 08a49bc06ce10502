"""What components ask of tables: that there is one, and whether peers have the same rows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.component import Inputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table


def input_table(ctx: TaskContext, inputs: Inputs, port: str = "data", *otherwise: str) -> Table:
    """The first table of a port, or of the one of the others that has one.

    Raises:
        DataError: there is none, or several ports have one.
    """
    given = [name for name in (port, *otherwise) if inputs.data.get(name)]
    if len(given) > 1:
        raise DataError(
            f"{ctx.component} takes one table, and {ctx.party} has {' and '.join(given)}. Give the second to another "
            "component, with the model of this one.",
            public=True,
        )
    table = inputs.first(port, *otherwise)
    if table is None:
        raise DataError(f"{ctx.component} has no input {port} at {ctx.party}.", public=True)
    return table


def row_rng(ctx: TaskContext, random_state: int | None, table: Table) -> np.random.Generator:
    """Randomness to draw rows of a table with: the task's own, or with a random_state the same for the same labels.

    All parties read random_state in the conf. Labels in the seed keep a host, which sees the outcome, from repeating
    the draw: with strata, which rows were passed over would tell their labels.
    """
    if random_state is None:
        return ctx.rng
    label = class_labels(table)
    secret = b"" if label is None else label.tobytes()
    words = np.frombuffer(hashlib.sha256(secret).digest(), np.uint32)
    return np.random.default_rng([random_state % 2**64, *words.tolist()])


def row_digest(table: Table) -> bytes:
    """SHA-256 of what the rows are matched by, in their order.

    Raises:
        DataError: a row has nothing to be matched by.
    """
    ids = table.match_ids
    if ids.null_count:
        raise DataError(f"{ids.null_count} rows have no id.", public=True)
    digest = hashlib.sha256(pc.binary_length(ids).to_numpy().astype("<i4").tobytes())
    digest.update("".join(ids.to_pylist()).encode())
    return digest.digest()


def send_of_common_rows(ctx: TaskContext, table: Table, tag: str, content: npt.NDArray[Any]) -> None:
    """Tell every host something of the rows that all parties have in one order.

    With it goes a SHA-256 of all that the rows are matched by, so that a host whose rows are others says so. It tells
    a host nothing but whether its own rows are these.
    """
    ctx.hosts.push(tag, {"rows": row_digest(table), "content": content})


def receive_of_common_rows(ctx: TaskContext, table: Table, tag: str) -> npt.NDArray[Any]:
    """What the guest told of the rows that all parties have in one order.

    Raises:
        DataError: the guest has other rows, or another order.
        MessageRejected: it sent something else.
    """
    match ctx.guest.pull(tag):
        case {"rows": bytes() as rows, "content": np.ndarray() as content}:
            if rows != row_digest(table):
                raise DataError(
                    f"The {len(table)} rows of {ctx.party} are not those of {ctx.guest.party} in the same order. "
                    "Give all parties the output of the same Intersection.",
                    public=True,
                )
            return content
    raise MessageRejected(f"{ctx.guest.party} sent something other than an array and the digest of its rows.")


def class_labels(table: Table) -> npt.NDArray[Any] | None:
    """The labels where only their classes count, shape (rows,): numbers if all are, else texts; None without a label.

    A missing one is NaN or "".
    """
    if table.label_column is None:
        return None
    column = table.data.column(table.label_column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column.cast(pa.float64())
        except pa.ArrowInvalid:
            texts: npt.NDArray[np.str_] = pc.fill_null(column, "").to_numpy().astype(np.str_)
            return texts
    return table.label


def label_text(label: float | str) -> str:
    """A label as metrics and models name it: numbers, also those that are texts, and whole ones without a point."""
    try:
        number = float(label)
    except ValueError:
        return str(label)
    return str(int(number)) if number.is_integer() else repr(number)
