"""Reading a table of the site's catalogue."""

from __future__ import annotations

import logging

from fate_components.reader.spec import JobOutput, ReaderParams
from fate_federated.errors import ConfigError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


class Reader(Component[ReaderParams]):
    """Hand on a table, or what another job left at the party. Each party reads its own; nothing is sent."""

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
        source = self.params.table
        if isinstance(source, JobOutput):
            named = {
                "job_id": str(source.job_id),
                "component_name": source.component_name,
                "data_name": source.data_name,
            }
            table = inputs.tables.read_output(str(source.job_id), source.component_name, source.data_name)
        else:
            named = {"namespace": source.namespace, "table_name": source.name}
            table = inputs.tables.read(source.namespace, source.name)
        columns = [column for column in table.data.column_names if column != table.id_column]
        log.info("read %s: %d rows, %d columns", ".".join(named.values()), len(table), len(columns))
        info = {**named, "count": len(table), "columns": len(columns)}
        ctx.tracker.log_metric("reader_namespace", "reader_name", (), {"metric_type": "DATA_INFO", "values": info})
        ctx.tracker.set_summary({**info, "header": columns, "sid": table.id_column})
        return Outputs(data=(table,))
