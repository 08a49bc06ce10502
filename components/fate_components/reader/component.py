"""Reading a table of the site's catalogue."""

from __future__ import annotations

import logging

from fate_components.reader.spec import ReaderParams
from fate_federated.errors import ConfigError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


class Reader(Component[ReaderParams]):
    """Hand on a table. Each party reads its own; nothing is sent."""

    Params = ReaderParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._read(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._read(ctx, inputs)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._read(ctx, inputs)

    def _read(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if inputs.tables is None:
            raise ConfigError(f"{ctx.component} was given no catalogue to read from.")
        namespace, name = self.params.table.namespace, self.params.table.name
        table = inputs.tables.read(namespace, name)
        columns = [column for column in table.data.column_names if column != table.id_column]
        log.info("read %s.%s: %d rows, %d columns", namespace, name, len(table), len(columns))
        info = {"namespace": namespace, "table_name": name, "count": len(table), "columns": len(columns)}
        ctx.tracker.log_metric("reader_namespace", "reader_name", (), {"metric_type": "DATA_INFO", "values": info})
        ctx.tracker.set_summary({**info, "header": columns, "sid": table.id_column})
        return Outputs(data=(table,))
