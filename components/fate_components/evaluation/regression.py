"""Metrics of predicted numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def regression_metrics(label: Floats, predicted: Floats) -> dict[str, float]:
    """Every metric of eval_type regression; both arguments of shape (rows,), at least one row.

    r2 and explained_variance of a constant label are 1 for a perfect prediction and 0 otherwise, as in scikit-learn.
    """
    error = label - predicted
    mse = float((error**2).mean())
    variance = float(label.var())
    return {
        "explained_variance": _explained(float(error.var()), variance),
        "mae": float(np.abs(error).mean()),
        "mse": mse,
        "median_ae": float(np.median(np.abs(error))),
        "r2": _explained(mse, variance),
        "rmse": mse**0.5,
    }


def _explained(unexplained: float, variance: float) -> float:
    if variance == 0.0:
        return 1.0 if unexplained == 0.0 else 0.0
    return 1.0 - unexplained / variance
