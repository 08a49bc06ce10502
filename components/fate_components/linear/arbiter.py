"""The arbiter's part of the training: it has the private key, decrypts what is hidden, and says when to stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np

from fate_components.crypto.paillier import PrivateKey
from fate_components.linear.course import Course, met
from fate_components.linear.following import progress_from_peer
from fate_components.linear.layout import reveal
from fate_components.linear.messages import Standing, Verdict
from fate_components.linear.model import Floats
from fate_components.linear.quasi_newton import serve_coefficients
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


def train_arbiter(
    ctx: TaskContext, course: Course, private: PrivateKey, log_loss: Callable[[int, Verdict], None]
) -> None:
    """Serve until the training has converged, the guest stops it, or max_iter iterations long."""
    models, rhythm = course.plan.models, course.rhythm
    parties = (*ctx.guests, *ctx.hosts)
    before, converged, steps = np.full(models, math.inf), np.zeros(models, dtype=np.bool_), 0
    for iteration in range(course.params.max_iter):
        for number in range(course.batches):
            step = course.step(iteration, number)
            for peer in parties:
                reveal(private, peer, "gradient", step)
            if rhythm is not None:
                if rhythm.pairs(steps):
                    serve_coefficients(ctx, private, step, models, rhythm.pairs(steps))
                steps += 1
                if rhythm.measures(steps):
                    for peer in parties:
                        reveal(private, peer, "curvature", step)
        losses, change, norm = _progress(ctx, course, private, iteration)
        converged = converged | met(course.params, before, losses, change, norm)
        before = losses
        verdict = Verdict(tuple(converged.tolist()), tuple(losses.tolist()))
        log_loss(iteration, verdict)
        for peer in parties:
            peer.push("verdict", verdict.to_wire(), course.step(iteration))
        stop = False
        if course.validates(iteration):
            stop = Standing.from_wire(ctx.guest.pull("standing", course.step(iteration))).stop
        if stop or converged.all():
            log.info("ended in iteration %d: %s", iteration, "by validation" if stop else course.params.early_stop)
            return


def _progress(ctx: TaskContext, course: Course, private: PrivateKey, iteration: int) -> tuple[Floats, Floats, Floats]:
    """Losses, |w - w_before|², |w|², each of shape (models,); without weight_diff the last two are 0."""
    models = course.plan.models
    numbers = np.zeros(3 * models)
    found = progress_from_peer(ctx.guest.pull("progress", course.step(iteration)), course, None).decrypt(private)
    numbers[: len(found)] = found
    # Fixed-point numbers may end up a rounding error below zero.
    return numbers[:models], np.maximum(numbers[models : 2 * models], 0), np.maximum(numbers[2 * models :], 0)
