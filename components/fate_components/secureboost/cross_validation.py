"""Cross validation: for each fold a training on the rows of the others, judged by the fold's. No model is handed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.linear.cross_validation import FOLD, TRAIN, TYPE, VALIDATE, Folds, folds_of
from fate_components.linear.prediction import LABEL, RESULT, SCORE, joined
from fate_components.linear.validation import Kind, Scores, scores_of
from fate_components.secureboost.guest_training import Labels, train_guest
from fate_components.secureboost.host_training import train_host
from fate_components.secureboost.messages import Plan
from fate_components.secureboost.spec import HeteroSecureBoostParams, TreeTrainingParams
from fate_federated.errors import MessageRejected
from fate_federated.party import Party
from fate_federated.task.component import Outputs
from fate_federated.task.context import Point, TaskContext, Tracker
from fate_federated.task.table import Table
from fate_federated.transport.base import Transport
from fate_federated.wire.payload import Wire


@dataclass(frozen=True, slots=True)
class FoldTransport:
    """Messages of one fold, apart from those of the others."""

    inner: Transport
    fold: int

    def push(self, receiver: Party, tag: str, value: Wire) -> int:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return self.inner.push(receiver, f"fold{self.fold}.{tag}", value)

    def pull(self, sender: Party, tag: str) -> Any:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return self.inner.pull(sender, f"fold{self.fold}.{tag}")

    def background(self) -> Transport:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return FoldTransport(self.inner.background(), self.fold)


@dataclass(slots=True)
class FoldTracker:
    """Metrics of one fold, under names of their own; its summary is kept."""

    inner: Tracker
    fold: int
    summary: Mapping[str, Any] = field(default_factory=dict)

    def log_metric(self, namespace: str, name: str, points: Sequence[Point], meta: Mapping[str, Any]) -> None:
        """See :class:`~fate_federated.task.context.Tracker`."""
        self.inner.log_metric(namespace, f"{name}.{self.fold}", points, meta)

    def set_summary(self, summary: Mapping[str, Any]) -> None:
        """See :class:`~fate_federated.task.context.Tracker`."""
        self.summary = summary


def validate_as_guest(ctx: TaskContext, module: str, params: HeteroSecureBoostParams, table: Table) -> Outputs:
    """The guest's part. It draws the folds where the parameters have no seed, and tells the hosts."""
    labels = Labels.of(ctx, table, params)
    folds = folds_of(len(table), params.cv_param, int(ctx.rng.integers(1 << 31)))
    ctx.hosts.push("folds", folds)
    summary: dict[str, Any] = {}
    tables: list[Table] = []
    for fold, within, tracker in contexts_of_folds(ctx, params):
        train, validate = parts_of(table, folds, fold)
        predicted = train_guest(within, module, params, train, validate, None).data[0]
        found = {kind: scores_of_fold(predicted, kind, labels) for kind in (TRAIN, VALIDATE)}
        log_fold(ctx, fold, found)
        summary[f"fold_{fold}"] = found | {"loss_history": tracker.summary["loss_history"]}
        tables.append(with_fold(predicted, fold))
    ctx.tracker.set_summary(summary)
    return history_of(params, table, folds, [joined(tables)])


def validate_as_host(ctx: TaskContext, module: str, params: HeteroSecureBoostParams, table: Table) -> Outputs:
    """A host's part.

    Raises:
        MessageRejected: the guest sent something else than folds of these rows.
    """
    folds = ctx.guest.pull("folds")
    if not isinstance(folds, np.ndarray) or folds.dtype != np.int64 or folds.shape != (len(table),):
        raise MessageRejected(f"The guest did not send a fold for each of the {len(table)} rows of {ctx.party}.")
    for fold, within, _ in contexts_of_folds(ctx, params):
        train, validate = parts_of(table, folds, fold)
        plan = Plan.from_wire(within.guest.pull("plan"))
        plan.check(within, train, validate)
        train_host(within, module, params, plan, train, validate, None)
    ctx.tracker.set_summary({"folds": params.cv_param.n_splits})
    return history_of(params, table, folds, [])


def contexts_of_folds(ctx: TaskContext, params: TreeTrainingParams) -> Iterator[tuple[int, TaskContext, FoldTracker]]:
    """A context for each fold, whose messages and metrics are apart from the others'."""
    transport = next(peer.transport for peers in (ctx.guests, ctx.hosts) for peer in peers)
    for fold in range(params.cv_param.n_splits):
        tracker = FoldTracker(ctx.tracker, fold)
        within = TaskContext(
            party=ctx.party, participants=ctx.participants, job_id=ctx.job_id, component=ctx.component,
            attempt=ctx.attempt, transport=FoldTransport(transport, fold), tracker=tracker,
            seed=int(ctx.rng.integers(1 << 31)),
        )  # fmt: skip
        yield fold, within, tracker
        ctx.traffic.sent += within.traffic.sent
        ctx.traffic.sent_bytes += within.traffic.sent_bytes
        ctx.traffic.received += within.traffic.received


def parts_of(table: Table, folds: Folds, fold: int) -> tuple[Table, Table]:
    """The rows that a fold's model is trained on, and those that it is judged by."""
    return table.take(np.flatnonzero(folds != fold)), table.take(np.flatnonzero(folds == fold))


def scores_of_fold(predicted: Table, kind: str, labels: Labels) -> Scores:
    """How good the predictions of one kind of rows are."""
    data = predicted.data.filter(pc.equal(predicted.data.column(TYPE), kind))
    label, result, score = (data.column(name).cast(pa.float64()).to_numpy() for name in (LABEL, RESULT, SCORE))
    of: Kind = labels.kind
    if of == "binary":
        label, result = (some == labels.classes[1] for some in (label, result))
    return scores_of(of, label.astype(np.float64), score, result.astype(np.float64))


def log_fold(ctx: TaskContext, fold: int, found: Mapping[str, Scores]) -> None:
    """How good a fold's model is, by the kind of rows, as metrics."""
    for kind, values in found.items():
        meta = {"metric_type": "EVALUATION_SUMMARY", "name": f"{ctx.component}.{fold}", "values": values}
        ctx.tracker.log_metric(kind, f"{ctx.component}.{fold}", (), meta)


def with_fold(predicted: Table, fold: int) -> Table:
    """Predictions with the fold whose model made them."""
    return replace(predicted, data=predicted.data.append_column(FOLD, pa.array(np.full(len(predicted), fold))))


def history_of(params: TreeTrainingParams, table: Table, folds: Folds, scores: list[Table]) -> Outputs:
    """The predictions of all folds, or the rows once for each fold with the part that they had there."""
    if not params.cv_param.output_fold_history:
        return Outputs()
    if params.cv_param.history_value_type == "score":
        return Outputs(scores)
    splits = params.cv_param.n_splits
    fold = np.repeat(np.arange(splits), len(table))
    kinds = np.where(np.tile(folds, splits) == fold, VALIDATE, TRAIN)
    rows = table.take(np.tile(np.arange(len(table)), splits))
    data = rows.data.append_column(FOLD, pa.array(fold)).append_column(TYPE, pa.array(kinds))
    return Outputs([replace(table, data=data)])
