"""Stochastic quasi-Newton steps by several parties.

The algorithm is number 1 of Byrd, Hansen, Nocedal, Singer 2016 (SIAM J. Optim. 26). Its direction H·g, by the two-loop
recursion, is a combination of the changes s_i, the curvatures y_i and the gradient g, whose coefficients follow from
their inner products alone (Chen, Wang, Zhou 2014, "Large-scale L-BFGS using MapReduce").
So each party encrypts its part of the inner products, the guest adds them up, the arbiter decrypts the sum and returns
the coefficients, and no vector leaves its party.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.linear.messages import Step, numbers_from_wire
from fate_components.linear.model import Floats
from fate_federated.errors import MessageRejected
from fate_federated.task.context import TaskContext

_SLOT_BITS, _EXPONENT = 144, -80


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When what happens, the same at every party: ``steps`` counts the steps that were made.

    Attributes:
        interval: steps over which weights are averaged, FATE's update_interval_L.
        memory: pairs that are kept, FATE's memory_M.
    """

    interval: int
    memory: int

    def measures(self, steps: int) -> bool:
        """Whether the curvature is measured after so many steps."""
        return steps % self.interval == 0 and steps >= 2 * self.interval

    def pairs(self, steps: int) -> int:
        """How many pairs there are after so many steps."""
        return min(max(steps // self.interval - 1, 0), self.memory)


@dataclass(slots=True)
class QuasiNewton:
    """An :class:`~fate_components.linear.optimizer.Optimizer` for one party's part of the weights.

    Attributes:
        combine: the coefficients, shape (models, vectors), from this party's inner products, (models, vectors,
            vectors), of the changes, then the curvatures, then the gradient.
        total, mean: the sum of the weights since the last mean, and that mean.
    """

    rhythm: Rhythm
    combine: Callable[[Floats], Floats]
    steps: int = 0
    total: Floats | float = 0.0
    mean: Floats | None = None
    changes: list[Floats] = field(default_factory=list)
    curvatures: list[Floats] = field(default_factory=list)

    def step(self, gradient: Floats, rate: float) -> Floats:
        """rate · H·g, and rate · g as long as there is no pair."""
        if not self.changes:
            return rate * gradient
        vectors = np.stack([*self.changes, *self.curvatures, gradient])
        coefficients = self.combine(np.einsum("afk,bfk->kab", vectors, vectors))
        direction: Floats = np.einsum("ka,afk->fk", coefficients, vectors)
        return rate * direction

    def stepped(self, weights: Floats, curvature: Callable[[Floats], Floats]) -> None:
        """Count a step, and measure when it is time.

        Args:
            curvature: the Hessian of the loss times a change of the weights, this party's part.
        """
        self.steps += 1
        self.total = self.total + weights
        if self.steps % self.rhythm.interval:
            return
        mean = self.total / self.rhythm.interval
        if self.mean is not None:
            change = np.asarray(mean - self.mean)
            memory = self.rhythm.memory
            self.changes = [*self.changes, change][-memory:]
            self.curvatures = [*self.curvatures, curvature(change)][-memory:]
        self.mean, self.total = np.asarray(mean), 0.0


def combined_by_guest(ctx: TaskContext, key: PublicKey, step: Step, products: Floats) -> Floats:
    """Add the hosts' inner products to the guest's, and have the arbiter say the coefficients."""
    total = _encrypted(key, products)
    for value in ctx.hosts.pull("products", step):
        total = total + _from_peer(value, key, products.size)
    ctx.arbiter.push("products", total.to_wire(), step)
    return numbers_from_wire(ctx.arbiter.pull("coefficients", step), products.shape[:2])


def combined_by_host(ctx: TaskContext, key: PublicKey, step: Step, products: Floats) -> Floats:
    """The same at a host."""
    ctx.guest.push("products", _encrypted(key, products).to_wire(), step)
    return numbers_from_wire(ctx.arbiter.pull("coefficients", step), products.shape[:2])


def serve_coefficients(ctx: TaskContext, private: PrivateKey, step: Step, models: int, pairs: int) -> None:
    """The arbiter's part."""
    vectors = 2 * pairs + 1
    total = _from_peer(ctx.guest.pull("products", step), private.public, models * vectors * vectors)
    products = total.decrypt(private).reshape(models, vectors, vectors)
    coefficients = np.stack([two_loop(some) for some in products])
    for peer in (*ctx.guests, *ctx.hosts):
        peer.push("coefficients", coefficients, step)


def two_loop(products: Floats) -> Floats:
    """Coefficients of H·g (Nocedal, Wright 2006, algorithm 7.4) from the inner products of the vectors.

    Args:
        products: of s_1 … s_m, y_1 … y_m, g, shape (2m + 1, 2m + 1). Pairs without positive curvature are left out.
    """
    pairs = len(products) // 2
    q = np.zeros(len(products))
    q[-1] = 1.0
    usable = [pair for pair in range(pairs) if products[pair, pairs + pair] > 0]
    alpha = np.zeros(pairs)
    for pair in reversed(usable):
        alpha[pair] = products[pair] @ q / products[pair, pairs + pair]
        q[pairs + pair] -= alpha[pair]
    if usable:
        last = usable[-1]
        square = products[pairs + last, pairs + last]
        q *= products[last, pairs + last] / square if square > 0 else 1.0
    for pair in usable:
        beta = products[pairs + pair] @ q / products[pair, pairs + pair]
        q[pair] += alpha[pair] - beta
    return q


def _encrypted(key: PublicKey, products: Floats) -> PackedArray:
    return PackedArray.encrypt(key, products.ravel(), _SLOT_BITS, _EXPONENT)


def _from_peer(value: object, key: PublicKey, count: int) -> PackedArray:
    array = PackedArray.from_wire(value, key, _SLOT_BITS, _SLOT_BITS - 8)
    if array.shape != (count,) or array.exponent != _EXPONENT:
        raise MessageRejected("A peer did not send the inner products that were agreed.")
    return array
