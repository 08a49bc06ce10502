"""Cross validation: a model for each fold, trained side by side on the rows of the others, and judged by the fold's.

A batch is the same rows for all folds, of which each model leaves out those of its own fold.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_components.linear.data import Data, Labels, announce
from fate_components.linear.guest import Answers, never_validated
from fate_components.linear.learner import part_of
from fate_components.linear.model import Floats
from fate_components.linear.prediction import joined
from fate_components.linear.validation import Scores
from fate_federated.catalog.shared_params import CrossValidationParams
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.component import Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

if TYPE_CHECKING:
    from fate_components.linear.component import VerticalLinear
    from fate_components.linear.course import Course

log = logging.getLogger(__name__)

FOLD, TYPE = "fold", "type"
TRAIN, VALIDATE = "train", "validate"

Folds = npt.NDArray[np.int64]


def folds_of(rows: int, params: CrossValidationParams, seed: int) -> Folds:
    """The fold of each row: folds differ by one row at most.

    Args:
        seed: of the shuffle where the parameters have none.

    Raises:
        DataError: there are fewer than two folds, or fewer rows than folds.
    """
    if not 2 <= params.n_splits <= rows:
        raise DataError(f"cv_param.n_splits is {params.n_splits} where 2 to the {rows} rows of the data can be.")
    folds = np.empty(rows, dtype=np.int64)
    order = np.arange(rows)
    if params.shuffle:
        order = np.random.default_rng(seed if params.random_seed is None else abs(params.random_seed)).permutation(rows)
    for fold, part in enumerate(np.array_split(order, params.n_splits)):
        folds[part] = fold
    return folds


def present_in_folds(folds: Folds, models: int, splits: int) -> Floats:
    """1, or 0 where a row is of a model's own fold, shape (rows, models): the models of a fold are neighbours."""
    if models % splits:
        raise MessageRejected(f"{models} models were announced for {splits} folds.")
    fold_of_model = np.repeat(np.arange(splits), models // splits)
    present: Floats = (folds[:, None] != fold_of_model).astype(np.float64)
    return present


class Judge(Protocol):
    """What a component knows of predictions."""

    def predicted(self, score: Floats) -> Floats:
        """Probabilities or numbers from linear scores, shape (rows, models)."""
        ...

    def scores(self, table: Table, predicted: Floats, classes: Floats) -> Scores:
        """How good predictions of labelled rows are."""
        ...

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """FATE's columns for the rows of a table."""
        ...


def judged(
    judge: Judge, ctx: TaskContext, params: CrossValidationParams, table: Table, folds: Folds, labels: Labels,
    score: Floats, losses: Sequence[Sequence[float]],
) -> Outputs:  # fmt: skip
    """How good each fold's model is on the rows that it was trained on and on those of its fold, and their history.

    Args:
        score: linear scores of all rows by the models of all folds, shape (rows, models of a fold * folds).
        losses: of these models.
    """
    splits = params.n_splits
    summary: dict[str, object] = {}
    tables: list[Table] = []
    for fold in range(splits):
        predicted = judge.predicted(score[:, fold * labels.models : (fold + 1) * labels.models])
        found = {}
        for kind in (TRAIN, VALIDATE):
            chosen = np.flatnonzero((folds == fold) == (kind == VALIDATE))
            some = table.take(chosen)
            found[kind] = values = judge.scores(some, predicted[chosen], labels.classes)
            name = f"{ctx.component}.{fold}"
            meta = {"metric_type": "EVALUATION_SUMMARY", "name": name, "values": values}
            ctx.tracker.log_metric(kind, name, (), meta)
            tables.append(_history(judge.prediction_table(some, predicted[chosen], labels.classes, kind), fold))
        log.info("fold %d: %s", fold, found)
        summary[f"fold_{fold}"] = found | {
            "loss_history": [list(some) for some in losses[fold * labels.models :][: labels.models]],
        }
    ctx.tracker.set_summary(summary)
    if not params.output_fold_history:
        return Outputs()
    return Outputs([joined(tables) if params.history_value_type == "score" else _instances(table, folds, splits)])


def validate_as_guest(
    component: VerticalLinear[Any], ctx: TaskContext, own: Data, labels: Labels, weight: Floats | None
) -> Outputs:
    """The guest's part. No model is handed on."""
    params = component.params.cv_param
    splits, rows = params.n_splits, len(own.table)
    folds_of(rows, params, 0)
    plan = component.plan(ctx, rows, labels.models * splits, weight)
    announce(ctx, plan, component.stated())
    course = component.course(ctx, plan)
    component.check_batches(ctx, plan.batch_size * (splits - 1) // splits)
    folds = folds_of(rows, params, plan.seed)
    intercept = component.params.init_param.fit_intercept
    learner = component.learner(
        ctx, course, own, None, intercept, labels.numbers, present=present_in_folds(folds, plan.models, splits)
    )
    label = labels.numbers if labels.models == 1 else np.tile(labels.numbers, splits)
    answers = Answers(label, weight, own.offset)
    progress = component.train_as_guest(ctx, course, learner, answers, never_validated)
    score = part_of(own.header, progress.weights, intercept=intercept).score(own.features) + own.offset[:, None]
    for host in ctx.hosts:
        score = score + component.checked_score(host, "fold_score", None, score.shape)
    return judged(component, ctx, params, own.table, folds, labels, score, progress.losses)


def validate_as_host(component: VerticalLinear[Any], ctx: TaskContext, own: Data, course: Course) -> Outputs:
    """A host's part. The guest learns this host's part of every row's score by every fold's model."""
    params = component.params.cv_param
    folds = folds_of(len(own.table), params, course.plan.seed)
    present = present_in_folds(folds, course.plan.models, params.n_splits)
    learner = component.learner(ctx, course, own, None, False, None, present=present)
    progress = component.train_as_host(ctx, course, learner, lambda weights: own.features @ weights)
    component.send_fold_scores(ctx, own, progress)
    ctx.tracker.set_summary({"is_converged": all(progress.converged)})
    if params.output_fold_history and params.history_value_type == "instance":
        return Outputs([_instances(own.table, folds, params.n_splits)])
    return Outputs()


def _history(table: Table, fold: int) -> Table:
    return replace(table, data=table.data.append_column(FOLD, pa.array(np.full(len(table), fold))))


def _instances(table: Table, folds: Folds, splits: int) -> Table:
    """Every row once for each fold, with the part that it had there."""
    repeated = table.take(np.tile(np.arange(len(table)), splits))
    fold = np.repeat(np.arange(splits), len(table))
    held_out = np.tile(folds, splits) == fold
    kinds = pa.array([TRAIN, VALIDATE]).take(pa.array(held_out.astype(np.int64)))
    return replace(table, data=repeated.data.append_column(FOLD, pa.array(fold)).append_column(TYPE, kinds))
