"""What a party keeps while it trains: verdicts, the best weights, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.linear.course import Course, Progress
from fate_components.linear.crossing import Crossing
from fate_components.linear.divergence import warn_of_growth
from fate_components.linear.learner import Learner
from fate_components.linear.messages import Standing, Verdict
from fate_components.linear.model import Floats
from fate_federated.errors import MessageRejected
from fate_federated.task.context import TaskContext


@dataclass(slots=True)
class Following:
    """See the module."""

    ctx: TaskContext
    course: Course
    learner: Learner
    losses: list[list[float]] = field(init=False)
    best: tuple[int, Floats] | None = None
    checkpoints: list[tuple[int, Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.losses = [[] for _ in range(self.course.plan.models)]

    def follow(self, iteration: int, verdict: Verdict) -> None:
        """Take note of an iteration; models that have converged move no more."""
        active = self.learner.descent.active
        moved = {model: self.losses[model] for model in np.flatnonzero(active).tolist()}
        for model, losses in moved.items():
            losses.append(verdict.losses[model])
        warn_of_growth(self.ctx, iteration, moved, self.course.params.tol)
        self.learner.descent.active = active & ~np.array(verdict.converged)
        if self.course.params.keeps(iteration):
            self.checkpoints.append((iteration, self.learner.descent.weights))
            if self.learner.keep is not None:
                self.learner.keep(*self.checkpoints[-1])

    def rank(self, iteration: int, standing: Standing) -> None:
        """Take note of a validation."""
        if standing.best:
            self.best = (iteration, self.learner.descent.weights)

    def progress(self) -> Progress:
        """How it went: with early stopping the best weights, else the last."""
        chosen = self.best if self.course.params.patience is not None else None
        iteration, weights = (-1, self.learner.descent.weights) if chosen is None else chosen
        active = self.learner.descent.active
        return Progress(
            tuple(len(some) for some in self.losses), tuple(not moves for moves in active.tolist()),
            tuple(tuple(some) for some in self.losses), weights, iteration, tuple(self.checkpoints),
        )  # fmt: skip


def opened(ctx: TaskContext, course: Course, learner: Learner) -> Crossing | None:
    """Encrypted columns, exchanged with the other parties; None where residuals are to be."""
    if not course.crosses:
        return None
    numbers, step = learner.columns.numbers, (course.part,)
    return Crossing.open(ctx, course.key, numbers, course.precision, course.largest_batch, step)


def progress_of(course: Course, learner: Learner, loss: Floats | EncryptedArray) -> EncryptedArray:
    """A party's part of the models' losses, and with weight_diff of |w - w_before|² and |w|², encrypted.

    Shape (models,) or (3 * models,).
    """
    parts = [loss if isinstance(loss, EncryptedArray) else EncryptedArray.encrypt(course.key, loss)]
    change, norm = learner.end_iteration()
    if course.params.early_stop == "weight_diff":
        parts.append(EncryptedArray.encrypt(course.key, np.concatenate([change, norm])))
    return concatenate(parts)


def progress_from_peer(value: object, course: Course, bits: int | None) -> EncryptedArray:
    """What :func:`progress_of` made at another party.

    Raises:
        MessageRejected: it is of another shape.
    """
    array = EncryptedArray.from_wire(value, course.key, bits)
    count = course.plan.models * (3 if course.params.early_stop == "weight_diff" else 1)
    if array.shape != (count,):
        raise MessageRejected(f"A peer's progress has shape {array.shape} where ({count},) was agreed.")
    return array
