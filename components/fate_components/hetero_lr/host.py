"""A host's part of the training."""

from __future__ import annotations

import logging

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import PublicKey
from fate_components.hetero_lr.guest import Progress
from fate_components.hetero_lr.learner import PROGRESS_BITS, RESIDUAL_BITS, SCORE_BITS, Learner, from_peer
from fate_components.hetero_lr.messages import Plan, Verdict
from fate_components.hetero_lr.spec import HeteroLRParams
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


def train_host(ctx: TaskContext, params: HeteroLRParams, plan: Plan, learner: Learner) -> Progress:
    """Train until the arbiter says that it has converged, or max_iter iterations long."""
    ctx.guest.push("features", len(learner.header))
    key = PublicKey.from_wire(ctx.arbiter.pull("public_key"))
    for iteration in range(params.max_iter):
        for number, rows in enumerate(plan.rows_of(iteration)):
            step = (iteration, number)
            own = learner.score(rows)
            ctx.guest.push("score", EncryptedArray.encrypt(key, 0.25 * own).to_wire(SCORE_BITS), step)
            residual = from_peer(ctx.guest.pull("residual", step), key, RESIDUAL_BITS, (len(rows),))
            learner.learn_batch(ctx.arbiter, step, rows, residual, 0.5 * own, 0.0)
        progress = learner.end_iteration(params.early_stop == "weight_diff")
        ctx.guest.push("progress", progress.to_wire(PROGRESS_BITS), iteration)
        verdict = Verdict.from_wire(ctx.arbiter.pull("verdict", iteration))
        log.info("iteration %d: loss %.6f", iteration, verdict.loss)
        if verdict.converged:
            break
    return Progress(iteration + 1, verdict.converged)
