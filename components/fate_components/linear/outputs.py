"""A training's model and summary, in FATE's forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fate_components.linear.course import Progress
from fate_components.linear.learner import part_of
from fate_components.linear.model import Floats, LinearPart
from fate_federated.catalog.linear_params import LinearModelParams
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.model import Model


def model_of(
    module: str, params: LinearModelParams, part: LinearPart, progress: Progress, *, intercept: bool, losses: bool,
    classes: Sequence[float] = (), names: Sequence[str] = (), exposure: str = "",
    steps: Sequence[pb.StepwiseStep] = (),
) -> Model:  # fmt: skip
    """One party's model.

    Args:
        intercept: whether this party has one.
        losses: whether this party keeps the loss.
        classes: of a classifier, at the guest.
        names: of the classes.
        exposure: name of the column.
        steps: of a stepwise choice.
    """
    threshold = params.predict_param.threshold
    meta = pb.LRModelMeta(
        penalty=params.penalty or "None", tol=params.tol, alpha=params.alpha, optimizer=params.optimizer,
        batch_size=params.batch_size, learning_rate=params.learning_rate, max_iter=params.max_iter,
        early_stop=params.early_stop, fit_intercept=intercept, decay=params.decay, decay_sqrt=params.decay_sqrt,
        shuffle=params.shuffle, threshold=threshold, key_bits=params.encrypt_param.key_length,
        batch_strategy=params.batch_strategy, exposure_colname=exposure,
    )  # fmt: skip
    several = part.weights.shape[1] > 1
    singles = _singles(part, progress, losses=losses)
    param = pb.LRModelParam(
        iters=max(progress.iterations), is_converged=all(progress.converged), header=part.header,
        need_one_vs_rest=several, best_iteration=progress.best_iteration, classes=classes, stepwise=steps,
        checkpoints=[
            pb.Checkpoint(
                step_index=iteration,
                models=_singles(part_of(part.header, weights, intercept=intercept), progress, losses=False),
            )
            for iteration, weights in progress.checkpoints
        ],
    )  # fmt: skip
    if several:
        param.one_vs_rest_result.CopyFrom(pb.OneVsRestResult(completed_models=singles, one_vs_rest_classes=names))
    else:
        param.loss_history.extend(singles[0].loss_history)
        param.weight.update(singles[0].weight)
        param.intercept = singles[0].intercept
    return Model(module, meta, param)


def summary_of(part: LinearPart, progress: Progress, *, names: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """FATE's summary: with one-vs-rest the coefficients are by class, at hosts by the class's place."""
    of_models = [coefficients(part.header, weights) for weights in part.weights.T]
    several = len(of_models) > 1
    by_class = dict(zip(names or map(str, range(len(of_models))), of_models, strict=True)) if several else {}
    return {
        "coef": by_class if several else of_models[0],
        "is_converged": all(progress.converged),
        "one_vs_rest": several,
        "best_iteration": progress.best_iteration,
        **more,
    }


def summary_with_losses(part: LinearPart, progress: Progress, names: Sequence[str]) -> dict[str, Any]:
    """The same with losses and intercepts, at a party that has them; ``names`` are the classes'."""
    several = part.weights.shape[1] > 1
    losses = dict(zip(names, map(list, progress.losses), strict=True)) if several else list(progress.losses[0])
    intercepts = part.intercepts.tolist()
    found = dict(zip(names, intercepts, strict=True)) if several else intercepts[0]
    return summary_of(part, progress, names=names if several else (), intercept=found, loss_history=losses)


def coefficients(header: Sequence[str], weights: Floats) -> dict[str, float]:
    """Weights by feature."""
    return dict(zip(header, weights.tolist(), strict=True))


def _singles(part: LinearPart, progress: Progress, *, losses: bool) -> list[pb.SingleModel]:
    return [
        pb.SingleModel(
            iters=progress.iterations[model], loss_history=progress.losses[model] if losses else (),
            is_converged=progress.converged[model], weight=coefficients(part.header, part.weights[:, model]),
            intercept=part.intercepts[model], header=part.header,
        )
        for model in range(part.weights.shape[1])
    ]  # fmt: skip
