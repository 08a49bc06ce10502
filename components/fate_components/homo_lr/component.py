"""Logistic regression over horizontally split rows: each party has all columns and labels of rows of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from fate_components.alike import stated
from fate_components.hetero_lr.model import probability
from fate_components.homo.agreement import (
    Agreement,
    Circle,
    agree,
    agreed_classes,
    checked_label,
    lead_of,
    serve_values,
    trains,
)
from fate_components.homo_lr.gradient import Shard
from fate_components.homo_lr.spec import ALIKE, HomoLRParams
from fate_components.homo_lr.training import (
    UNIT,
    Training,
    makes_common_steps,
    optimizer_of,
    rhythm_of,
    said_from_wire,
    sums_of,
)
from fate_components.linear.course import Progress
from fate_components.linear.cross_validation import folds_of, judged, present_in_folds
from fate_components.linear.data import Labels, checked_weight, initial_weights, log_losses, required_model, tables_of
from fate_components.linear.ineffective import warn_of_no_effect
from fate_components.linear.learner import checked_features, part_of
from fate_components.linear.messages import Standing, numbers_from_wire
from fate_components.linear.model import Floats, LinearPart, linear_part
from fate_components.linear.optimizer import Descent
from fate_components.linear.outputs import model_of, summary_with_losses
from fate_components.linear.prediction import class_names, classified, joined
from fate_components.linear.validation import Kind, Scores, Validation, chosen_metrics, scores_of_table
from fate_components.secure_aggregation.aggregator import GRACE_SECONDS, Aggregator
from fate_components.secure_aggregation.client import Client
from fate_federated.errors import ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

MODULE = "HomoLR"


class HomoLR(Component[HomoLRParams]):
    """Logistic regression over horizontally split rows, by secure sums: see :mod:`fate_components.secure_aggregation`.

    The loss is the mean of log(1 + e^-yu) over all parties' rows, y = ±1, plus the penalty. A round is
    ``aggregate_iters`` iterations. Where each party makes one step in it (one iteration, and no party's rows fill more
    than a batch), gradients are averaged, weighted by rows, and all parties make the same step: this is training on
    the pooled rows, with every optimizer and penalty. Otherwise each party steps over its own batches, and the weights
    are averaged (McMahan et al. 2017, arXiv:1602.05629); ``use_proximal`` adds mu/2·|w - w_common|² to each party's
    loss (Li et al. 2020, "Federated optimization in heterogeneous networks", arXiv:1812.06127).

    More than two classes are each trained against the rest, and the folds of a cross validation, of each party's own
    rows, side by side. Training data and a model: the training goes on from the guest's. Other data and a model:
    prediction, at each party by itself.

    What each role learns:

    - The **arbiter**: each round's sum of gradients or weights and of losses, weighted by rows; how many rows there
      are; the loss; how many classes each party has, and shares. No number of one party.
    - **Guest and hosts**: the same sums, hence the model after each round; all classes; the guest's column names. Of
      two parties each could tell the other's gradients by subtraction. These tell something of rows, most where a
      party has few: mean gradients of one row are that row, up to a factor.

    ``encrypt_param``, ``re_encrypt_batches``, ``floating_point_precision`` and ``masked_rate`` have no effect: numbers
    are masked, not encrypted, and a party's batch is hidden in the sum. Nor has ``sqn_param.random_seed``: each party
    draws its own sample of its own rows. Early stopping goes by the guest's validation data; every party logs the
    metrics of its own. A host that falls silent is left out of the sums of that time; the guest, which says how the
    training stands, cannot be done without.
    """

    Params = HomoLRParams
    grace_seconds: ClassVar[float] = GRACE_SECONDS

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if not trains(ctx, stated(self.params, ALIKE)):
            return Outputs()
        serve_values(ctx)
        lead = lead_of(ctx)
        with Aggregator.open(ctx, sums_of(self.params), grace_seconds=self.grace_seconds) as aggregator:
            *rows, several = aggregator.serve().values.tolist()
            models, rhythm = len(rows), rhythm_of(self.params) if makes_common_steps(self.params, several) else None
            for number in range(self.params.rounds):
                aggregator.serve()
                if rhythm is not None and rhythm.measures(number + 1):
                    aggregator.serve()
                verdict, standing = said_from_wire(lead.pull("round", number), models)
                log_losses(ctx, number, verdict, UNIT)
                if standing.stop or all(verdict.converged):
                    break
        return Outputs()

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, others = tables_of(ctx, inputs, alone=self.params.cv_param.need_cv)
        circle = Circle.of(ctx)
        agreement = agree(ctx, circle, train, stated(self.params, ALIKE))
        if train is None or agreement is None:
            return self._predict(inputs.model, others)
        warn_of_no_effect(self.params, validates=bool(others))
        label = checked_label(ctx, train)
        features = _features(train, agreement.columns)
        if "encrypt_param" in self.params.model_fields_set and self.params.encrypt_param.method is not None:
            log.warning("encrypt_param has no effect: numbers are masked, and all parties know the model")
        classes = agreed_classes(ctx, circle, agreement, label)
        against = classes[1:] if len(classes) == 2 else classes
        labels = Labels(np.where(label[:, None] == against, 1.0, -1.0), len(against), classes)
        if self.params.cv_param.need_cv:
            return self._cross_validate(ctx, circle, agreement, train, features, labels)
        validated = [(kind, table, _features(table, agreement.columns)) for kind, table in [("train", train), *others]]
        watch = Validation(
            ctx.tracker, ctx.component, chosen_metrics(self.kind(classes), self.params.scored_by),
            self.params.patience, self.params.first_metric_only,
        )  # fmt: skip

        def validate(iteration: int, weights: Floats) -> Standing:
            part = self._part(agreement.columns, weights)
            found: dict[str, Scores] = {}
            for kind, table, values in validated:
                if table.label is not None:
                    found[kind] = self.scores(table, self.predicted(part.score(values)), classes)
            return watch.note(iteration, found)

        def keep(iteration: int, weights: Floats) -> None:
            models = weights.shape[1]
            sofar = Progress((iteration + 1,) * models, (False,) * models, ((),) * models, weights)
            ctx.keep(iteration, self._model(self._part(agreement.columns, weights), sofar, classes))

        start = self._start(ctx, circle, agreement.columns, labels.models, inputs.model, classes)
        progress = self._training(ctx, circle, train, features, labels, start, None, validate, keep).run()
        part = self._part(agreement.columns, progress.weights)
        names = class_names(classes)
        ctx.tracker.set_summary(summary_with_losses(part, progress, names) | {"validation_metrics": watch.history})
        tables = [
            self.prediction_table(table, self.predicted(part.score(values)), classes, kind)
            for kind, table, values in validated
        ]
        return Outputs([joined(tables)], self._model(part, progress, classes))

    # Training

    def _training(
        self, ctx: TaskContext, circle: Circle, train: Table, features: Floats, labels: Labels, start: Floats,
        present: Floats | None, validate: Callable[[int, Floats], Standing], keep: Callable[[int, Floats], None],
    ) -> Training:  # fmt: skip
        rows, models = len(train), start.shape[1]
        here = np.ones((rows, models)) if present is None else present
        weight = checked_weight(train)
        counted = here if weight is None else here * weight[:, None]
        if self.params.init_param.fit_intercept:
            features = np.column_stack([features, np.ones(rows)])
        label = labels.numbers if labels.models in (1, models) else np.tile(labels.numbers, models // labels.models)
        penalized = np.ones((len(start), 1))
        penalized[len(train.feature_names) :] = 0.0
        params = self.params
        descent = Descent(
            start, np.ones_like(start), penalized, optimizer_of(params), params.penalty, params.alpha,
            params.learning_rate, params.decay, params.decay_sqrt,
        )  # fmt: skip
        client = Client.open(ctx, sums_of(params))
        return Training(
            ctx, params, circle, client, Shard(features, label, counted, here), descent, ctx.rng, validate, keep
        )  # fmt: skip

    def _start(
        self, ctx: TaskContext, circle: Circle, columns: tuple[str, ...], models: int, before: Model | None,
        classes: Floats,
    ) -> Floats:  # fmt: skip
        """The lead's weights to go on from, shape (features + intercept, models).

        Raises:
            ModelError: the lead's model is for other columns, or other classes.
        """
        intercept = self.params.init_param.fit_intercept
        shape = (len(columns) + intercept, models)
        if circle.lead is not None:
            return numbers_from_wire(circle.heard("start"), shape)
        start = initial_weights(ctx, self.params.init_param, shape)
        if before is not None:
            part = linear_part(before, MODULE)
            if set(part.header) != set(columns):
                raise ModelError("The model to go on from has other columns than the training data.")
            if _classes(before).tolist() != classes.tolist():
                raise ModelError("The model to go on from is of other classes than the training data.")
            weights = part.weights[[part.header.index(name) for name in columns]]
            start = np.vstack([weights, part.intercepts]) if intercept else weights
        for peer in circle.others:
            peer.push("start", start)
        return start

    def _cross_validate(
        self, ctx: TaskContext, circle: Circle, agreement: Agreement, train: Table, features: Floats, labels: Labels
    ) -> Outputs:
        """A model for each fold, side by side. No model is handed on."""
        params = self.params.cv_param
        folds = folds_of(len(train), params, int(ctx.rng.integers(2**31)))
        models = labels.models * params.n_splits
        start = self._start(ctx, circle, agreement.columns, models, None, labels.classes)
        present = present_in_folds(folds, models, params.n_splits)
        progress = self._training(
            ctx, circle, train, features, labels, start, present, _never_validated, _never_kept
        ).run()
        score = self._part(agreement.columns, progress.weights).score(features)
        return judged(self, ctx, params, train, folds, labels, score, progress.losses)

    # Predicting and judging

    def kind(self, classes: Floats) -> Kind:
        """How predictions are judged."""
        return "binary" if len(classes) == 2 else "multi"

    def predicted(self, score: Floats) -> Floats:
        """Probabilities from linear scores, shape (rows, models)."""
        return probability(score)

    def scores(self, table: Table, predicted: Floats, classes: Floats) -> Scores:
        """How good predictions of labelled rows are."""
        return scores_of_table(self.kind(classes), table, predicted, classes, self.params.predict_param.threshold)

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """Classes and their probabilities."""
        return classified(table, predicted, classes, self.params.predict_param.threshold, kind)

    def _predict(self, model: Model | None, data: list[tuple[str, Table]]) -> Outputs:
        model = required_model(model)
        part, classes = linear_part(model, MODULE), _classes(model)
        tables = [
            self.prediction_table(table, self.predicted(part.score(_features(table, part.header))), classes, kind)
            for kind, table in data
        ]
        return Outputs([joined(tables)], model)

    # Handing on

    def _part(self, header: tuple[str, ...], weights: Floats) -> LinearPart:
        return part_of(header, weights, intercept=self.params.init_param.fit_intercept)

    def _model(self, part: LinearPart, progress: Progress, classes: Floats) -> Model:
        model = model_of(
            MODULE, self.params, part, progress, intercept=self.params.init_param.fit_intercept, losses=True,
            classes=classes.tolist(), names=class_names(classes),
        )  # fmt: skip
        assert isinstance(model.meta, pb.LRModelMeta)  # noqa: S101 - model_of has just made it
        model.meta.key_bits = 0
        model.meta.aggregate_iters = self.params.aggregate_iters
        model.meta.proximal_mu = self.params.mu if self.params.use_proximal else 0.0
        return model


def _features(table: Table, columns: tuple[str, ...]) -> Floats:
    """These columns of a table, shape (rows, len(columns)).

    Raises:
        DataError, ModelError: one is absent, or a value is missing or infinite.
    """
    header, features = checked_features(table, MODULE)
    part = LinearPart(columns, np.zeros((len(columns), 1)), np.zeros(1))
    return features[:, part.columns(header)]


def _classes(model: Model) -> Floats:
    assert isinstance(model.param, pb.LRModelParam)  # noqa: S101 - linear_part has checked it
    return np.array(model.param.classes)


def _never_validated(iteration: int, weights: Floats) -> Standing:
    return Standing(best=False, stop=False)


def _never_kept(iteration: int, weights: Floats) -> None:
    """No model of a cross validation is."""
