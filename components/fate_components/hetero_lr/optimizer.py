"""How a gradient moves weights. All of it is element by element, so that each party may do its own part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_EPSILON = 1e-8


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
    """s' = 0.99·s + 0.01·g²;  step = rate · g / (√s' + ε)  (Tieleman and Hinton 2012)."""

    decay: float = 0.99
    square: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        self.square = self.decay * self.square + (1 - self.decay) * gradient**2
        return rate * gradient / (np.sqrt(self.square) + _EPSILON)


@dataclass(slots=True)
class AdaGrad:
    """s' = s + g²;  step = rate · g / (√s' + ε)  (Duchi, Hazan, Singer 2011)."""

    square: Floats | float = 0.0

    def step(self, gradient: Floats, rate: float) -> Floats:
        self.square = self.square + gradient**2
        return rate * gradient / (np.sqrt(self.square) + _EPSILON)


@dataclass(slots=True)
class Adam:
    """Kingma and Ba 2015, algorithm 1, with β₁ = 0.9 and β₂ = 0.999."""

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
        return mean * rate / (np.sqrt(square) + _EPSILON)


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": Sgd,
    "nesterov_momentum_sgd": Nesterov,
    "rmsprop": RmsProp,
    "adagrad": AdaGrad,
    "adam": Adam,
}


@dataclass(slots=True)
class Descent:
    """Weights on their way down.

    Attributes:
        weights: this party's; the intercept, where there is one, last. Shape (features + intercept,).
        penalized: which of them the penalty applies to: 1 or 0 each.
        penalty, alpha: alpha/2·|w|² for L2, alpha·|w|₁ for L1.
        rate, decay, decay_sqrt: the rate in iteration t, counted from 0, is rate / √(1 + decay·t) or
            rate / (1 + decay·t).
    """

    weights: Floats
    penalized: Floats
    optimizer: Optimizer
    penalty: Literal["L1", "L2"] | None
    alpha: float
    rate: float
    decay: float
    decay_sqrt: bool
    iteration: int = field(default=0, init=False)

    def step(self, gradient: Floats) -> None:
        """Follow the gradient of the loss without its penalty, once.

        L2 adds to the gradient; L1 shrinks the weights after the step (proximal gradient).
        """
        slowed = 1 + self.decay * self.iteration
        rate = self.rate / (np.sqrt(slowed) if self.decay_sqrt else slowed)
        if self.penalty == "L2":
            gradient = gradient + self.alpha * self.penalized * self.weights
        weights = self.weights - self.optimizer.step(gradient, rate)
        if self.penalty == "L1":
            weights = np.sign(weights) * np.maximum(np.abs(weights) - rate * self.alpha * self.penalized, 0)
        self.weights = weights

    def penalty_loss(self) -> float:
        """What the penalty adds to the loss."""
        weights = self.penalized * self.weights
        if self.penalty == "L2":
            return float(self.alpha / 2 * weights @ weights)
        return float(self.alpha * np.abs(weights).sum()) if self.penalty == "L1" else 0.0
