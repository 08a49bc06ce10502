"""The rows of several tables in one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.alone import AloneComponent
from fate_components.union.spec import UnionParams
from fate_federated.errors import DataError
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class Union(AloneComponent[UnionParams]):
    """Put tables with the same columns one below the other. Each party by itself; nothing is sent.

    Columns are matched by name, in the first table's order. Of several rows with one id the first stays, unless
    ``keep_duplicate`` tells them apart by the component that made their table.
    """

    Params = UnionParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        tables = _named(inputs)
        if len(tables) < 2:
            raise DataError(f"{ctx.component} has {len(tables)} input tables at {ctx.party}; it puts several together.")
        self._check(tables)
        if self.params.keep_duplicate:
            united = _unique(_concatenated([_renamed(table, name) for name, table in tables.items()]))
        else:
            united = _first_of_each_id(_concatenated(list(tables.values())))
        counts = {name: len(table) for name, table in tables.items()} | {"Total": len(united)}
        log.info("%s", ", ".join(f"{name} {count} rows" for name, count in counts.items()))
        ctx.tracker.log_metric("train", "union", (), {"metric_type": "UNION", "values": counts})
        ctx.tracker.set_summary(counts)
        return Outputs((united,))

    def _check(self, tables: Mapping[str, Table]) -> None:
        names = iter(tables.items())
        first_name, first = next(names)
        for name, table in names:
            for what, one, other in (
                ("id", first.id_column, table.id_column),
                ("label", first.label_column, table.label_column),
                ("match id", first.match_id_column, table.match_id_column),
                ("weight", first.weight_column, table.weight_column),
            ):
                if one != other:
                    raise DataError(
                        f"The {what} of {first_name} is {_text(one)}, that of {name} is {_text(other)}: "
                        "their rows cannot stand in one table."
                    )
            apart = sorted(set(first.data.column_names) ^ set(table.data.column_names))
            if apart and not self.params.allow_missing:
                raise DataError(
                    f"{first_name} and {name} differ in the columns {', '.join(apart)}. "
                    "Set allow_missing to true to have missing values there."
                )


def _named(inputs: Inputs) -> dict[str, Table]:
    """The tables by the component that made each, numbered where it made several."""
    tables = inputs.data.get("data", ())
    sources = inputs.sources.get("data") or [f"table_{number}" for number in range(len(tables))]
    several = Counter(sources)
    seen: Counter[str] = Counter()
    named = {}
    for source, table in zip(sources, tables, strict=True):
        named[source if several[source] == 1 else f"{source}_{seen[source]}"] = table
        seen[source] += 1
    return named


def _text(column: str | None) -> str:
    return "none" if column is None else repr(column)


def _renamed(table: Table, name: str) -> Table:
    ids = pc.binary_join_element_wise(table.ids, name, "_")
    index = table.data.schema.get_field_index(table.id_column)
    return replace(table, data=table.data.set_column(index, table.id_column, ids))


def _concatenated(tables: Sequence[Table]) -> Table:
    # Without an upload's metadata, which names only one table's columns.
    parts = [table.data.replace_schema_metadata(None) for table in tables]
    try:
        return replace(tables[0], data=pa.concat_tables(parts, promote_options="permissive").combine_chunks())
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        raise DataError(f"The tables' columns are of types that do not go together: {error}") from error


def _first_rows(table: Table) -> np.ndarray:
    """Positions of the first row of each id, ascending."""
    codes = table.ids.dictionary_encode(null_encoding="encode").indices.to_numpy()
    return np.sort(np.unique(codes, return_index=True)[1]).astype(np.int64)


def _first_of_each_id(table: Table) -> Table:
    rows = _first_rows(table)
    return table if len(rows) == len(table) else table.take(rows)


def _unique(table: Table) -> Table:
    repeated = len(table) - len(_first_rows(table))
    if repeated:
        raise DataError(f"{repeated} rows have an id that another row of their table has as well.")
    return table
