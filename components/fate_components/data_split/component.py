"""Rows for training, validation and test."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow.compute as pc

from fate_components.data_split.spec import DataSplitParams
from fate_components.data_split.splitting import TEST, TRAIN, VALIDATE, Rows, Sets, count_rows, split_rows
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

TAG = "sets"
NAMES = {"train": TRAIN, "validate": VALIDATE, "test": TEST}


class HomoDataSplit(Component[DataSplitParams]):
    """Split rows into three tables: train_data, validate_data, test_data. Each party by itself; nothing is sent.

    Rows stay in the table's order.
    """

    Params = DataSplitParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._split_alone(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._split_alone(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return Outputs()

    def _split_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        return self._outputs(ctx, table, *self._split(ctx, table))

    def _split(self, ctx: TaskContext, table: Table) -> tuple[Sets, dict[str, Rows]]:
        """The set of each row, shape (rows,), and where the rows of each label are, for the metrics."""
        if not len(table):
            raise DataError(f"The table of {ctx.party} has no rows to split.", public=True)
        rng = row_rng(ctx, self.params.random_state, table)
        counts = count_rows(len(table), self.params.sizes)
        if self.params.shuffle:
            order = rng.permutation(len(table))
        else:
            order = pc.sort_indices(table.ids).to_numpy().astype(np.int64)
        strata, names = self._strata(ctx, table) if self.params.stratified else (np.zeros(len(table), np.int64), [])
        sets = split_rows(counts, strata, order, rng)
        return sets, {name: np.flatnonzero(strata == number) for number, name in enumerate(names)}

    def _strata(self, ctx: TaskContext, table: Table) -> tuple[Rows, list[str]]:
        """The stratum of each row, and what the strata are called."""
        points = np.sort(self.params.split_points or [])
        label = table.label if points.size else class_labels(table)
        if label is None:
            raise DataError(f"stratified needs labels, and the table of {ctx.party} has none.", public=True)
        if points.size:
            return np.searchsorted(points, label), [str(number) for number in range(points.size + 1)]
        values, strata = np.unique(label, return_inverse=True)
        return strata.astype(np.int64), [label_text(value) for value in values.tolist()]

    def _outputs(self, ctx: TaskContext, table: Table, sets: Sets, labels: dict[str, Rows]) -> Outputs:
        rows = {name: np.flatnonzero(sets == number) for name, number in NAMES.items()}
        counts = {name: len(found) for name, found in rows.items()}
        log.info("%d rows: %s", len(table), ", ".join(f"{count} {name}" for name, count in counts.items()))
        meta: dict[str, object] = {
            "metric_type": "DATA_SPLIT",
            "data_split_count_info": counts | {"original": len(table)},
            "data_split_ratio_info": {name: round(count / len(table), 3) for name, count in counts.items()},
            "stratified": self.params.stratified,
        }
        if labels:
            of_labels: dict[str, object] = {"original": {name: len(places) for name, places in labels.items()}}
            for name, number in NAMES.items():
                of_labels[name] = {label: int((sets[places] == number).sum()) for label, places in labels.items()}
            of_labels["continuous_label"] = bool(self.params.split_points)
            if self.params.split_points:
                of_labels["split_points"] = sorted(self.params.split_points)
            else:
                of_labels["label_names"] = list(labels)
            meta["data_split_label_info"] = of_labels
        ctx.tracker.log_metric("train", "data_split", (), meta)
        ctx.tracker.set_summary({name: value for name, value in meta.items() if name != "metric_type"})
        return Outputs(tuple(table.take(found) for found in rows.values()))


class HeteroDataSplit(HomoDataSplit):
    """Split rows into three tables, the same rows at all parties: train_data, validate_data, test_data.

    The guest decides. All parties hold the same rows in the same order, as Intersection leaves them; the guest sends
    every host one small number per row, the set that it goes to, and a digest by which a host with other rows says
    so. No id is sent. A host learns the sets. They say nothing of the guest's data; with ``stratified`` they say that
    every label has the same shares of the sets. That much is left of the labels, and more only without a shuffle: in
    the order of the ids, a row that a set passed over has another label than the next one that it took.
    """

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        sets, labels = self._split(ctx, table)
        send_of_common_rows(ctx, table, TAG, sets)
        return self._outputs(ctx, table, sets, labels)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        sets = receive_of_common_rows(ctx, table, TAG)
        if sets.dtype != np.int8 or sets.shape != (len(table),) or not np.isin(sets, list(NAMES.values())).all():
            raise MessageRejected(f"The guest sent something other than the set of each of the {len(table)} rows.")
        return self._outputs(ctx, table, sets, {})
