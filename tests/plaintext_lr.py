"""Logistic regression on joined data in clear: what a federated run must agree with.

Written from the update rule (Hardy et al. 2017, arXiv:1711.10677, second-order Taylor loss; plain gradient descent with
FATE's decay), and not from the component's code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights, shape (columns,); intercept; score of every row, shape (rows,)."""

    weights: Floats
    intercept: float
    score: Floats


def standardize(features: Floats) -> Floats:
    """Zero mean and unit (population) deviation in each column."""
    scaled: Floats = (features - features.mean(axis=0)) / features.std(axis=0)
    return scaled


def fit_sgd(
    features: Floats, label: npt.NDArray[np.int64], *, learning_rate: float, alpha: float, iterations: int
) -> Fit:
    """Full-batch gradient descent from zero; the rate decays as ``rate / sqrt(1 + t)``; L2 on all but the intercept."""
    sign = 2.0 * label - 1.0
    weights, intercept = np.zeros(features.shape[1]), 0.0
    for iteration in range(iterations):
        residual = 0.25 * (features @ weights + intercept) - 0.5 * sign
        gradient = features.T @ residual / len(label) + alpha * weights
        rate = learning_rate / np.sqrt(1.0 + iteration)
        weights = weights - rate * gradient
        intercept -= float(rate * residual.mean())
    return Fit(weights, intercept, features @ weights + intercept)
