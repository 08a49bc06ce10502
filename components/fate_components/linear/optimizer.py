"""How a gradient moves weights, element by element, so that each party may do its own part.

The one optimizer that needs more is in :mod:`.quasi_newton`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Optimizer(Protocol):
    """Keeps what it needs between steps."""

    def step(self, gradient: Floats, rate: float) -> Floats:
        """What to subtract from the weights, in the gradient's shape."""
        ...


class Sgd:
    """rate · g."""

    def step(self, gradient: Floats, rate: float) -> Floats:
        return rate * gradient


@dataclass(slots=True)
class Nesterov:
    """Nesterov's momentum, in the form that needs the gradient at the current weights only (Sutskever 2013).

    v' = 0.9·v - rate·g;  step = 0.9·v - 1.9·v'.
    """

    momentum: float = 0.9
    velocity: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        before = self.velocity
        self.velocity = self.momentum * before - rate * gradient
        return self.momentum * before - (1 + self.momentum) * self.velocity


@dataclass(slots=True)
class RmsProp:
    """s' = 0.99·s + 0.01·g²;  step = rate · g / √(s' + ε), ε = 1e-6  (Tieleman and Hinton 2012; ρ and ε are FATE's)."""

    decay: float = 0.99
    square: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        self.square = self.decay * self.square + (1 - self.decay) * gradient**2
        return rate * gradient / np.sqrt(self.square + 1e-6)


@dataclass(slots=True)
class AdaGrad:
    """s' = s + g²;  step = rate · g / (√s' + ε), ε = 1e-7 as FATE has it  (Duchi, Hazan, Singer 2011)."""

    square: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        self.square = self.square + gradient**2
        return rate * gradient / (np.sqrt(self.square) + 1e-7)


@dataclass(slots=True)
class Adam:
    """Kingma and Ba 2015, algorithm 1, with β₁ = 0.9, β₂ = 0.999 and ε = 1e-8."""

    beta1: float = 0.9
    beta2: float = 0.999
    steps: int = 0
    mean: Floats | float = 0.0
    square: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        self.steps += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient**2
        mean = self.mean / (1 - self.beta1**self.steps)
        square = self.square / (1 - self.beta2**self.steps)
        return mean * rate / (np.sqrt(square) + 1e-8)


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": Sgd,
    "nesterov_momentum_sgd": Nesterov,
    "rmsprop": RmsProp,
    "adagrad": AdaGrad,
    "adam": Adam,
}


@dataclass(slots=True)
class Descent:
    """Weights of models that are trained side by side, on their way down.

    Attributes:
        weights: this party's; the intercepts, where there are any, last. Shape (features + intercept, models).
        free: 1, or 0 where a weight stays 0 because the model does without the feature; the same shape.
        penalized: which rows the penalty applies to: 1 or 0 each, shape (features + intercept, 1).
        penalty, alpha: alpha/2·|w|² for L2, alpha·|w|₁ for L1.
        rate, decay, decay_sqrt: the rate in iteration t, counted from 0, is rate / √(1 + decay·t) or
            rate / (1 + decay·t).
        active: the models that still move, shape (models,).
    """

    weights: Floats
    free: Floats
    penalized: Floats
    optimizer: Optimizer
    penalty: Literal["L1", "L2"] | None
    alpha: float
    rate: float
    decay: float
    decay_sqrt: bool
    iteration: int = field(default=0, init=False)
    active: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = self.weights * self.free
        self.active = np.ones(self.weights.shape[1], dtype=np.bool_)

    def step(self, gradient: Floats) -> None:
        """Follow the gradients of the losses without their penalties, once.

        L2 adds to the gradient; L1 shrinks the weights after the step (proximal gradient).
        """
        rate = self.rate_now
        if self.penalty == "L2":
            gradient = gradient + self.alpha * self.penalized * self.weights
        weights = self.weights - self.optimizer.step(gradient * self.free, rate)
        if self.penalty == "L1":
            weights = np.sign(weights) * np.maximum(np.abs(weights) - rate * self.alpha * self.penalized, 0)
        self.weights = np.where(self.active, weights, self.weights)

    @property
    def rate_now(self) -> float:
        """The learning rate of this iteration."""
        slowed = 1 + self.decay * self.iteration
        return self.rate / (math.sqrt(slowed) if self.decay_sqrt else slowed)

    def penalty_loss(self) -> Floats:
        """What the penalty adds to each model's loss, shape (models,)."""
        weights = self.penalized * self.weights
        factor, sizes = {"L2": (self.alpha / 2, weights**2), "L1": (self.alpha, np.abs(weights))}.get(
            self.penalty or "", (0.0, weights)
        )
        loss: Floats = factor * sizes.sum(axis=0)
        return loss
