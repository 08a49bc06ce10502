"""Keeping a component's output beyond its job."""

from __future__ import annotations

import logging

from fate_components.tables import input_table
from fate_components.writer.spec import DownloadParams, WriterParams
from fate_federated.errors import ConfigError
from fate_federated.task.component import Catalogue, Component, Inputs, Outputs
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


class Writer(Component[WriterParams]):
    """Make a table of the site's catalogue of the input. Each party keeps its own; nothing is sent.

    A table that a job wrote is replaced, one that was uploaded is not.
    """

    Params = WriterParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def _write(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        namespace = self.params.output_namespace or ctx.job_id
        name = self.params.output_name or ctx.component
        _catalogue(ctx, inputs).write(namespace, name, table)
        log.info("wrote %s.%s: %d rows", namespace, name, len(table))
        ctx.tracker.set_summary({"namespace": namespace, "table_name": name, "count": len(table)})
        return Outputs(data=(table,))


class Download(Component[DownloadParams]):
    """Write the input into a CSV file under the site's storage. Each party writes its own; nothing is sent."""

    Params = DownloadParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._write(ctx, inputs)

    def _write(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        path = self.params.output_path or f"{ctx.component}.csv"
        location = _catalogue(ctx, inputs).export(path, table, self.params.separator)
        log.info("wrote %d rows to %s", len(table), location)
        ctx.tracker.log_metric("download", "data_access", (), {"metric_type": "DOWNLOAD", "count": len(table)})
        ctx.tracker.set_summary({"location": location, "count": len(table)})
        return Outputs(data=(table,))


def _catalogue(ctx: TaskContext, inputs: Inputs) -> Catalogue:
    if inputs.tables is None:
        raise ConfigError(f"{ctx.component} was given no catalogue to write to.")
    return inputs.tables
