"""What guest, hosts and arbiter know alike of a training: its batches, its layout, its ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fate_components.crypto.paillier import PublicKey
from fate_components.linear.family import Family, Quadratic
from fate_components.linear.layout import Layout
from fate_components.linear.messages import Plan, Rows, Step
from fate_components.linear.model import Floats
from fate_components.linear.params import TrainingParams, VerticalParams
from fate_components.linear.quasi_newton import Rhythm

MOST_PRECISE = 40
"""Bits behind the binary point where floating_point_precision is null."""

PROGRESS_BITS = 448
"""Bits of the integers behind what is said of an iteration; a 1024-bit key has room for them."""


@dataclass(frozen=True, slots=True)
class Course:
    """See the module.

    Attributes:
        key: the arbiter's.
        hosts: how many there are.
        part: which training of the component this is: stepwise selection has several.
    """

    params: VerticalParams
    plan: Plan
    family: Family
    key: PublicKey
    hosts: int
    part: int = 0

    def with_models(self, models: int, part: int) -> Course:
        """Another training of the component, of so many models."""
        return replace(self, plan=replace(self.plan, models=models), part=part)

    @property
    def random(self) -> bool:
        """Whether each iteration has one batch, whose rows only the guest knows from those that hide them."""
        return self.params.batch_strategy == "random" and self.plan.batch_size < self.plan.rows

    @property
    def batches(self) -> int:
        """Batches in an iteration."""
        return 1 if self.random else self.plan.batches

    @property
    def announced(self) -> int:
        """Rows of the largest batch, those that hide it included."""
        if not self.random:
            return self.plan.batch_size
        return min(int(self.plan.batch_size * (1 + self.params.masked_rate)), self.plan.rows)

    @property
    def crosses(self) -> bool:
        """Whether each party knows its part of every row's residual, so that encrypted columns are enough."""
        return isinstance(self.family, Quadratic) and not self.plan.weighted and not self.random

    @property
    def largest_batch(self) -> int:
        """Rows that are summed over at once."""
        return max(self.announced, self.sampled) if self.rhythm else self.announced

    @property
    def precision(self) -> int:
        """Bits behind the binary point of numbers that are multiplied with ciphertexts."""
        return self.params.floating_point_precision or MOST_PRECISE

    @property
    def sampled(self) -> int:
        """Rows by which sqn measures curvature."""
        return min(self.params.sqn_param.sample_size, self.plan.rows)

    @property
    def rhythm(self) -> Rhythm | None:
        """Of sqn, None with another optimizer."""
        sqn = self.params.sqn_param
        return Rhythm(sqn.update_interval_L, sqn.memory_M) if self.params.optimizer == "sqn" else None

    def layout(self) -> Layout:
        """Of residuals."""
        return self.family.layout(self.key.bits, self.largest_batch, self.plan.models, self.hosts)

    def step(self, iteration: int, batch: int = 0) -> Step:
        """What tells a batch's messages apart."""
        return (self.part, iteration, batch)

    def sample(self, iteration: int, batch: int) -> Rows:
        """The rows by which sqn measures curvature after this batch."""
        if self.sampled == self.plan.rows:
            return np.arange(self.plan.rows)
        seed = self.params.sqn_param.random_seed
        rng = np.random.default_rng([self.plan.seed if seed is None else abs(seed), 1, iteration, batch])
        return np.sort(rng.choice(self.plan.rows, self.sampled, replace=False))

    def counts(self, rows: Rows, present: Floats) -> Floats:
        """Rows of a batch that are each model's, shape (models,) or (1,)."""
        return np.array([float(self.plan.batch_size)]) if self.random else present.sum(axis=0)

    def sample_counts(self, present: Floats) -> Floats:
        """Rows of a sample that are each model's, shape (models,) or (1,)."""
        counts: Floats = present.sum(axis=0)
        return counts

    def validates(self, iteration: int) -> bool:
        """Whether validation data are scored after this iteration."""
        return self.plan.validate_rows > 0 and self.params.validates(iteration)


def met(params: TrainingParams, before: Floats, losses: Floats, change: Floats, norm: Floats) -> npt.NDArray[np.bool_]:
    """Which models have converged by early_stop, shape (models,).

    Args:
        before: the losses of the iteration before.
        change, norm: |w - w_before|² and |w|².
    """
    match params.early_stop:
        case "diff":
            return np.abs(before - losses) < params.tol
        case "abs":
            return np.abs(losses) < params.tol
        case "weight_diff":
            return np.sqrt(change) < params.tol * np.maximum(np.sqrt(norm), 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a training went at one party.

    Attributes:
        iterations: of each model.
        converged: each model.
        losses: of each model, one for each of its iterations.
        weights: the ones to keep, in the learner's shape.
        best_iteration: the one whose weights these are, where validation chose; else -1, for the last.
        checkpoints: iterations and the weights after them.
    """

    iterations: tuple[int, ...]
    converged: tuple[bool, ...]
    losses: tuple[tuple[float, ...], ...]
    weights: Floats
    best_iteration: int = -1
    checkpoints: tuple[tuple[int, Floats], ...] = ()
