"""Turning the columns of a table into features and a label."""

from __future__ import annotations

import logging
from typing import ClassVar

import pyarrow as pa

from fate_components.data_transform.fit import Learnt, find_column, learn
from fate_components.data_transform.messages import model_of
from fate_components.data_transform.model import Plan, parse_column, plan_of, transform_column
from fate_components.data_transform.spec import DataIoParams, DataTransformParams
from fate_federated.catalog.spec import ComponentParams
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class DataIO(Component[DataIoParams]):
    """Name the label, type the columns, fill what is missing. Each party by itself; nothing is sent.

    Without a model it learns the header and the fills; with one it applies these to columns matched by name.
    """

    Params: ClassVar[type[ComponentParams]] = DataIoParams
    module = "DataIO"

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = inputs.first("data")
        if table is None:
            raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
        if inputs.model is not None:
            return self._transform(ctx, table, inputs.model)
        label = self._label_column(table)
        names = [name for name in table.data.column_names if name not in (table.id_column, label)]
        learnt = learn(self.params, table.data, names)
        output = self._output(table, label, self.params.label_type, learnt.features)
        self._tell(ctx, output, learnt)
        return Outputs((output,), model_of(self.module, self.params, learnt, table.id_column, label))

    def _transform(self, ctx: TaskContext, table: Table, model: Model) -> Outputs:
        learnt = plan_of(model, self.module)
        label = table.label_column
        if learnt.with_label:
            try:
                label = find_column(learnt.label_name, table.data.column_names, "label_name")
            except DataError:
                log.info("the rows have no label %r: they can be predicted, not evaluated", learnt.label_name)
        features = _matched(learnt.plan, table, label)
        output = self._output(table, label, learnt.label_type, features)
        ctx.tracker.set_summary({"rows": len(output), "header": list(features)})
        return Outputs((output,), model)

    def _label_column(self, table: Table) -> str | None:
        if not self.params.with_label:
            return table.label_column
        columns = [name for name in table.data.column_names if name != table.id_column]
        return find_column(self.params.label_name, columns, "label_name")

    def _output(self, table: Table, label: str | None, label_type: str, features: dict[str, pa.Array]) -> Table:
        columns = {table.id_column: table.ids}
        if label is not None:
            columns[label] = _label(label, table.data.column(label), label_type)
        return Table(pa.table(columns | features), table.id_column, label)

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


def _matched(plan: Plan, table: Table, label: str | None) -> dict[str, pa.Array]:
    """The plan's features from the columns of the same names."""
    wanted = [column.name for column in plan.columns]
    there = [name for name in table.data.column_names if name not in (table.id_column, label)]
    absent = [name for name in wanted if name not in there]
    if absent:
        raise DataError(f"The model was trained on columns that the table lacks: {', '.join(absent)}.")
    extra = [name for name in there if name not in wanted]
    if extra:
        log.warning("columns that the model does not know are dropped: %s", ", ".join(extra))
    elif there != wanted:
        log.warning("columns are put into the order of the model")
    return {column.name: transform_column(plan, column, table.data.column(column.name)) for column in plan.columns}


def _label(name: str, raw: pa.ChunkedArray, label_type: str) -> pa.Array:
    values = parse_column(name, raw, label_type, (), ()).values
    if values.null_count:
        row = values.is_null().index(True).as_py() + 1
        raise DataError(f"The label {name!r} is missing in {values.null_count} rows, the first is row {row}.")
    return values
