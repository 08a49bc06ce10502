"""The same update rules on joined data in clear, written from the papers and not from the component."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def taylor_loss(features: Floats, label: npt.NDArray[np.int64], w: Floats, penalty: str | None, alpha: float) -> float:
    """Mean of log 2 - yu/2 + u²/8, plus the penalty; the last weight is the intercept."""
    y, u = 2.0 * label - 1, features @ w[:-1] + w[-1]
    extra = {"L2": alpha / 2 * (w[:-1] ** 2).sum(), "L1": alpha * np.abs(w[:-1]).sum(), None: 0.0}[penalty]
    return float(np.mean(np.log(2) - y * u / 2 + u**2 / 8) + extra)


def stepper(optimizer: str) -> Callable[[Floats, float], Floats]:
    """step(gradient, rate), what to subtract; keeps its own state."""
    state: dict[str, Floats | float] = {"m": 0.0, "v": 0.0, "t": 0.0}

    def step(g: Floats, rate: float) -> Floats:
        if optimizer == "sgd":
            return rate * g
        if optimizer == "nesterov_momentum_sgd":
            old = state["m"]
            state["m"] = 0.9 * old - rate * g
            return -(state["m"] + 0.9 * (state["m"] - old))
        if optimizer == "adam":
            state["t"] += 1
            state["m"] = 0.9 * state["m"] + 0.1 * g
            state["v"] = 0.999 * state["v"] + 0.001 * g * g
            m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
            return rate * m / (np.sqrt(v) + 1e-8)
        if optimizer == "adagrad":
            state["v"] = state["v"] + g * g
            return rate * g / (np.sqrt(state["v"]) + 1e-7)
        state["v"] = 0.99 * state["v"] + 0.01 * g * g
        return rate * g / np.sqrt(state["v"] + 1e-6)

    return step


def fit(
    features: Floats,
    label: npt.NDArray[np.int64],
    *,
    optimizer: str = "rmsprop",
    penalty: str | None = "L2",
    alpha: float = 1.0,
    rate: float = 0.1,
    iterations: int = 4,
    batch_size: int | None = None,
    decay: float = 1.0,
    decay_sqrt: bool = True,
    start: Floats | None = None,
    intercept: bool = True,
    stop: Callable[[Floats, Floats, list[float]], bool] = lambda before, after, losses: False,
) -> tuple[Floats, list[float]]:
    """Weights with the intercept last, and the loss of each iteration: the mean of its batches' before their step.

    Args:
        stop: told the weights before and after an iteration, and the losses so far.
    """
    w = np.zeros(features.shape[1] + 1) if start is None else start.copy()
    step, losses = stepper(optimizer), []
    size = batch_size or len(label)
    for t in range(iterations):
        r = rate / np.sqrt(1 + decay * t) if decay_sqrt else rate / (1 + decay * t)
        before, batch_losses = w, []
        for first in range(0, len(label), size):
            X, y = features[first : first + size], 2.0 * label[first : first + size] - 1
            batch_losses.append(taylor_loss(X, label[first : first + size], w, penalty, alpha))
            d = (X @ w[:-1] + w[-1]) / 4 - y / 2
            g = np.append(X.T @ d, d.sum() if intercept else 0.0) / len(y)
            shrunk = np.append(w[:-1], 0.0)
            w = w - step(g + alpha * shrunk if penalty == "L2" else g, r)
            if penalty == "L1":
                w = np.append(np.sign(w[:-1]) * np.clip(np.abs(w[:-1]) - r * alpha, 0, None), w[-1])
        losses.append(float(np.mean(batch_losses)))
        if stop(before, w, losses):
            break
    return w, losses
