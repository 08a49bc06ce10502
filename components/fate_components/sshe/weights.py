"""Where the weights are while they are trained: shared, or each party's own after each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fate_components.crypto.integers import Integers
from fate_components.linear.course import Course
from fate_components.linear.family import Quadratic
from fate_components.linear.learner import Learner
from fate_components.linear.messages import Rows, Step, numbers_from_wire
from fate_components.linear.model import Floats
from fate_components.sshe.pair import Pair
from fate_components.sshe.products import Products, inner_product
from fate_components.sshe.ring import (
    FRACTION_BITS,
    RING_BITS,
    SCORE_BITS,
    Shares,
    decoded,
    encoded,
    reduced,
    scaled,
    shares_from_wire,
    shares_to_wire,
    truncated,
    zeros,
)

_WIDE_BITS = 2 * FRACTION_BITS
"""Fraction bits of a product of two shared numbers."""
_LOSS_BITS = 50
"""A loss, and a sum of squared weights, is below 2**_LOSS_BITS."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What both ways to keep weights go by.

    Attributes:
        products: with the peer.
        answers: y at the guest, shape (rows, models) or (rows, 1); None at the host.
        shared: whether the weights are.
    """

    pair: Pair
    course: Course
    family: Quadratic
    learner: Learner
    products: Products
    answers: Floats | None
    shared: bool

    @property
    def uniform(self) -> bool:
        """Whether shares of d are uniform, and not terms that each party knows."""
        return self.shared or self.course.plan.weighted or self.course.random

    @property
    def residual_bits(self) -> int:
        """Fraction bits of residuals: multiplying with the slope, a power of two, moves the binary point."""
        return FRACTION_BITS - int(np.frexp(self.family.slope)[1]) + 1


class Weights(Protocol):
    """Weights of models that are trained side by side; see the module."""

    def residual(self, step: Step, rows: Rows) -> Shares:
        """This party's share of d, shape (rows, models), with residual_bits."""
        ...

    def descend(self, step: Step, sums: tuple[Shares, Shares], counts: Floats, weight: Floats) -> None:
        """One step, and the loss of the batch before it.

        Args:
            sums: shares of X_p^T d of this party and of the peer, as :meth:`Products.sums` has them.
            counts: rows of the batch, shape (models,) or (1,).
            weight: Σ of the rows' weights, shape (models,); at the guest.
        """
        ...

    def end_iteration(self, step: Step) -> None:
        """Tell the guest of the losses and, with weight_diff, of |w - w_before|² and |w|². At the host."""
        ...

    def progress(self, step: Step) -> tuple[Floats, Floats, Floats]:
        """The guest's part of :meth:`end_iteration`, each of shape (models,)."""
        ...

    def open(self, step: Step) -> None:
        """Let each party know its own weights, and keep them in the learner."""
        ...


@dataclass(slots=True)
class Revealed:
    """Each party knows its own weights: its gradients are opened to it, and it makes its own steps.

    A residual's terms, which each party knows, serve as shares of it.
    """

    setting: Setting
    loss: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.loss = np.zeros(self.setting.course.plan.models)

    def residual(self, step: Step, rows: Rows) -> Shares:
        setting = self.setting
        label = None if setting.answers is None else setting.answers[rows]
        return encoded(setting.family.term(setting.learner.score(rows), label), setting.residual_bits, step)

    def descend(self, step: Step, sums: tuple[Shares, Shares], counts: Floats, weight: Floats) -> None:
        setting, descent = self.setting, self.setting.learner.descent
        setting.pair.open_to_peer("sums", step, sums[1])
        own = setting.products.own
        bits = setting.residual_bits + own.fraction_bits
        found = np.ldexp(setting.pair.opened("sums", step, sums[0], 0, RING_BITS - 2), -bits[:, None])
        gradient = found[: own.features]
        by_score = (descent.weights * gradient).sum(axis=0)
        if setting.answers is None:
            part = by_score / 2
        else:
            label = np.zeros((1, len(self.loss)))
            part = setting.family.guest_loss(by_score, found[own.features :], label, label, weight[None])
        self.loss = self.loss + part / np.maximum(counts, 1) + descent.penalty_loss()
        setting.learner.descend(gradient, counts, step)

    def end_iteration(self, step: Step) -> None:
        self.setting.pair.peer.push("progress", self._ended(), step)

    def progress(self, step: Step) -> tuple[Floats, Floats, Floats]:
        value = self.setting.pair.peer.pull("progress", step)
        losses, change, norm = self._ended() + numbers_from_wire(value, (3, len(self.loss)))
        return losses, change, norm

    def _ended(self) -> Floats:
        ended = np.stack([self.loss / self.setting.course.batches, *self.setting.learner.end_iteration()])
        self.loss = np.zeros(len(self.loss))
        return ended

    def open(self, step: Step) -> None:
        """They are."""


@dataclass(slots=True)
class Shared:
    """Nobody knows any weight before the end: all are shared, the guest's and then the host's, in one array.

    Attributes:
        shares: this party's, shape (features of both, models).
        own: which of them are of this party's weights.
        penalized: shape (features of both, 1).
    """

    setting: Setting
    shares: Shares
    own: slice
    penalized: Floats
    before: Shares
    velocity: Shares
    loss: Shares

    @classmethod
    def open_with(cls, setting: Setting, own: Shares, other: Shares) -> Shared:
        """From shares of the first weights, of this party's own and of the peer's."""
        pair, products = setting.pair, setting.products
        parts = [(own, products.own), (other, products.peer)]
        guest, host = parts if pair.first else parts[::-1]
        shares = np.concatenate([guest[0], host[0]])
        penalized = np.ones((len(shares), 1))
        if guest[1].intercept:
            penalized[len(guest[0]) - 1] = 0.0
        place = slice(0, len(guest[0])) if pair.first else slice(len(guest[0]), None)
        return cls(setting, shares, place, penalized, shares, zeros(shares.shape), zeros(shares.shape[1:]))

    @property
    def others(self) -> slice:
        return slice(self.own.stop, None) if self.setting.pair.first else slice(0, self.own.start)

    def residual(self, step: Step, rows: Rows) -> Shares:
        setting = self.setting
        mine, theirs = setting.products.score(step, rows, self.shares[self.own], self.shares[self.others])
        residual = mine + theirs
        if setting.answers is not None:
            labels = setting.family.label_slope * setting.answers[rows]
            residual = residual - encoded(labels, setting.residual_bits, step)
        return reduced(residual)

    def descend(self, step: Step, sums: tuple[Shares, Shares], counts: Floats, weight: Floats) -> None:
        setting, first, descent = self.setting, self.setting.pair.first, self.setting.learner.descent
        products, family, per_row = setting.products, setting.family, 1 / np.maximum(counts, 1)
        means = [
            scaled(self._at_fraction(some, shape.fraction_bits), per_row, first=first)
            for some, shape in zip(sums, (products.own, products.peer), strict=True)
        ]
        own, other = (some[: shape.features] for some, shape in zip(means, (products.own, products.peer), strict=True))
        gradient = np.concatenate([own, other] if first else [other, own])
        weights, alpha = self.shares, descent.alpha if descent.penalty == "L2" else 0.0
        shrinking = scaled(weights * self.penalized.astype(np.int64).astype(object), alpha, first=first)
        # Σ d·u / 2 + alpha / 2 · |w|² = w · (X^T d + alpha·w) / 2
        half = scaled(reduced(gradient + shrinking), 0.5, first=first)
        loss = inner_product(setting.pair, "loss", step, weights, half)
        answers = means[0 if first else 1][len(own if first else other) :]
        models = np.arange(len(self.loss))
        of_label = scaled(answers[models % len(answers), models], family.label_slope / (2 * family.slope), first=first)
        loss = loss - (of_label << FRACTION_BITS)
        if first:
            loss = loss + encoded(family.constant * weight * per_row, _WIDE_BITS, step)
        self.loss = reduced(self.loss + loss)
        gradient, rate = reduced(gradient + shrinking), descent.rate_now
        moved = reduced(weights - self._step(scaled(gradient, rate, first=first)))
        self.shares = np.where(descent.active, moved, weights)

    def end_iteration(self, step: Step) -> None:
        self.setting.pair.peer.push("progress", shares_to_wire(self._ended(step)), step)

    def progress(self, step: Step) -> tuple[Floats, Floats, Floats]:
        ended = self._ended(step)
        total = ended + shares_from_wire(self.setting.pair.peer.pull("progress", step), ended.shape)
        found = decoded(total, _WIDE_BITS, _LOSS_BITS, step)
        if len(found) == 1:
            found = np.vstack([found, np.zeros((2, len(self.loss)))])
        # Fixed-point numbers may end up a rounding error below zero.
        return found[0] / self.setting.course.batches, np.maximum(found[1], 0), np.maximum(found[2], 0)

    def open(self, step: Step) -> None:
        pair, learner = self.setting.pair, self.setting.learner
        pair.open_to_peer("weights", step, self.shares[self.others])
        learner.descent.weights = pair.opened("weights", step, self.shares[self.own], FRACTION_BITS, SCORE_BITS)

    def _at_fraction(self, sums: Shares, fraction_bits: Integers) -> Shares:
        """Sums of X^T d, each column of its own fraction bits, with FRACTION_BITS."""
        drop = self.setting.residual_bits - FRACTION_BITS
        rows = [
            truncated(row, drop + bits, first=self.setting.pair.first)
            for row, bits in zip(sums, fraction_bits.tolist(), strict=True)
        ]
        return np.stack(rows)

    def _step(self, step: Shares) -> Shares:
        """What to subtract; see :class:`~fate_components.linear.optimizer.Nesterov` for the momentum."""
        if self.setting.course.params.optimizer == "sgd":
            return step
        first = self.setting.pair.first
        carried = scaled(self.velocity, 0.9, first=first)
        self.velocity = reduced(carried - step)
        return reduced(carried - scaled(self.velocity, 1.9, first=first))

    def _ended(self, step: Step) -> Shares:
        parts, pair = [self.loss], self.setting.pair
        self.loss = zeros(self.loss.shape)
        self.setting.learner.descent.iteration += 1
        if self.setting.course.params.early_stop == "weight_diff":
            change = reduced(self.shares - self.before)
            parts.append(inner_product(pair, "change", step, change, change))
            parts.append(inner_product(pair, "norm", step, self.shares, self.shares))
        self.before = self.shares
        return np.stack(parts)
