"""A sample of the rows, the same at every party."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.federated_sample.sampling import Rows, copy_numbers, draw, draw_by_stratum, repeat_by_weight
from fate_components.federated_sample.spec import FederatedSampleParams
from fate_components.tables import (
    class_labels,
    input_table,
    label_text,
    receive_of_common_rows,
    row_rng,
    send_of_common_rows,
)
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

TAG = "sampled_rows"


class FederatedSample(Component[FederatedSampleParams]):
    """Draw rows: each once at most (downsample), with replacement (upsample), or as often as its weight says.

    Rows stay in the table's order. Where a row may come several times, its copies get the ids ``<id>_0``, ``<id>_1``
    and so on; they keep label and weight.

    With task_type homo each party draws for itself and nothing is sent. With hetero the guest draws for all parties,
    whose tables must hold the same rows in the same order, as Intersection leaves them. It sends each host the
    positions of the drawn rows in that order, and a digest by which a host with other rows says so. No id is sent.

    What a host learns: which of the common rows were drawn, and how often. With mode random this says nothing of the
    guest's data. With stratified it does: a row that was drawn more likely has a label with a large share, and a share
    of 0 or 1 beside others nearly names the label. With exact_by_weight a host learns every row's weight, rounded up;
    weights that follow classes tell it the labels. This is FATE's protocol; the hosts must be allowed to know that.
    """

    Params = FederatedSampleParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        rows = self._draw(ctx, table)
        if self.params.task_type == "hetero":
            send_of_common_rows(ctx, table, TAG, rows)
        return self._output(ctx, table, rows)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if self.params.task_type == "homo":
            return self._output(ctx, table, self._draw(ctx, table))
        return self._output(ctx, table, self._checked(receive_of_common_rows(ctx, table, TAG), len(table)))

    def _draw(self, ctx: TaskContext, table: Table) -> Rows:
        rng = row_rng(ctx, self.params.random_state, table)
        replacement = self.params.method == "upsample"
        match self.params.mode, self.params.fractions:
            case "exact_by_weight", _:
                if table.weight is None:
                    raise DataError("mode exact_by_weight needs rows with weights: put SampleWeight before it.")
                return repeat_by_weight(table.weight)
            case "random", int() | float() as share:
                return draw(rng, np.arange(len(table)), share, replacement=replacement)
            case "stratified", list() as pairs:
                label = class_labels(table)
                if label is None:
                    raise DataError(
                        f"mode stratified needs labels, and the table of {ctx.party} has none.", public=True
                    )
                return self._draw_by_label(ctx, label, pairs, rng)
        raise DataError(f"mode {self.params.mode} needs fractions.")

    def _draw_by_label(
        self, ctx: TaskContext, label: np.ndarray[Any, Any], pairs: list[list[float | str]], rng: np.random.Generator
    ) -> Rows:
        shares = {label_text(value): float(share) for value, share in pairs}
        values, strata = np.unique(label, return_inverse=True)
        names = [label_text(value) for value in values.tolist()]
        unknown = sum(name not in shares for name in names)
        if unknown:
            raise DataError(f"{unknown} of the labels have no share in fractions.")
        of_strata = [shares[name] for name in names]
        rows = draw_by_stratum(rng, strata, of_strata, replacement=self.params.method == "upsample")
        original, drawn = (
            dict.fromkeys(shares, 0) | dict(zip(names, np.bincount(of, minlength=len(names)).tolist(), strict=True))
            for of in (strata, strata[rows])
        )
        for namespace, values_of in (("sample_count", drawn), ("original_count", original)):
            meta = {"metric_type": "SAMPLE_TABLE", "name": namespace, "values": values_of}
            ctx.tracker.log_metric(namespace, "stratified", (), meta)
        ctx.tracker.set_summary({"sample_count": drawn, "original_count": original})
        return rows

    def _checked(self, received: np.ndarray[Any, Any], rows: int) -> Rows:
        if received.dtype != np.int64 or received.ndim != 1:
            raise MessageRejected("The guest sent sampled rows that are not a list of positions.")
        steps = np.diff(received)
        again = 0 if self.params.copies else 1
        if received.size and (received[0] < 0 or received[-1] >= rows or (steps < again).any()):
            raise MessageRejected(f"The guest sent positions of sampled rows that are no sample of the {rows} here.")
        return received

    def _output(self, ctx: TaskContext, table: Table, rows: Rows) -> Outputs:
        if not rows.size:
            raise DataError(f"None of the {len(table)} rows is in the sample.")
        log.info("%d of %d rows drawn", len(rows), len(table))
        if self.params.mode != "stratified":
            values = {"count": len(rows)}
            meta = {"metric_type": "SAMPLE_TEXT", "name": "sample_count", "values": values}
            ctx.tracker.log_metric("sample_count", self.params.mode, (), meta)
            ctx.tracker.set_summary({"sample_count": len(rows)})
        sample = table.take(rows)
        return Outputs((_of_copies(sample, copy_numbers(rows)) if self.params.copies else sample,))


def _of_copies(table: Table, numbers: Rows) -> Table:
    ids = pc.binary_join_element_wise(table.ids, pa.array(numbers).cast(pa.string()), "_")
    index = table.data.schema.get_field_index(table.id_column)
    return replace(table, data=table.data.set_column(index, table.id_column, ids))
