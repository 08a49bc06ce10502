"""The guest's part of the training."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import PublicKey
from fate_components.hetero_lr.learner import (
    LOG_2_MINUS_HALF,
    PROGRESS_BITS,
    RESIDUAL_BITS,
    SCORE_BITS,
    Learner,
    from_peer,
)
from fate_components.hetero_lr.messages import Plan, Verdict
from fate_components.hetero_lr.model import Floats
from fate_components.hetero_lr.spec import HeteroLRParams
from fate_federated.errors import MessageRejected
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a training went; the loss is only known to guest and arbiter."""

    iterations: int
    converged: bool
    losses: tuple[float, ...] = ()


def train_guest(ctx: TaskContext, params: HeteroLRParams, plan: Plan, learner: Learner, sign: Floats) -> Progress:
    """Train until the arbiter says that it has converged, or max_iter iterations long.

    Args:
        sign: the label of each row, -1 or 1.
    """
    _warn_of_small_batches(ctx, plan)
    key = PublicKey.from_wire(ctx.arbiter.pull("public_key"))
    losses: list[float] = []
    for iteration in range(params.max_iter):
        for number, rows in enumerate(plan.rows_of(iteration)):
            step = (iteration, number)
            own, batch_sign = learner.score(rows), sign[rows]
            residual = encrypted_residual(own, batch_sign, _host_scores(ctx, key, step, len(rows)))
            ctx.hosts.push("residual", residual.to_wire(RESIDUAL_BITS), step)
            learner.learn_batch(ctx.arbiter, step, rows, residual, 0.5 * own - batch_sign, LOG_2_MINUS_HALF)
        progress = learner.end_iteration(params.early_stop == "weight_diff")
        for value in ctx.hosts.pull("progress", iteration):
            progress = progress + from_peer(value, key, PROGRESS_BITS, progress.shape)
        ctx.arbiter.push("progress", progress.to_wire(), iteration)
        verdict = Verdict.from_wire(ctx.arbiter.pull("verdict", iteration))
        losses.append(verdict.loss)
        ctx.log_loss(iteration, verdict.loss)
        if verdict.converged:
            break
    return Progress(len(losses), verdict.converged, tuple(losses))


def encrypted_residual(guest_score: Floats, sign: Floats, quarter_host_score: EncryptedArray) -> EncryptedArray:
    """Residual 0.25·(u_guest + u_hosts) - 0.5·y of the Taylor-expanded logistic loss, shape (batch,).

    Args:
        sign: y, -1 or 1.
        quarter_host_score: 0.25·u_hosts under the arbiter's key.

    Hardy et al. 2017, arXiv:1711.10677, section 3: log(1 + e^-yu) ≈ log 2 - yu/2 + u²/8.
    """
    return quarter_host_score + (0.25 * guest_score - 0.5 * sign)


def _host_scores(ctx: TaskContext, key: PublicKey, step: tuple[int, int], rows: int) -> EncryptedArray:
    first, *rest = [from_peer(value, key, SCORE_BITS, (rows,)) for value in ctx.hosts.pull("score", step)]
    for score in rest:
        first = first + score
    return first


def _warn_of_small_batches(ctx: TaskContext, plan: Plan) -> None:
    for host in ctx.hosts:
        features = host.pull("features")
        if type(features) is not int:
            raise MessageRejected(f"{host.party} did not say how many features it has.")
        if features >= plan.batch_size:
            log.warning(
                "%s has %d features and a batch has %d rows: it could solve its gradient for each row's residual, "
                "and so learn labels. Raise batch_size.",
                host.party, features, plan.batch_size,
            )  # fmt: skip


def signs(label: Floats) -> tuple[Floats, Floats]:
    """Each row's class as -1 or 1, and the two labels, the lesser first."""
    classes = np.unique(label)
    return np.where(label == classes[-1], 1.0, -1.0), classes
