"""Losses that trees are grown for: their derivatives by the score, and the score to start from.

Chen, Guestrin 2016, "XGBoost: A scalable tree boosting system", section 2.2. The names and parameters are FATE's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fate_components.secureboost.model import Floats, probability

_SMALLEST = 1e-15


class Objective(Protocol):
    """A loss. Labels have the shape (rows, dimensions), like scores: of classifiers 0 or 1 for each class.

    Those of the same kind and parameter are equal.
    """

    def start(self, label: Floats, weight: Floats) -> Floats:
        """The score before any tree, shape (dimensions,)."""
        ...

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        """The first and second derivative by the score; the second is never negative."""
        ...

    def loss(self, label: Floats, score: Floats) -> Floats:
        """Of each row, shape (rows,)."""
        ...

    def predicted(self, score: Floats) -> Floats:
        """What a score stands for."""
        ...


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Of two classes, with one score, or of several, with one each."""

    def start(self, label: Floats, weight: Floats) -> Floats:
        return np.zeros(label.shape[1])

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        chance = probability(score)
        return chance - label, chance * (1 - chance)

    def loss(self, label: Floats, score: Floats) -> Floats:
        chance = np.clip(probability(score), _SMALLEST, 1 - _SMALLEST)
        if label.shape[1] == 1:
            binary: Floats = -(label * np.log(chance) + (1 - label) * np.log(1 - chance))[:, 0]
            return binary
        several: Floats = -(label * np.log(chance)).sum(axis=1)
        return several

    def predicted(self, score: Floats) -> Floats:
        return probability(score)


class _Number:
    """A number that the score itself predicts."""

    def predicted(self, score: Floats) -> Floats:
        return score


class _FromMedian(_Number):
    def start(self, label: Floats, weight: Floats) -> Floats:
        return np.array([np.median(label[weight > 0])])


@dataclass(frozen=True, slots=True)
class LeastSquares(_Number):
    """lse: d², where d is how far the score is above the label."""

    def start(self, label: Floats, weight: Floats) -> Floats:
        return np.array([np.average(label[:, 0], weights=weight)])

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        return 2 * (score - label), np.full_like(score, 2.0)

    def loss(self, label: Floats, score: Floats) -> Floats:
        squares: Floats = (score - label)[:, 0] ** 2
        return squares


@dataclass(frozen=True, slots=True)
class LeastAbsolute(_FromMedian):
    """lae: |d|, with 1 for the second derivative, which is 0."""

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        return np.sign(score - label), np.ones_like(score)

    def loss(self, label: Floats, score: Floats) -> Floats:
        distance: Floats = np.abs(score - label)[:, 0]
        return distance


@dataclass(frozen=True, slots=True)
class Huber(_FromMedian):
    """delta²·(sqrt(1 + (d/delta)²) - 1), which is Huber's loss made smooth."""

    delta: float

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        distance = score - label
        root = np.sqrt(1 + (distance / self.delta) ** 2)
        return distance / root, root**-3

    def loss(self, label: Floats, score: Floats) -> Floats:
        distance: Floats = (score - label)[:, 0]
        return self.delta**2 * (np.sqrt(1 + (distance / self.delta) ** 2) - 1)


@dataclass(frozen=True, slots=True)
class Fair(_FromMedian):
    """c²·(|d|/c - log(1 + |d|/c))."""

    c: float

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        distance = score - label
        spread = np.abs(distance) + self.c
        return self.c * distance / spread, (self.c / spread) ** 2

    def loss(self, label: Floats, score: Floats) -> Floats:
        ratio: Floats = np.abs(score - label)[:, 0] / self.c
        return self.c**2 * (ratio - np.log1p(ratio))


@dataclass(frozen=True, slots=True)
class LogCosh(LeastSquares):
    """log cosh d."""

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        slope = np.tanh(score - label)
        return slope, 1 - slope**2

    def loss(self, label: Floats, score: Floats) -> Floats:
        distance = np.abs(score - label)[:, 0]
        loss: Floats = distance + np.log1p(np.exp(-2 * distance)) - np.log(2)
        return loss


@dataclass(frozen=True, slots=True)
class Tweedie:
    """The deviance of a Tweedie distribution of this power, whose mean's logarithm is the score; labels at least 0."""

    power: float

    def start(self, label: Floats, weight: Floats) -> Floats:
        return np.array([np.log(max(float(np.average(label[:, 0], weights=weight)), _SMALLEST))])

    def derivatives(self, label: Floats, score: Floats) -> tuple[Floats, Floats]:
        low, high = label * np.exp((1 - self.power) * score), np.exp((2 - self.power) * score)
        return high - low, (2 - self.power) * high + (self.power - 1) * low

    def loss(self, label: Floats, score: Floats) -> Floats:
        label, score = label[:, 0], score[:, 0]
        rate = 1 - self.power
        of_label = label * (score if rate == 0 else np.exp(rate * score) / rate)
        loss: Floats = np.exp((2 - self.power) * score) / (2 - self.power) - of_label
        return loss

    def predicted(self, score: Floats) -> Floats:
        return np.exp(score)


def objective_of(name: str | None, params: list[float] | None) -> Objective:
    """The loss that a conf names; its parameter, where it has one, comes first in ``params``."""
    match name, params or [1.0]:
        case "lse", _:
            return LeastSquares()
        case "lae", _:
            return LeastAbsolute()
        case "huber", [delta, *_]:
            return Huber(delta)
        case "fair", [c, *_]:
            return Fair(c)
        case "log_cosh", _:
            return LogCosh()
        case "tweedie", [power, *_]:
            return Tweedie(power)
        case _:
            return CrossEntropy()
