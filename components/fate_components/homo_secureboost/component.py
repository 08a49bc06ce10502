"""HomoSecureBoost: see the package. What the roles do around the trees."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fate_components.alike import stated
from fate_components.homo.agreement import (
    Agreement,
    Circle,
    agree,
    agreed_classes,
    checked_label,
    serve_values,
    trains,
)
from fate_components.homo_secureboost.spec import ALIKE, HomoSecureBoostParams
from fate_components.homo_secureboost.training import Training, serve
from fate_components.linear.cross_validation import TRAIN, VALIDATE, folds_of
from fate_components.linear.data import tables_of
from fate_components.linear.prediction import joined
from fate_components.secure_aggregation.aggregator import GRACE_SECONDS
from fate_components.secureboost.cross_validation import (
    contexts_of_folds,
    history_of,
    log_fold,
    parts_of,
    scores_of_fold,
    with_fold,
)
from fate_components.secureboost.guest_training import Labels
from fate_components.secureboost.model import Floats, forest_of
from fate_components.secureboost.prediction import features_for, prediction_table
from fate_federated.errors import DataError, ModelError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table


class HomoSecureBoost(Component[HomoSecureBoostParams]):
    """Gradient boosted trees over horizontally split rows, see :mod:`fate_components.homo_secureboost`.

    Training data and a model: more trees. Other data and a model: prediction, at each party by itself. With
    ``cv_param.need_cv`` a training for each fold, of each party's own rows, and no model. Rows count by their weight
    where the table has one.
    """

    Params = HomoSecureBoostParams
    grace_seconds: ClassVar[float] = GRACE_SECONDS

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if not trains(ctx, stated(self.params, ALIKE)):
            return Outputs()
        classes = serve_values(ctx) if self.params.task_type == "classification" else 0
        dimensions = classes if classes > 2 else 1
        if not self.params.cv_param.need_cv:
            serve(ctx, self.params, dimensions, self.grace_seconds)
            return Outputs()
        for _, within, _ in contexts_of_folds(ctx, self.params):
            serve(within, self.params, dimensions, self.grace_seconds)
        return Outputs()

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table, others = tables_of(ctx, inputs, alone=self.params.cv_param.need_cv)
        circle = Circle.of(ctx)
        agreement = agree(ctx, circle, table, stated(self.params, ALIKE), inputs.model)
        if table is None or agreement is None:
            return self._predict(inputs.model, others)
        labels = self._labels(ctx, circle, agreement, table)
        if self.params.cv_param.need_cv:
            return self._cross_validate(ctx, agreement, labels, table)
        validate = next((some for _, some in others if len(some)), None)
        return Training(ctx, self.params, circle, agreement, labels, table, validate).run(inputs.model)

    def _labels(self, ctx: TaskContext, circle: Circle, agreement: Agreement, table: Table) -> Labels:
        label = checked_label(ctx, table)
        if self.params.task_type == "regression":
            if self.params.objective_param.objective == "tweedie" and label.min() < 0:
                raise DataError("The objective tweedie is for labels of at least 0.")
            return Labels(label[:, None], np.empty(0))
        return _labels_of(label, agreed_classes(ctx, circle, agreement, label))

    def _predict(self, model: Model | None, data: list[tuple[str, Table]]) -> Outputs:
        if model is None:
            raise ModelError("There is neither training data nor a model to predict with.")
        forest = forest_of(model)
        tables = []
        for kind, table in data:
            scores = forest.scores(features_for(table, forest.header, model), {})
            tables.append(prediction_table(table, scores, forest.classes, model, self.params, kind))
        return Outputs([joined(tables)], model)

    def _cross_validate(self, ctx: TaskContext, agreement: Agreement, labels: Labels, table: Table) -> Outputs:
        """A training for each fold. No model is handed on."""
        folds = folds_of(len(table), self.params.cv_param, int(ctx.rng.integers(1 << 31)))
        summary: dict[str, Any] = {}
        tables: list[Table] = []
        for fold, within, tracker in contexts_of_folds(ctx, self.params):
            own, judged = parts_of(table, folds, fold)
            of_fold = Labels(labels.numbers[folds != fold], labels.classes)
            training = Training(within, self.params, Circle.of(within), agreement, of_fold, own, judged)
            predicted = training.run(None).data[0]
            found = {kind: scores_of_fold(predicted, kind, labels) for kind in (TRAIN, VALIDATE)}
            log_fold(ctx, fold, found)
            summary[f"fold_{fold}"] = found | {"loss_history": tracker.summary["loss_history"]}
            tables.append(with_fold(predicted, fold))
        ctx.tracker.set_summary(summary)
        return history_of(self.params, table, folds, [joined(tables)])


class HomoSecureboost(HomoSecureBoost):
    """HomoSecureBoost by its name of FATE up to 1.6. Its models are HomoSecureBoost's."""


def _labels_of(label: Floats, classes: Floats) -> Labels:
    against = classes[1:] if len(classes) == 2 else classes
    return Labels((label[:, None] == against).astype(np.float64), classes)
