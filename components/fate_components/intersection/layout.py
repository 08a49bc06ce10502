"""The rows of the result, the same at all parties: their order, their repetitions, their ids.

Without a layout, rows stand in the order that all parties find by themselves, and keep their ids. One party lays them
out for all where it has several rows of one id, where its sample ids are not what was matched, or where the conf asks
for new ids or a left join. The others then learn how many rows stand for each common id and, in a left join, how many
rows are that party's alone, at random places.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from fate_components.intersection.matching import Rows, common_order, random_order
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.table import Table
from fate_federated.wire.payload import Ids, Wire


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of the result.

    Attributes:
        places: for each row its place among the common ids in their order, -1 for a row of one party alone.
        ids: of the rows, each once.
    """

    places: Rows
    ids: pa.Array

    def to_wire(self) -> dict[str, Wire]:
        return {"places": self.places, "ids": Ids(self.ids)}

    @classmethod
    def from_wire(cls, value: Any, common: int, *, left_join: bool) -> Layout:
        """What the party sent that lays out the rows.

        Raises:
            MessageRejected: it leaves out a common id, names one that is not, or an id twice.
        """
        if not isinstance(value, dict) or set(value) != {"places", "ids"} or not isinstance(value["ids"], Ids):
            raise MessageRejected("A peer sent rows of the result that are no layout.")
        places, ids = value["places"], value["ids"].values
        if not isinstance(places, np.ndarray) or places.dtype != np.int64 or places.shape != (len(ids),):
            raise MessageRejected("A peer sent rows of the result in another number than their ids.")
        inside = places[places >= 0]
        if len(np.unique(inside)) != common or (inside >= common).any() or (places < (-1 if left_join else 0)).any():
            raise MessageRejected("A peer's rows of the result do not fit the common ids.")
        if len(ids.unique()) != len(ids):
            raise MessageRejected("A peer gave two rows of the result the same id.")
        return cls(places, ids)


def ordered_common(ids: pa.Array, places: Rows) -> Rows:
    """Places of the common ids, in the order that all parties find."""
    found: Rows = places[common_order(ids.take(places).to_pylist())]
    return found


def places_among(numbers: Rows, common: Rows) -> Rows:
    """For each row the place of its id among the common ones, -1 where it is not common.

    Args:
        numbers: for each row the place of its id among the party's distinct ones.
        common: places of the common ids among the distinct ones, in order.
    """
    place_of = np.full(max(int(numbers.max(initial=-1)), int(common.max(initial=-1))) + 1, -1, np.int64)
    place_of[common] = np.arange(len(common))
    return place_of[numbers]


def lay_out(table: Table, places: Rows, *, new_ids: bool, left_join: bool) -> tuple[Rows, pa.Array]:
    """The part of the party that lays out: its rows in their order, and their ids.

    Args:
        places: see :func:`places_among`.
    """
    if left_join:
        rows = random_order(len(table))
    else:
        kept = np.flatnonzero(places >= 0)
        rows = kept[np.argsort(places[kept], kind="stable")]
    ids = table.ids.take(pa.array(rows))
    if new_ids:
        ids = pa.array([secrets.token_hex(16) for _ in range(len(rows))], pa.string())
    elif len(ids.unique()) != len(ids):
        ids = _numbered(ids)
    return rows, ids


def follow(layout: Layout, table: Table, rows: Rows) -> Table:
    """The part of the others.

    Args:
        rows: of the table, one for each common id, in order.
    """
    alone = layout.places < 0
    taken = pa.array(np.append(rows, 0)[layout.places] if len(rows) else np.zeros(len(alone), np.int64), mask=alone)
    return with_ids(replace(table, data=table.data.take(taken)), layout.ids)


def single_rows(table: Table, numbers: Rows, common: Rows) -> Rows:
    """The table's row of each common id.

    Raises:
        DataError: it has several of one; the party that may have that is another one.
    """
    counts = np.bincount(numbers, minlength=int(common.max(initial=-1)) + 1)
    if (counts[common] > 1).any():
        raise DataError(
            f"{int((counts[common] > 1).sum())} common ids stand in several rows here, and another party lays out the "
            "rows. Set repeated_id_owner or sample_id_generator to the role whose ids repeat.",
            public=True,
        )
    row_of = np.empty(len(counts), np.int64)
    row_of[numbers] = np.arange(len(numbers))
    rows: Rows = row_of[common]
    return rows


def _numbered(ids: pa.Array) -> pa.Array:
    """A repeated id with the number of its row among those of that id."""
    seen: dict[str, int] = {}
    texts = []
    for text in ids.to_pylist():
        seen[text] = seen.get(text, 0) + 1
        texts.append(f"{text}#{seen[text]}")
    return pa.array(texts, pa.string())


def with_ids(table: Table, ids: pa.Array) -> Table:
    """The ids that were matched stay as match ids, where the rows get others."""
    if ids.equals(table.ids):
        return table
    data, match_id = table.data, table.match_id_column
    if match_id is None:
        match_id = f"{table.id_column}.matched"
        data = data.append_column(match_id, data.column(table.id_column))
    place = data.column_names.index(table.id_column)
    return replace(table, data=data.set_column(place, table.id_column, ids), match_id_column=match_id)


def keys_alone(table: Table) -> Table:
    """The sample ids without the columns."""
    return Table(table.data.select([table.id_column]), table.id_column)
