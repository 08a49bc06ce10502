"""Statistics of the columns of a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fate_components.data_statistics.spec import QUANTILE

Floats = npt.NDArray[np.float64]

SMALLEST_MEAN = 1e-8
"""The coefficient of variation divides by at least this, as in FATE."""


def measure(values: Floats, statistics: Sequence[str], *, bias: bool) -> dict[str, Floats]:
    """Statistics of each column, shape (columns,), NaN where a column has none.

    Args:
        values: shape (rows, columns), missing ones NaN; they count only for missing_count and missing_ratio.
        statistics: names of DataStatistics. Variance and what follows from it are those of the population (divided by
            the number of rows), kurtosis is the excess over the normal distribution's 3, and both it and skewness are
            Fisher's. A constant column has skewness 0 and kurtosis -3. Quantiles lie on straight lines between
            neighbouring values, as NumPy's.
        bias: False corrects skewness and kurtosis for the size of the sample (Joanes, Gill 1998, "Comparing measures
            of sample skewness and kurtosis", G1 and G2), where there are more than 2 or 3 values.
    """
    columns = [_measure_column(column[~np.isnan(column)], values.shape[0], statistics, bias) for column in values.T]
    return {name: np.array([column[name] for column in columns]) for name in statistics}


def _measure_column(values: Floats, rows: int, statistics: Sequence[str], bias: bool) -> dict[str, float]:
    figures: dict[str, float] = {
        "count": values.size,
        "missing_count": rows - values.size,
        "missing_ratio": (rows - values.size) / rows if rows else 0.0,
        "sum": float(values.sum()),
    }
    points = {name: int(name[:-1]) / 100 for name in statistics if QUANTILE.fullmatch(name)}
    if "median" in statistics:
        points["median"] = 0.5
    if not values.size:
        return dict.fromkeys(statistics, float("nan")) | {
            name: value for name, value in figures.items() if name in statistics
        }
    quantiles = np.quantile(values, list(points.values())) if points else np.empty(0)
    figures |= dict(zip(points, quantiles.tolist(), strict=True))
    smallest, largest, mean = float(values.min()), float(values.max()), float(values.mean())
    # The mean of equal numbers may differ from them in the last bit.
    centred = values - mean if smallest < largest else np.zeros_like(values)
    squares = centred * centred
    variance = float(squares.mean())
    figures |= {
        "min": smallest,
        "max": largest,
        "mean": mean,
        "variance": variance,
        "stddev": math.sqrt(variance),
    }
    variation = abs(figures["stddev"] / (mean if abs(mean) >= SMALLEST_MEAN else SMALLEST_MEAN))
    figures |= {"coefficient_of_variance": variation, "coefficient_of_variation": variation}
    if "skewness" in statistics:
        figures["skewness"] = _skewness(values.size, variance, float((squares * centred).mean()), bias)
    if "kurtosis" in statistics:
        figures["kurtosis"] = _kurtosis(values.size, variance, float((squares * squares).mean()), bias)
    return {name: figures[name] for name in statistics}


def _skewness(count: int, second: float, third: float, bias: bool) -> float:
    """From the central moments."""
    if not second:
        return 0.0
    skewness = third / math.pow(second, 1.5)
    return skewness if bias or count <= 2 else skewness * math.sqrt(count * (count - 1)) / (count - 2)


def _kurtosis(count: int, second: float, fourth: float, bias: bool) -> float:
    """From the central moments."""
    if not second:
        return -3.0
    ratio = fourth / second**2
    if bias or count <= 3:
        return ratio - 3
    return ((count**2 - 1) * ratio - 3 * (count - 1) ** 2) / ((count - 2) * (count - 3))
