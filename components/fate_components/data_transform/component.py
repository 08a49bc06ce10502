"""Turning the columns of a table into features and a label."""

from __future__ import annotations

import logging
from typing import ClassVar

import pyarrow as pa

from fate_components.data_transform.fit import Learnt, learn
from fate_components.data_transform.messages import layout_of, model_of, trained_transform
from fate_components.data_transform.model import parse_column, transform_column
from fate_components.data_transform.raw import RawRows, read_rows
from fate_components.data_transform.spec import DataIoParams, DataTransformParams
from fate_components.tables import input_table
from fate_federated.catalog.spec import ComponentParams
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class DataIO(Component[DataIoParams]):
    """Name the label, type the columns, fill what is missing. Each party by itself; nothing is sent.

    Rows may also be one text each that lists tags, or pairs of index and value: each tag or index becomes a column.

    Without a model it learns the header and the fills; with one it applies these to columns matched by name.
    """

    Params: ClassVar[type[ComponentParams]] = DataIoParams
    module = "DataIO"

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            return self._transform(ctx, table, inputs.model)
        raw = read_rows(table, layout_of(self.params))
        learnt = learn(self.params, raw.features, raw.features.column_names)
        output = _output(table, raw, self.params.label_type, learnt.features)
        self._tell(ctx, output, learnt)
        return Outputs((output,), model_of(self.module, self.params, learnt, table.id_column, raw))

    def _transform(self, ctx: TaskContext, table: Table, model: Model) -> Outputs:
        trained = trained_transform(model, self.module)
        plan = trained.plan
        raw = read_rows(table, trained.layout, [column.name for column in plan.columns])
        features = {
            column.name: transform_column(plan, column, raw.features.column(column.name)) for column in plan.columns
        }
        output = _output(table, raw, trained.label_type, features)
        ctx.tracker.set_summary({"rows": len(output), "header": list(features)})
        return Outputs((output,), model)

    def _tell(self, ctx: TaskContext, output: Table, learnt: Learnt) -> None:
        filled = {name: ratio for name, ratio in learnt.missing_ratio.items() if ratio}
        log.info(
            "%d rows, %d features, label %s, %d columns with missing values",
            len(output), len(learnt.features), output.label_column or "none", len(filled),
        )  # fmt: skip
        ctx.tracker.set_summary({"rows": len(output), "header": list(learnt.features), "missing_ratio": filled})


class DataTransform(DataIO):
    """The same under its newer name."""

    Params: ClassVar[type[ComponentParams]] = DataTransformParams
    module = "DataTransform"


def _output(table: Table, raw: RawRows, label_type: str, features: dict[str, pa.Array]) -> Table:
    columns = {table.id_column: table.ids}
    if raw.match_id_name is not None:
        columns[raw.match_id_name] = table.data.column(raw.match_id_name).cast(pa.string())
    if raw.label_name is not None and raw.label is not None:
        columns[raw.label_name] = _label(raw.label_name, raw.label, label_type)
    twice = sorted(columns.keys() & features.keys())
    if twice:
        raise DataError(f"A feature has the name of the id or of the label: {', '.join(twice)}.")
    return Table(pa.table(columns | features), table.id_column, raw.label_name, raw.match_id_name)


def _label(name: str, raw: pa.ChunkedArray, label_type: str) -> pa.Array:
    values = parse_column(name, raw, label_type, ("",), ()).values
    if values.null_count:
        row = values.is_null().index(True).as_py() + 1
        raise DataError(f"The label {name!r} is missing in {values.null_count} rows, the first is row {row}.")
    return values
