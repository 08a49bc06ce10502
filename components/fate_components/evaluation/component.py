"""How good predictions are, in FATE's metric names."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.evaluation.binary import Floats, decided, rank
from fate_components.evaluation.curves import log_curves
from fate_components.evaluation.regression import regression_metrics
from fate_components.evaluation.spec import EvaluationParams
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

LABEL, RESULT, SCORE, TYPE = "label", "predict_result", "predict_score", "type"


class Evaluation(Component[EvaluationParams]):
    """Score the guest's predictions. Only the guest computes; nothing is sent.

    It takes tables with the columns label, predict_score, and perhaps predict_result and type (train, validate ...),
    and scores each type's rows by themselves: its metrics' namespace is the type, their name that of the component
    that predicted.
    """

    Params = EvaluationParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        summary: dict[str, dict[str, dict[str, float]]] = {}
        for source, table in _predictions(ctx, inputs):
            for kind, rows in _by_type(table):
                if kind in summary.setdefault(source, {}):
                    raise DataError(f"{source} is given twice with {kind} rows. Evaluate its outputs apart.")
                values = self._evaluate(ctx, kind, source, rows)
                summary[source][kind] = values
                meta = {"metric_type": "EVALUATION_SUMMARY", "name": source, "values": values}
                ctx.tracker.log_metric(kind, source, (), meta)
                figures = ", ".join(f"{name} {value:.6f}" for name, value in values.items())
                log.info("%s, %s, %d rows: %s", source, kind, len(rows), figures)
        ctx.tracker.set_summary(summary)
        return Outputs()

    def _evaluate(self, ctx: TaskContext, kind: str, source: str, rows: Table) -> dict[str, float]:
        label = _numbers(rows, rows.label_column or LABEL)
        score = _numbers(rows, SCORE)
        chosen = self.params.chosen
        if self.params.eval_type == "regression":
            values = regression_metrics(label, score)
        else:
            positive = label == self.params.pos_label
            self._check_classes(source, kind, label)
            ranking = rank(positive, score)
            values = {"auc": ranking.auc, "ks": ranking.ks}
            if RESULT in rows.data.column_names:
                values |= decided(positive, _numbers(rows, RESULT) == self.params.pos_label)
            log_curves(ctx.tracker, kind, source, ranking, chosen)
        return {name: value for name, value in values.items() if name in chosen}

    def _check_classes(self, source: str, kind: str, label: Floats) -> None:
        classes = np.unique(label)
        if classes.size == 1:
            raise DataError(f"All {label.size} {kind} rows of {source} have the same label: there is nothing to rank.")
        if classes.size > 2:
            raise DataError(f"The {kind} rows of {source} have {classes.size} labels: they are not of two classes.")
        if self.params.pos_label not in classes:
            raise DataError(f"No {kind} row of {source} has the label pos_label {self.params.pos_label}.")


def _predictions(ctx: TaskContext, inputs: Inputs) -> Iterator[tuple[str, Table]]:
    """Every table with the name of the component that made it."""
    if not any(inputs.data.values()):
        raise DataError(f"{ctx.component} has no predictions to evaluate at {ctx.party}.")
    for port, tables in inputs.data.items():
        for index, table in enumerate(tables):
            sources = inputs.sources.get(port, ())
            yield (sources[index] if index < len(sources) else port), table


def _by_type(table: Table) -> Iterator[tuple[str, Table]]:
    if TYPE not in table.data.column_names:
        yield "train", table
        return
    types = table.data.column(TYPE)
    for kind in pc.unique(types).to_pylist():
        rows = np.flatnonzero(pc.equal(types, kind).to_numpy())
        yield str(kind), table if len(rows) == len(table) else table.take(rows)


def _numbers(table: Table, name: str) -> Floats:
    """A column of finite numbers."""
    if name not in table.data.column_names:
        raise DataError(f"Evaluation needs the column {name!r}; there are {', '.join(table.data.column_names)}.")
    try:
        numbers: Floats = pc.fill_null(table.data.column(name).cast(pa.float64()), float("nan")).to_numpy()
    except pa.ArrowException as error:
        raise DataError(f"Column {name!r} holds something other than numbers.") from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise DataError(f"Column {name!r} has {bad.size} missing or infinite values, the first in row {bad[0] + 1}.")
    return numbers
