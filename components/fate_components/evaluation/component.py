"""How good predictions are, in FATE's metric names."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pyarrow as pa

from fate_components.evaluation import rows as read
from fate_components.evaluation.binary import Ranking
from fate_components.evaluation.curves import log_stability
from fate_components.evaluation.scoring import Figures, Scorer
from fate_components.evaluation.spec import EvaluationParams
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

KINDS = {
    "data": "train", "train_data": "train", "validate_data": "validate", "eval_data": "validate",
    "test_data": "predict",
}  # fmt: skip
"""The type of rows that do not say it, by the port that they come by."""


class Evaluation(Component[EvaluationParams]):
    """Score predictions. Each party scores what it has by itself; nothing is sent.

    It takes tables with the columns label, predict_result, predict_score, predict_detail and type (train, validate,
    predict ...), as far as the metrics need them, and scores each type's rows by themselves: its metrics' namespace is
    the type, their name that of the component that predicted, such as hetero_lr_0, or hetero_lr_0.2 for the fold 2 of a
    cross validation. Where the table says how much its rows count, they count so, except in clustering. The guest has
    to have predictions; other parties score what they have.
    """

    Params = EvaluationParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if not any(inputs.data.values()):
            raise DataError(f"{ctx.component} has no predictions to evaluate at {ctx.party}.")
        return self._run(ctx, _by_source(inputs))

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, _of_predictions(_by_source(inputs)))

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, _of_predictions(_by_source(inputs)))

    def _run(self, ctx: TaskContext, found: Mapping[str, Mapping[str, Table]]) -> Outputs:
        summary = {source: self._evaluate(ctx, source, kinds) for source, kinds in found.items()}
        ctx.tracker.set_summary(summary)
        return Outputs()

    def _evaluate(self, ctx: TaskContext, source: str, kinds: Mapping[str, Table]) -> dict[str, Figures]:
        if self.params.eval_type != "clustering":
            _check_labels(source, kinds)
        if self.params.eval_type == "binary":
            return self._evaluate_binary(ctx, source, kinds)
        figures = {}
        for kind, rows in kinds.items():
            if self.params.eval_type == "clustering" and not (
                read.SPREAD in rows.data.column_names or read.has_labels(rows)
            ):
                log.info("%s, %s: the rows have no label to compare the clusters with", source, kind)
                continue
            figures[kind] = Scorer(self.params, ctx.tracker, kind, source).score(rows)
        return figures

    def _evaluate_binary(self, ctx: TaskContext, source: str, kinds: Mapping[str, Table]) -> dict[str, Figures]:
        self._check_classes(source, kinds)
        figures: dict[str, Figures] = {}
        rankings: dict[str, Ranking] = {}
        for kind, rows in kinds.items():
            figures[kind], rankings[kind] = Scorer(self.params, ctx.tracker, kind, source).binary(rows)
        if "psi" in self.params.chosen and {"train", "validate"} <= rankings.keys():
            psi = log_stability(ctx.tracker, "validate", source, rankings["train"], rankings["validate"])
            log.info("%s: psi of validate against train %.6f", source, psi)
            figures["validate"]["psi"] = psi
        return figures

    def _check_classes(self, source: str, kinds: Mapping[str, Table]) -> None:
        """All data sets together have two classes, one of them the positive one; or one, whose ranking says nothing."""
        labels = [read.classes(rows, read.label_name(rows)).unique() for rows in kinds.values()]
        distinct = pa.chunked_array(labels).unique()
        if len(distinct) > 2:
            raise DataError(
                f"The rows of {source} have {len(distinct)} labels: they are not of two classes. "
                "Set eval_type to multi, or to regression."
            )
        if read.is_class(distinct, self.params.pos_label).any():
            return
        if len(distinct) == 2:
            raise DataError(
                f"No row of {source} has the label that pos_label {self.params.pos_label} names. "
                "Set pos_label to the label of the class that predict_score is of."
            )
        log.warning("%s: all rows have the same label, and it is not the one that pos_label names", source)


def _by_source(inputs: Inputs) -> dict[str, dict[str, Table]]:
    """Rows by the name of the component that made them, with the fold behind it, and then by type.

    Raises:
        DataError: the same is given twice, or there are no rows at all.
    """
    found: dict[str, dict[str, Table]] = {}
    empty = []
    for port, tables in inputs.data.items():
        sources = inputs.sources.get(port, ())
        for index, table in enumerate(tables):
            source = sources[index] if index < len(sources) else port
            if not len(table):
                empty.append(source)
                continue
            for fold, kind, rows in read.data_sets(table, KINDS.get(port, "train")):
                name = f"{source}.{fold}" if fold else source
                if kind in found.setdefault(name, {}):
                    raise DataError(f"{name} is given twice with {kind} rows. Evaluate its outputs apart.")
                found[name][kind] = rows
    if empty and not found:
        raise DataError(f"There are no rows to evaluate: the tables of {', '.join(empty)} are empty.")
    for source in empty:
        log.warning("%s: a table without rows is left out", source)
    return found


def _of_predictions(found: Mapping[str, Mapping[str, Table]]) -> dict[str, dict[str, Table]]:
    """Those tables that are predictions, with the labels to compare them with."""
    kept: dict[str, dict[str, Table]] = {}
    for source, kinds in found.items():
        for kind, rows in kinds.items():
            names = rows.data.column_names
            predicted = any(name in names for name in (read.SCORE, *read.CLUSTER)) and read.has_labels(rows)
            if predicted or read.SPREAD in names:
                kept.setdefault(source, {})[kind] = rows
            else:
                log.info("%s, %s: no predictions with labels here", source, kind)
    return kept


def _check_labels(source: str, kinds: Mapping[str, Table]) -> None:
    for kind, rows in kinds.items():
        read.column(rows, read.label_name(rows))
        if not read.has_labels(rows):
            raise DataError(f"The {kind} rows of {source} have no label to compare their predictions with.")
