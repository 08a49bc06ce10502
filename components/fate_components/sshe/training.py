"""The loop of both parties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.linear.course import Course, Progress, met
from fate_components.linear.family import WEIGHT_FRACTION_BITS, Quadratic
from fate_components.linear.following import Following
from fate_components.linear.guest import Answers, check_rounding, counted_batches
from fate_components.linear.host import batches_of
from fate_components.linear.ineffective import warn_of_no_effect
from fate_components.linear.learner import Learner
from fate_components.linear.messages import Rows, Standing, Step, Verdict
from fate_components.linear.model import Floats
from fate_components.sshe.concealed import (
    Concealed,
    concealed_from_guest,
    dealt_by_guest,
    dealt_by_host,
    opened_but_for_host,
)
from fate_components.sshe.pair import Pair
from fate_components.sshe.products import Products, weighted
from fate_components.sshe.ring import SCORE_BITS
from fate_components.sshe.weights import Revealed, Setting, Shared, Weights
from fate_federated.errors import DataError
from fate_federated.task.context import TaskContext


@dataclass(frozen=True, slots=True)
class PairCourse(Course):
    """A training by two parties.

    Attributes:
        shared: whether the weights are shared until the end.
        conceals: whether the host's weights stay encrypted for it.
        known: what is known of weights of the host that are gone on from and stayed encrypted.
    """

    pair: Pair = field(kw_only=True)
    shared: bool = field(kw_only=True)
    conceals: bool = field(kw_only=True)
    known: Concealed | None = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ConcealedProgress(Progress):
    """Of a host that does not know its weights.

    Attributes:
        encrypted: they, under the guest's key, shape (features, models).
    """

    encrypted: EncryptedArray = field(kw_only=True)


def train_guest(
    ctx: TaskContext, course: PairCourse, learner: Learner, answers: Answers,
    validate: Callable[[int, Floats], Standing], log_loss: Callable[[int, Verdict], None],
) -> Progress:  # fmt: skip
    """Train until it has converged, validation stops it, or max_iter iterations long."""
    if course.part == 0:
        warn_of_no_effect(course.params, validates=course.plan.validate_rows > 0)
    check_rounding(answers.weight, WEIGHT_FRACTION_BITS)
    following, models = Following(ctx, course, learner), course.plan.models
    setting, weights = _opened(course, learner, answers.label)
    before, converged = np.full(models, np.inf), np.zeros(models, dtype=np.bool_)
    for iteration in range(course.params.max_iter):
        step = course.step(iteration)
        for number, (rows, counted) in enumerate(counted_batches(ctx, course, iteration)):
            weight = counted if answers.weight is None else counted * answers.weight[rows]
            _learn(setting, weights, course.step(iteration, number), rows, weight)
        losses, change, norm = weights.progress(step)
        converged = converged | met(course.params, before, losses, change, norm)
        before = losses
        verdict = Verdict(tuple(converged.tolist()), tuple(losses.tolist()))
        ctx.hosts.push("verdict", verdict.to_wire(), step)
        _follow(following, weights, iteration, verdict)
        log_loss(iteration, verdict)
        stop = False
        if course.validates(iteration):
            standing = validate(iteration, learner.descent.weights)
            ctx.hosts.push("standing", standing.to_wire(), step)
            following.rank(iteration, standing)
            stop = standing.stop
        if stop or converged.all():
            break
    if isinstance(weights, Shared) and course.conceals:
        opened_but_for_host(course.pair, weights, (course.part,))
    else:
        weights.open((course.part,))
    return following.progress()


def train_host(
    ctx: TaskContext, course: PairCourse, learner: Learner, validation_scores: Callable[[Floats], Floats]
) -> Progress:
    """The host's part of :func:`train_guest`."""
    following = Following(ctx, course, learner)
    setting, weights = _opened(course, learner, None)
    for iteration in range(course.params.max_iter):
        step = course.step(iteration)
        for number, rows in enumerate(batches_of(ctx, course, iteration)):
            _learn(setting, weights, course.step(iteration, number), rows, None)
        weights.end_iteration(step)
        verdict = Verdict.from_wire(ctx.guest.pull("verdict", step), course.plan.models)
        _follow(following, weights, iteration, verdict)
        stop = False
        if course.validates(iteration):
            ctx.guest.push("validation_score", validation_scores(learner.descent.weights), step)
            standing = Standing.from_wire(ctx.guest.pull("standing", step))
            following.rank(iteration, standing)
            stop = standing.stop
        if stop or not learner.descent.active.any():
            break
    if isinstance(weights, Shared) and course.conceals:
        encrypted = concealed_from_guest(course.pair, weights, (course.part,))
        progress = following.progress()
        return ConcealedProgress(
            progress.iterations, progress.converged, progress.losses, np.zeros_like(progress.weights),
            encrypted=encrypted,
        )  # fmt: skip
    weights.open((course.part,))
    return following.progress()


def _opened(course: PairCourse, learner: Learner, label: Floats | None) -> tuple[Setting, Weights]:
    """The parties' columns exchanged, and their first weights where these are shared.

    Raises:
        DataError: numbers are too large.
    """
    pair, family, step = course.pair, course.family, (course.part,)
    assert isinstance(family, Quadratic)  # noqa: S101 - the components have no other
    if label is not None and np.abs(label).max() >= 2.0**SCORE_BITS:
        raise DataError(f"Labels of 2**{SCORE_BITS} and more are too large to be shared. Give them in a larger unit.")
    numbers, features = learner.columns.numbers, learner.features.shape[1]
    products = Products.open(
        pair, numbers, numbers.shape[1] - features, learner.intercept, course.precision, course.largest_batch, step
    )
    setting = Setting(pair, course, family, learner, products, label, course.shared)
    if not course.shared:
        return setting, Revealed(setting)
    other = (products.peer.features, course.plan.models)
    if pair.first:
        shares = dealt_by_guest(pair, step, learner.descent.weights, other, course.known)
    else:
        shares = dealt_by_host(pair, step, learner.descent.weights, other, course.known)
    return setting, Shared.open_with(setting, *shares)


def _learn(setting: Setting, weights: Weights, step: Step, rows: Rows, weight: Floats | None) -> None:
    """One batch.

    Args:
        weight: of each row, at the guest.
    """
    course, learner = setting.course, setting.learner
    present = learner.present_in(rows)
    residual = weights.residual(step, rows)
    if learner.present is not None:
        residual = residual * present.astype(np.int64).astype(object)
    if course.plan.weighted or course.random:
        residual = weighted(setting.pair, step, residual, weight)
    sums = setting.products.sums(step, rows, residual, uniform=setting.uniform)
    total = np.zeros(course.plan.models) if weight is None else (weight[:, None] * present).sum(axis=0)
    weights.descend(step, sums, course.counts(rows, present), np.broadcast_to(total, course.plan.models))


def _follow(following: Following, weights: Weights, iteration: int, verdict: Verdict) -> None:
    course = following.course
    if course.params.keeps(iteration):
        weights.open(course.step(iteration))
    following.follow(iteration, verdict)
