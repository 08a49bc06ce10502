"""The arbiter's part of the training: it has the private key, decrypts what is masked, and says when to stop."""

from __future__ import annotations

import logging
import math

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.masking import residues_to_wire
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from fate_components.hetero_lr.learner import from_peer
from fate_components.hetero_lr.messages import Plan, Verdict
from fate_components.hetero_lr.spec import HeteroLRParams
from fate_federated.task.context import Peer, TaskContext

log = logging.getLogger(__name__)


def train_arbiter(ctx: TaskContext, params: HeteroLRParams, plan: Plan) -> None:
    """Serve until the training has converged, or max_iter iterations long."""
    private = generate_keypair(params.encrypt_param.key_length)
    for peer in (*ctx.guests, *ctx.hosts):
        peer.push("public_key", private.public.to_wire())
    log.info("made a Paillier key of %d bits; %d batches per iteration", private.public.bits, plan.batches)
    before = math.inf
    for iteration in range(params.max_iter):
        for number in range(plan.batches):
            for peer in (*ctx.guests, *ctx.hosts):
                _decrypt_gradient(private, peer, (iteration, number))
        loss, change, norm = _decrypt_progress(ctx, params, private, iteration)
        ctx.log_loss(iteration, loss)
        match params.early_stop:
            case "diff":
                converged = abs(before - loss) < params.tol
            case "abs":
                converged = abs(loss) < params.tol
            case "weight_diff":
                converged = math.sqrt(change) < params.tol * max(math.sqrt(norm), 1.0)
        before = loss
        for peer in (*ctx.guests, *ctx.hosts):
            peer.push("verdict", Verdict(converged, loss).to_wire(), iteration)
        if converged:
            log.info("converged by %s in iteration %d", params.early_stop, iteration)
            return


def _decrypt_gradient(private: PrivateKey, peer: Peer, step: tuple[int, int]) -> None:
    masked = EncryptedArray.from_wire(peer.pull("gradient", step), private.public, masked=True)
    peer.push("gradient", residues_to_wire(masked.decrypt_residues(private), private.public), step)


def _decrypt_progress(
    ctx: TaskContext, params: HeteroLRParams, private: PrivateKey, iteration: int
) -> tuple[float, float, float]:
    """Loss, |w - w_before|², |w|²; without weight_diff the last two are 0."""
    shape = (3,) if params.early_stop == "weight_diff" else (1,)
    progress = from_peer(ctx.guest.pull("progress", iteration), private.public, None, shape)
    loss, change, norm = (*progress.decrypt(private).tolist(), 0.0, 0.0)[:3]
    # Fixed-point numbers may end up a rounding error below zero.
    return loss, max(change, 0.0), max(norm, 0.0)
