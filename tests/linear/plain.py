"""The family's update rules on joined data in clear, written from the papers and not from the components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Batch = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """A loss for each row, its derivative by the score u, and its second derivative."""

    loss: Callable[[Floats, Floats], Floats]
    slope: Callable[[Floats, Floats], Floats]
    bend: float | Callable[[Floats], Floats]


KINDS = {
    "HeteroLR": Kind(lambda u, y: np.log(2) - y * u / 2 + u**2 / 8, lambda u, y: u / 4 - y / 2, 0.25),
    "HeteroLinR": Kind(lambda u, y: (u - y) ** 2 / 2, lambda u, y: u - y, 1.0),
    "HeteroPoisson": Kind(lambda u, y: np.exp(u) - y * u, lambda u, y: np.exp(u) - y, float("nan")),
    "HomoLR": Kind(
        lambda u, y: np.log1p(np.exp(-y * u)), lambda u, y: -y / (1 + np.exp(y * u)), lambda u: 1 / (2 + 2 * np.cosh(u))
    ),
}


@dataclass
class LBfgs:
    """Byrd et al. 2016: averages over ``interval`` steps; the two loops are Nocedal and Wright's algorithm 7.4."""

    interval: int
    memory: int
    seen: list[Floats] = field(default_factory=list)
    mean: Floats | None = None
    pairs: list[tuple[Floats, Floats]] = field(default_factory=list)

    def direction(self, g: Floats) -> Floats:
        q, alphas = g.copy(), []
        for s, y in reversed(self.pairs):
            alphas.append((s @ q) / (s @ y))
            q = q - alphas[-1] * y
        if self.pairs:
            s, y = self.pairs[-1]
            q = q * (s @ y) / (y @ y)
        for (s, y), alpha in zip(self.pairs, reversed(alphas), strict=True):
            q = q + s * (alpha - (y @ q) / (s @ y))
        return q

    def stepped(self, w: Floats, hessian: Floats) -> None:
        self.seen.append(w)
        if len(self.seen) < self.interval:
            return
        mean = np.mean(self.seen, axis=0)
        if self.mean is not None:
            s = mean - self.mean
            self.pairs = [*self.pairs, (s, hessian @ s)][-self.memory :]
        self.mean, self.seen = mean, []


def stepper(optimizer: str) -> Callable[[Floats, float], Floats]:
    """step(gradient, rate), what to subtract; keeps its own state."""
    m, v, t = 0.0, 0.0, 0

    def step(g: Floats, rate: float) -> Floats:
        nonlocal m, v, t
        t += 1
        if optimizer == "sgd":
            return rate * g
        if optimizer == "nesterov_momentum_sgd":
            old, m = m, 0.9 * m - rate * g
            return -(m + 0.9 * (m - old))
        if optimizer == "adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            return rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        if optimizer == "adagrad":
            v = v + g * g
            return rate * g / (np.sqrt(v) + 1e-7)
        v = 0.99 * v + 0.01 * g * g
        return rate * g / np.sqrt(v + 1e-6)

    return step


def train(
    module: str,
    X: Floats,
    y: Floats,
    *,
    optimizer: str = "sgd",
    penalty: str | None = "L2",
    alpha: float = 0.1,
    rate: float = 0.1,
    iterations: int = 4,
    batches: Sequence[Batch] | None = None,
    weight: Floats | None = None,
    offset: Floats | float = 0.0,
    start: Floats | None = None,
    present: npt.NDArray[np.bool_] | None = None,
) -> tuple[Floats, list[float]]:
    """Weights with the intercept last, and the loss of each iteration: the mean of its batches' before their step.

    Args:
        y: for HeteroLR and HomoLR -1 and 1.
        batches: of every iteration; by default all rows.
        present: the rows that the model is trained on; batches leave the others out.
    """
    kind = KINDS[module]
    w = np.zeros(X.shape[1] + 1) if start is None else start.copy()
    X = np.column_stack([X, np.ones(len(X))])
    shrinks = np.append(np.ones(len(w) - 1), 0.0)
    c = np.ones(len(y)) if weight is None else weight
    offset = np.broadcast_to(offset, len(y))
    sqn, step, losses = LBfgs(2, 3), stepper(optimizer), []
    for t in range(iterations):
        r, found = rate / np.sqrt(1 + t), []
        for rows in batches or [np.arange(len(y))]:
            b = rows if present is None else rows[present[rows]]
            u = X[b] @ w + offset[b]
            extra = {"L2": alpha / 2 * (w[:-1] ** 2).sum(), "L1": alpha * np.abs(w[:-1]).sum(), None: 0.0}[penalty]
            found.append(float((c[b] * kind.loss(u, y[b])).sum() / len(b) + extra))
            g = X[b].T @ (c[b] * kind.slope(u, y[b])) / len(b)
            g = g + alpha * shrinks * w if penalty == "L2" else g
            w = w - (r * sqn.direction(g) if optimizer == "sqn" else step(g, r))
            if penalty == "L1":
                w = np.where(shrinks > 0, np.sign(w) * np.clip(np.abs(w) - r * alpha, 0, None), w)
            if optimizer == "sqn":
                all_rows = np.arange(len(y)) if present is None else np.flatnonzero(present)
                bend = kind.bend(X[all_rows] @ w) if callable(kind.bend) else kind.bend
                hessian = (X[all_rows] * (c[all_rows] * bend)[:, None]).T @ X[all_rows] / len(all_rows)
                sqn.stepped(w, hessian + np.diag(alpha * shrinks) * (penalty == "L2"))
        losses.append(float(np.mean(found)))
    return w, losses
