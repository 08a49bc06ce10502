"""The data parties' part of a training: steps of their own, and common ones."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fate_components.homo.agreement import Circle
from fate_components.homo_lr.gradient import Shard
from fate_components.homo_lr.spec import HomoLRParams
from fate_components.linear.course import Progress, met
from fate_components.linear.data import log_losses
from fate_components.linear.divergence import warn_of_growth
from fate_components.linear.family import diverged
from fate_components.linear.messages import Rows, Standing, Verdict
from fate_components.linear.model import Floats
from fate_components.linear.optimizer import OPTIMIZERS, Descent, Optimizer
from fate_components.linear.quasi_newton import QuasiNewton, Rhythm, two_loop
from fate_components.secure_aggregation.client import Client
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)

LARGEST_WEIGHT = 1e9
UNIT = "aggregate_round"
"""FATE's name of what losses are counted by."""


def rhythm_of(params: HomoLRParams) -> Rhythm | None:
    """When sqn measures what; None with another optimizer."""
    sqn = params.sqn_param
    return Rhythm(sqn.update_interval_L, sqn.memory_M) if params.optimizer == "sqn" else None


def sums_of(params: HomoLRParams) -> int:
    """Secure sums that a training takes at most."""
    return 1 + params.rounds * (2 if params.optimizer == "sqn" else 1)


def makes_common_steps(params: HomoLRParams, parties_with_batches: float) -> bool:
    """Whether each party makes one step in a round, so that all can make it together."""
    return params.aggregate_iters == 1 and parties_with_batches < 1


def optimizer_of(params: HomoLRParams) -> Optimizer:
    """Every party has all weights: also what sqn combines it has by itself."""
    rhythm = rhythm_of(params)
    if rhythm is None:
        return OPTIMIZERS[params.optimizer]()
    return QuasiNewton(rhythm, lambda products: np.stack([two_loop(some) for some in products]))


@dataclass(slots=True)
class Training:
    """One party's.

    Attributes:
        descent: the weights, with the intercept last; after each round the same at all parties.
        shuffle: of this party's batches.
        validate: told an iteration and the weights after it, says how these stand at this party.
        keep: told an iteration and the weights after it where they make a checkpoint.
    """

    ctx: TaskContext
    params: HomoLRParams
    circle: Circle
    client: Client
    shard: Shard
    descent: Descent
    shuffle: np.random.Generator
    validate: Callable[[int, Floats], Standing]
    keep: Callable[[int, Floats], None]
    losses: list[list[float]] = field(init=False)
    iterations: list[int] = field(init=False)
    best: tuple[int, Floats] | None = None
    checkpoints: list[tuple[int, Floats]] = field(default_factory=list)

    def __post_init__(self) -> None:
        models = self.descent.weights.shape[1]
        self.losses, self.iterations = [[] for _ in range(models)], [0] * models

    def run(self) -> Progress:
        """Train until it has converged, the lead's validation stops it, or max_iter iterations long.

        Raises:
            DataError: no party has rows for a model.
            ModelError: the weights grew beyond all bounds.
            MessageRejected: another party sent something else than was agreed.
        """
        share, one_step = self._shares()
        log.info(
            "each round is %s",
            "a common step along the mean gradient" if one_step else "the mean of what the parties' own steps led to",
        )
        before = np.full(len(share), math.inf)
        for number, first in enumerate(range(0, self.params.max_iter, self.params.aggregate_iters)):
            iterations = range(first, min(first + self.params.aggregate_iters, self.params.max_iter))
            old = self.descent.weights
            loss = self._common_step(iterations.start, share) if one_step else self._own_steps(iterations, share)
            self.descent.iteration = iterations.stop
            verdict, standing = self._judge(number, iterations, before, loss, old)
            before = loss
            self._follow(iterations, verdict, standing)
            log_losses(self.ctx, number, verdict, UNIT)
            if standing.stop or not self.descent.active.any():
                break
        chosen = self.best if self.params.patience is not None else None
        best_iteration, weights = (-1, self.descent.weights) if chosen is None else chosen
        return Progress(
            tuple(self.iterations), tuple(not moves for moves in self.descent.active.tolist()),
            tuple(map(tuple, self.losses)), weights, best_iteration, tuple(self.checkpoints),
        )  # fmt: skip

    def _shares(self) -> tuple[Floats, bool]:
        """This party's share of each model's rows, and whether each party makes one step in a round."""
        rows, several = self.shard.rows, self._batch_size < len(self.shard.features)
        totals = self.client.total(np.append(rows, several)).values
        if not (totals[:-1] >= 1).all():
            raise DataError(f"{self.ctx.component} has a model without rows: there are too few for the folds.")
        return rows / totals[:-1], makes_common_steps(self.params, totals[-1])

    def _common_step(self, iteration: int, share: Floats) -> Floats:
        """One step of all along the gradient of all rows; returns the loss before it."""
        loss, gradient = self.shard.gradient(self.descent.weights)
        mean = self._mean(np.vstack([gradient, loss]), share)
        total: Floats = mean[-1] + self.descent.penalty_loss()
        self._step(mean[:-1], iteration, lambda change: self._mean(self._curvature(change), share))
        return total

    def _own_steps(self, iterations: range, share: Floats) -> Floats:
        """Steps over this party's batches, and then the mean of all; returns the loss before them."""
        common, penalty = self.descent.weights, self.descent.penalty_loss()
        loss, _ = self.shard.gradient(common)
        for iteration in iterations:
            self.descent.iteration = iteration
            for rows in self._batches():
                _, gradient = self.shard.gradient(self.descent.weights, rows)
                if self.params.use_proximal:
                    gradient = gradient + self.params.mu * (self.descent.weights - common)
                self._step(gradient, iteration, self._curvature)
        mean = self._mean(np.vstack([self.descent.weights, loss]), share)
        self.descent.weights = np.where(self.descent.active, mean[:-1], common)
        total: Floats = mean[-1] + penalty
        return total

    def _mean(self, values: Floats, share: Floats) -> Floats:
        self.client.send(values, share)
        return self.client.receive_total().mean

    @property
    def _batch_size(self) -> int:
        rows = len(self.shard.features)
        return rows if self.params.batch_size == -1 else min(self.params.batch_size, rows)

    def _batches(self) -> Iterator[Rows]:
        """The rows of each batch of an iteration; with batch_strategy random there is one."""
        rows, size = len(self.shard.features), self._batch_size
        if size == rows:
            yield np.arange(rows)
            return
        if self.params.batch_strategy == "random":
            yield self.shuffle.choice(rows, size, replace=False)
            return
        order: npt.NDArray[np.int64] = self.shuffle.permutation(rows) if self.params.shuffle else np.arange(rows)
        for start in range(0, rows, size):
            yield order[start : start + size]

    def _step(self, gradient: Floats, iteration: int, curvature: Callable[[Floats], Floats]) -> None:
        """One step, and with sqn what it measures.

        Args:
            curvature: the Hessian of the loss without its penalty times a change of the weights.

        Raises:
            ModelError: the weights grew beyond all bounds.
        """
        descent = self.descent
        descent.step(gradient)
        if not np.isfinite(descent.weights).all() or np.abs(descent.weights).max(initial=0) > LARGEST_WEIGHT:
            raise diverged((0, iteration))
        if isinstance(descent.optimizer, QuasiNewton):
            penalty = descent.alpha * descent.penalized if descent.penalty == "L2" else 0.0
            descent.optimizer.stepped(descent.weights, lambda change: curvature(change) + penalty * change)

    def _curvature(self, change: Floats) -> Floats:
        """Of this party's rows, or of a sample of them."""
        rows, size = len(self.shard.features), self.params.sqn_param.sample_size
        sample = None if size >= rows else self.shuffle.choice(rows, size, replace=False)
        return self.shard.curvature(self.descent.weights, change, sample)

    def _judge(
        self, number: int, iterations: range, before: Floats, loss: Floats, old: Floats
    ) -> tuple[Verdict, Standing]:
        """What the lead says of a round: all have the same numbers, but one must say what follows from them."""
        standing = Standing(best=False, stop=False)
        if any(map(self.params.validates, iterations)):
            standing = self.validate(iterations[-1], self.descent.weights)
        if self.circle.lead is None:
            new = self.descent.weights
            change, norm = ((new - old) ** 2).sum(axis=0), (new**2).sum(axis=0)
            converged = ~self.descent.active | met(self.params, before, loss, change, norm)
            verdict = Verdict(tuple(converged.tolist()), tuple(loss.tolist()))
            said = {"verdict": verdict.to_wire(), "standing": standing.to_wire()}
            self.circle.announce("round", said, number)
            return verdict, standing
        return said_from_wire(self.circle.heard("round", number), len(loss))

    def _follow(self, iterations: range, verdict: Verdict, standing: Standing) -> None:
        active = self.descent.active
        moved = {model: self.losses[model] for model in np.flatnonzero(active).tolist()}
        for model, losses in moved.items():
            losses.append(verdict.losses[model])
            self.iterations[model] += len(iterations)
        warn_of_growth(self.ctx, iterations.start, moved, self.params.tol)
        self.descent.active = active & ~np.array(verdict.converged)
        if standing.best:
            self.best = (iterations[-1], self.descent.weights)
        if any(map(self.params.keeps, iterations)):
            self.checkpoints.append((iterations[-1], self.descent.weights))
            self.keep(*self.checkpoints[-1])


def said_from_wire(value: object, models: int) -> tuple[Verdict, Standing]:
    """What the lead says of a round.

    Raises:
        MessageRejected: it is something else.
    """
    match value:
        case {"verdict": verdict, "standing": standing}:
            return Verdict.from_wire(verdict, models), Standing.from_wire(standing)
    raise MessageRejected("The guest did not say how the training stands.")
