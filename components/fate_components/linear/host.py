"""A host's part of the training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.linear.course import PROGRESS_BITS, Course, Progress
from fate_components.linear.family import LogLinear, Quadratic, terms_from_peer
from fate_components.linear.following import Following, opened, progress_of
from fate_components.linear.learner import Learner
from fate_components.linear.messages import Rows, Standing, Step, Verdict, rows_from_wire
from fate_components.linear.model import Floats
from fate_components.linear.quasi_newton import QuasiNewton, combined_by_host
from fate_federated.errors import MessageRejected
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)

LABEL_BITS = 80
"""Magnitude of the integers behind encrypted labels."""


def train_host(
    ctx: TaskContext, course: Course, learner: Learner, validation_scores: Callable[[Floats], Floats]
) -> Progress:
    """Train until the arbiter says that it has converged, the guest stops, or max_iter iterations long.

    Args:
        validation_scores: what the guest is sent to validate the weights.
    """
    layout, following = course.layout(), Following(ctx, course, learner)
    optimizer = learner.descent.optimizer
    labels = None
    if isinstance(course.family, LogLinear) and not course.random:
        labels = _labels(ctx, course, (course.part,), course.plan.rows)

    crossing = opened(ctx, course, learner)

    def sums_of(tag: str, step: Step, rows: Rows, score: Floats) -> Floats:
        present = learner.present_in(rows)
        if crossing is not None and isinstance(course.family, Quadratic):
            return crossing.sums(tag, step, rows, course.family.term(score, None) * present)
        course.family.send_terms(ctx, course.key, layout, f"{tag}_score", step, score, present)
        shape = (layout.groups, len(rows))
        residual = terms_from_peer(ctx.guest.pull(f"{tag}_residual", step), course.key, layout.wire_bits, shape)
        return learner.sums(ctx.arbiter, tag, step, rows, residual, layout)

    def curvature(step: Step, rows: Rows, change: Floats) -> Floats:
        sums = sums_of("curvature", step, rows, learner.features[rows] @ change)
        return learner.curvature(sums, course.sample_counts(learner.present_in(rows)), change)

    for iteration in range(course.params.max_iter):
        loss: Floats | EncryptedArray = np.zeros(course.plan.models)
        for number, rows in enumerate(batches_of(ctx, course, iteration)):
            step = course.step(iteration, number)
            score, present = learner.score(rows), learner.present_in(rows)
            counts = course.counts(rows, present)
            sums = sums_of("gradient", step, rows, score)
            if isinstance(course.family, LogLinear):
                known = _labels(ctx, course, step, len(rows)) if labels is None else labels[rows]
                part = course.family.host_loss(known, score * present, step)
                part = part * (1 / (np.maximum(counts, 1) * course.batches))
            else:
                part = (learner.descent.weights * sums).sum(axis=0) / 2 / np.maximum(counts, 1) / course.batches
            loss = part + loss + learner.descent.penalty_loss() / course.batches
            if isinstance(optimizer, QuasiNewton):
                optimizer.combine = partial(combined_by_host, ctx, course.key, step)
            learner.descend(sums, counts, step)
            if isinstance(optimizer, QuasiNewton):
                sample = course.sample(iteration, number)
                optimizer.stepped(learner.descent.weights, partial(curvature, step, sample))
        ctx.guest.push("progress", progress_of(course, learner, loss).to_wire(PROGRESS_BITS), course.step(iteration))
        verdict = Verdict.from_wire(ctx.arbiter.pull("verdict", course.step(iteration)), course.plan.models)
        following.follow(iteration, verdict)
        log.info("iteration %d: loss %s", iteration, ", ".join(f"{value:.6f}" for value in verdict.losses))
        stop = False
        if course.validates(iteration):
            ctx.guest.push("validation_score", validation_scores(learner.descent.weights), course.step(iteration))
            standing = Standing.from_wire(ctx.guest.pull("standing", course.step(iteration)))
            following.rank(iteration, standing)
            stop = standing.stop
        if stop or not learner.descent.active.any():
            break
    return following.progress()


def batches_of(ctx: TaskContext, course: Course, iteration: int) -> Iterator[Rows]:
    """An iteration's batches.

    Raises:
        MessageRejected: the guest announced something else.
    """
    if not course.random:
        yield from course.plan.rows_of(iteration)
        return
    rows = rows_from_wire(ctx.guest.pull("batch", course.step(iteration)), course.plan.rows)
    if len(rows) != course.announced:
        raise MessageRejected(f"The guest announced a batch of {len(rows)} rows where {course.announced} were agreed.")
    yield rows


def _labels(ctx: TaskContext, course: Course, step: Step, rows: int) -> EncryptedArray:
    array = EncryptedArray.from_wire(ctx.guest.pull("label", step), course.key, LABEL_BITS)
    if array.shape != (rows,):
        raise MessageRejected("The guest did not send an encrypted label for each row.")
    return array
