"""The guest's part of the training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.linear.course import PROGRESS_BITS, Course, Progress
from fate_components.linear.family import FRACTION_BITS, TERM_BITS, WEIGHT_FRACTION_BITS, LogLinear, Quadratic
from fate_components.linear.following import Following, opened, progress_from_peer, progress_of
from fate_components.linear.host import LABEL_BITS
from fate_components.linear.ineffective import warn_of_no_effect
from fate_components.linear.learner import Learner
from fate_components.linear.messages import Rows, Standing, Step, Verdict
from fate_components.linear.model import Floats
from fate_components.linear.quasi_newton import QuasiNewton, combined_by_guest
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)

Batch = tuple[Rows, Floats]

WEIGHT_ERROR = 1e-3
"""How much of all weights rounding may take or add."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the guest alone has of the training rows.

    Attributes:
        label: shape (rows, 1), or (rows, models) where each model has its own.
        weight: how much each row counts, shape (rows,); None where all count the same.
        offset: added to every score, shape (rows,); zeros but for an exposure.
    """

    label: Floats
    weight: Floats | None
    offset: Floats


def train_guest(
    ctx: TaskContext, course: Course, learner: Learner, answers: Answers,
    validate: Callable[[int, Floats], Standing], log_loss: Callable[[int, Verdict], None],
) -> Progress:  # fmt: skip
    """Train until the arbiter says that it has converged, validation stops it, or max_iter iterations long.

    Args:
        validate: told an iteration and the weights after it; it pulls the hosts' scores.
        log_loss: told what the arbiter said of an iteration.
    """
    if course.part == 0:
        warn_of_no_effect(course.params, validates=course.plan.validate_rows > 0)
    check_labels(course, answers)
    check_rounding(answers.weight, FRACTION_BITS if isinstance(course.family, LogLinear) else WEIGHT_FRACTION_BITS)
    layout, following, family = course.layout(), Following(ctx, course, learner), course.family
    optimizer, own = learner.descent.optimizer, learner.features.shape[1]
    if isinstance(family, LogLinear) and not course.random:
        _send_labels(ctx, course, answers, (course.part,), np.arange(course.plan.rows), None)

    crossing = opened(ctx, course, learner)

    def sums_of(tag: str, step: Step, rows: Rows, score: Floats, label: Floats, weight: Floats) -> Floats:
        present = learner.present_in(rows)
        if crossing is not None and isinstance(family, Quadratic):
            return crossing.sums(tag, step, rows, family.term(score, label) * present)
        residual = family.residual(
            ctx, course.key, layout, f"{tag}_score", step, score, label, present, weight
        )  # fmt: skip
        ctx.hosts.push(f"{tag}_residual", residual.to_wire(layout.wire_bits), step)
        return learner.sums(ctx.arbiter, tag, step, rows, residual, layout)

    def curvature(step: Step, rows: Rows, change: Floats) -> Floats:
        weight = np.ones(len(rows)) if answers.weight is None else answers.weight[rows]
        sums = sums_of("curvature", step, rows, learner.features[rows] @ change, np.zeros((len(rows), 1)), weight)
        return learner.curvature(sums[:own], course.sample_counts(learner.present_in(rows)), change)

    for iteration in range(course.params.max_iter):
        loss: Floats = np.zeros(course.plan.models)
        for number, (rows, counted) in enumerate(counted_batches(ctx, course, iteration)):
            step = course.step(iteration, number)
            present, label = learner.present_in(rows), answers.label[rows]
            counts = course.counts(rows, present)
            score = learner.score(rows) + answers.offset[rows, None]
            if isinstance(family, LogLinear) and course.random:
                _send_labels(ctx, course, answers, step, rows, counted)
            weight = counted if answers.weight is None else counted * answers.weight[rows]
            sums = sums_of("gradient", step, rows, score, label, weight)
            part = family.guest_loss(
                (learner.descent.weights * sums[:own]).sum(axis=0), sums[own:], label, score,
                weight[:, None] * np.broadcast_to(present, score.shape),
            )  # fmt: skip
            loss = loss + (part / np.maximum(counts, 1) + learner.descent.penalty_loss()) / course.batches
            if isinstance(optimizer, QuasiNewton):
                optimizer.combine = partial(combined_by_guest, ctx, course.key, step)
            learner.descend(sums[:own], counts, step)
            if isinstance(optimizer, QuasiNewton):
                sample = course.sample(iteration, number)
                optimizer.stepped(learner.descent.weights, partial(curvature, step, sample))
        progress = progress_of(course, learner, loss)
        for value in ctx.hosts.pull("progress", course.step(iteration)):
            progress = progress + progress_from_peer(value, course, PROGRESS_BITS)
        ctx.arbiter.push("progress", progress.to_wire(), course.step(iteration))
        verdict = Verdict.from_wire(ctx.arbiter.pull("verdict", course.step(iteration)), course.plan.models)
        following.follow(iteration, verdict)
        log_loss(iteration, verdict)
        stop = False
        if course.validates(iteration):
            standing = validate(iteration, learner.descent.weights)
            ctx.hosts.push("standing", standing.to_wire(), course.step(iteration))
            ctx.arbiter.push("standing", standing.to_wire(), course.step(iteration))
            following.rank(iteration, standing)
            stop = standing.stop
        if stop or not learner.descent.active.any():
            break
    return following.progress()


def never_validated(iteration: int, weights: Floats) -> Standing:
    """For trainings whose plan has no validation rows."""
    raise AssertionError("a plan without validation rows validates nothing")


def check_labels(course: Course, answers: Answers) -> None:
    """See that labels are in the range that is computed with.

    Raises:
        DataError: they are not.
    """
    size = np.abs(answers.label).max(axis=1)
    if isinstance(course.family, LogLinear) and answers.weight is not None:
        size = size * answers.weight
    largest = TERM_BITS - (course.precision if course.crosses else FRACTION_BITS)
    if not (size < 2.0**largest).all():
        raise DataError(
            f"The training data has labels of 2**{largest} or more, which are too large to compute with. "
            "Give them in a larger unit."
        )


def check_rounding(weight: Floats | None, bits: int) -> None:
    """See that weights stay what they are as multiples of 2**-bits.

    Raises:
        DataError: all together, they would be off by more than WEIGHT_ERROR.
    """
    if weight is None:
        return
    rounded = np.ldexp(np.rint(np.ldexp(weight, bits)), -bits)
    if np.abs(rounded - weight).sum() > WEIGHT_ERROR * weight.sum():
        raise DataError(
            f"Sample weights are so small that rounding them to multiples of 2**-{bits} would change the model. "
            "Set SampleWeight's normalize, or multiply them all by the same number."
        )


def warn_of_small_batches(ctx: TaskContext, batch: int) -> list[int]:
    """Say which hosts could solve for the residuals of a batch of so many rows; and how many features each host has."""
    counts = []
    for host in ctx.hosts:
        features = host.pull("features")
        if type(features) is not int:
            raise MessageRejected(f"{host.party} did not say how many features it has.")
        counts.append(features)
        if features >= batch:
            log.warning(
                "%s has %d features and a batch has %d rows: it could solve its gradient for each row's residual, "
                "and so learn labels. Raise batch_size.",
                host.party, features, batch,
            )  # fmt: skip
    return counts


def counted_batches(ctx: TaskContext, course: Course, iteration: int) -> Iterator[Batch]:
    """An iteration's batches: rows, and for each 1 or 0, as it counts or only hides the others."""
    if not course.random:
        for rows in course.plan.rows_of(iteration):
            yield rows, np.ones(len(rows))
        return
    drawn = ctx.rng.choice(course.plan.rows, course.announced, replace=False)
    counted = np.zeros(len(drawn))
    counted[: course.plan.batch_size] = 1.0
    order = np.argsort(drawn)
    ctx.hosts.push("batch", drawn[order], course.step(iteration))
    yield drawn[order], counted[order]


def _send_labels(
    ctx: TaskContext, course: Course, answers: Answers, step: Step, rows: Rows, counted: Floats | None
) -> None:
    """To the hosts, encrypted: what the loss of a log-linear model needs."""
    label = answers.label[rows, 0] * (1.0 if counted is None else counted)
    label = label if answers.weight is None else label * answers.weight[rows]
    encrypted = EncryptedArray.encrypt(course.key, label, -FRACTION_BITS)
    ctx.hosts.push("label", encrypted.to_wire(LABEL_BITS), step)
