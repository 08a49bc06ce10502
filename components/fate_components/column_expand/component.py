"""Further columns, each of one value."""

from __future__ import annotations

import logging

import pyarrow as pa

from fate_components.alone import AloneComponent
from fate_components.column_expand.spec import ColumnExpandParams
from fate_components.tables import input_table
from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import column_expand_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model

log = logging.getLogger(__name__)


class ColumnExpand(AloneComponent[ColumnExpandParams]):
    """Append columns that hold one value each. Each party by itself; nothing is sent.

    With a model it appends the columns of the training.
    """

    Params = ColumnExpandParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is None:
            names, fills = self.params.names, tuple(map(str, self.params.fills))
        else:
            names, fills = _columns_of(inputs.model)
        there = [name for name in names if name in table.data.column_names]
        if there:
            raise DataError(f"append_header names columns that the table of {ctx.party} has: {', '.join(there)}.")
        data = table.data
        for name, fill in zip(names, fills if len(fills) == len(names) else fills * len(names), strict=True):
            data = data.append_column(name, pa.repeat(_scalar(fill), len(table)))
        output = table.with_columns({name: data.column(name) for name in (*table.feature_names, *names)})
        log.info("%d columns appended", len(names))
        ctx.tracker.set_summary({"append_header": list(names), "header": list(output.feature_names)})
        if inputs.model is not None:
            return Outputs((output,), inputs.model)
        meta = pb.ColumnExpandMeta(
            append_header=names, method=self.params.method, fill_value=fills, need_run=self.params.need_run
        )
        return Outputs((output,), Model("ColumnExpand", meta, pb.ColumnExpandParam(header=output.feature_names)))


def _scalar(text: str) -> pa.Scalar:
    """A fill as the value that it spells: a whole number, a number, or text. None, as FATE writes it, is missing."""
    if text == "None":
        return pa.scalar(None, pa.float64())
    for parse, kind in ((int, pa.int64()), (float, pa.float64())):
        try:
            return pa.scalar(parse(text), kind)
        except (ValueError, OverflowError):
            continue
    return pa.scalar(text, pa.string())


def _columns_of(model: Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(model.meta, pb.ColumnExpandMeta):
        raise ModelError(f"ColumnExpand cannot apply a model of {model.module}.")
    return tuple(model.meta.append_header), tuple(model.meta.fill_value)
