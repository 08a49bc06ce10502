"""Telling of trainings that end, but whose loss has grown beyond all sense."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)

GROWTH = 1000.0
"""Each loss of the family is convex, so that steps that are small enough never raise it. Batches and momentum may raise
it by a factor of a few, never by this one."""


def warn_of_growth(ctx: TaskContext, iteration: int, losses: Mapping[int, Sequence[float]], tol: float) -> None:
    """Say, once, which models have a loss of more than GROWTH times that of their first iteration.

    Args:
        iteration: the last one.
        losses: of each model that this iteration moved, by its number, from the first iteration to this one.
        tol: what makes a difference between losses; a first loss below it counts as this much.
    """
    grown = [model for model, some in losses.items() if _has_just_grown(some, tol)]
    if not grown:
        return
    which = f" of the models {', '.join(map(str, grown))}" if grown != [0] else ""
    first, last = losses[grown[0]][0], losses[grown[0]][-1]
    warning = (
        f"In iteration {iteration} the loss{which} is {last:.3g}, after {first:.3g} in the first: the training "
        "diverges, and its model is of no use. Lower learning_rate, or scale the features with a FeatureScale."
    )
    log.warning("%s", warning)
    meta = {"metric_type": "WARNING", "name": "divergence", "warning": warning}
    ctx.tracker.log_metric("train", "divergence", [(float(iteration), last)], meta)


def _has_just_grown(losses: Sequence[float], tol: float) -> bool:
    if len(losses) < 2:
        return False
    bound = GROWTH * max(abs(losses[0]), tol)
    return losses[-1] > bound >= max(losses[:-1])
