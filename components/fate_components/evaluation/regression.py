"""Metrics of predicted numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def regression_metrics(label: Floats, predicted: Floats, weight: Floats | None = None) -> dict[str, float]:
    """Every metric of eval_type regression.

    Args:
        label, predicted: shape (rows,), at least one row.
        weight: the same shape, at least 0 and not all 0; None where all rows count the same.

    Returns:
        by FATE's name. r2_score and explained_variance of a constant label are 1 for a perfect prediction and 0
        otherwise, as in scikit-learn. mean_squared_log_error is there only where all numbers are greater than -1.
    """
    error = label - predicted
    mse = _mean(error**2, weight)
    variance = _variance(label, weight)
    metrics = {
        "explained_variance": _explained(_variance(error, weight), variance),
        "mean_absolute_error": _mean(np.abs(error), weight),
        "mean_squared_error": mse,
        "median_absolute_error": _median(np.abs(error), weight),
        "r2_score": _explained(mse, variance),
        "root_mean_squared_error": mse**0.5,
    }
    if min(label.min(), predicted.min()) > -1:
        metrics["mean_squared_log_error"] = _mean((np.log1p(label) - np.log1p(predicted)) ** 2, weight)
    return metrics


def _mean(values: Floats, weight: Floats | None) -> float:
    return float(values.mean() if weight is None else np.average(values, weights=weight))


def _variance(values: Floats, weight: Floats | None) -> float:
    return _mean((values - _mean(values, weight)) ** 2, weight)


def _median(values: Floats, weight: Floats | None) -> float:
    """The value below and above which half of the weight is; between two of them their mean."""
    if weight is None:
        return float(np.median(values))
    order = np.argsort(values[weight > 0])
    rising, below = values[weight > 0][order], np.cumsum(weight[weight > 0][order])
    first = min(int(np.searchsorted(below, below[-1] / 2)), rising.size - 1)
    exact = below[first] - below[-1] / 2 <= np.finfo(np.float64).eps
    return float((rising[first] + rising[min(first + exact, rising.size - 1)]) / 2)


def _explained(unexplained: float, variance: float) -> float:
    if variance == 0.0:
        return 1.0 if unexplained == 0.0 else 0.0
    return 1.0 - unexplained / variance
