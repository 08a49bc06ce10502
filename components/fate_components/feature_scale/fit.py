"""Learning from training rows how columns are scaled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fate_components.feature_scale.model import Floats, Scaling
from fate_components.feature_scale.spec import FeatureScaleParams
from fate_federated.errors import DataError


def learn_scaling(params: FeatureScaleParams, values: Floats, names: Sequence[str]) -> Scaling:
    """Learn from the values of the columns to be scaled, shape (rows, len(names)); missing ones are left out.

    Mean and (population) standard deviation are those of the values after they were cut to their bounds.

    Raises:
        DataError: a column has no value, bounds are crossed, a list of bounds has another length than the columns,
            or floating point cannot hold a column's range or deviation.
    """
    empty = [name for index, name in enumerate(names) if np.isnan(values[:, index]).all()]
    if empty:
        raise DataError(f"Columns without any value cannot be scaled: {', '.join(empty)}.")
    lower = _bounds("feat_lower", params.feat_lower, params.mode == "cap", values)
    upper = _bounds("feat_upper", params.feat_upper, params.mode == "cap", values)
    lower = np.nanmin(values, axis=0) if lower is None else lower
    upper = np.nanmax(values, axis=0) if upper is None else upper
    crossed = [name for name, wrong in zip(names, lower > upper, strict=True) if wrong]
    if crossed:
        raise DataError(f"feat_lower is above feat_upper for {', '.join(crossed)}.")
    mean, std = np.zeros(len(names)), np.ones(len(names))
    if params.method == "standard_scale":
        cut = np.clip(values, lower, upper)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.nanmean(cut, axis=0) if params.with_mean else mean
            std = np.nanstd(cut, axis=0) if params.with_std else std
        if params.with_std:
            # The mean of equal numbers may differ from them in the last bit, and the deviation from 0.
            std[np.nanmin(cut, axis=0) == np.nanmax(cut, axis=0)] = 1.0
    with np.errstate(over="ignore"):
        measures = np.stack([upper - lower, mean, std])
    lost = ~np.isfinite(measures).all(axis=0) | (std == 0)
    if lost.any():
        wrong = ", ".join(name for name, is_lost in zip(names, lost, strict=True) if is_lost)
        raise DataError(
            f"The values of {wrong} are too large or too small for their range or deviation to be a number. "
            "Give them another unit."
        )
    # Without a method there are no columns to scale.
    return Scaling(params.method or "standard_scale", lower, upper, mean, std)


def _bounds(name: str, given: float | list[float] | None, quantiles: bool, values: Floats) -> Floats | None:
    if given is None:
        return None
    columns = values.shape[1]
    if isinstance(given, list) and len(given) != columns:
        raise DataError(f"{name} lists {len(given)} bounds for {columns} scaled columns. Give one, or one for each.")
    bounds = np.broadcast_to(np.asarray(given, dtype=np.float64), columns)
    if quantiles:
        return np.array([np.nanquantile(values[:, column], bounds[column]) for column in range(columns)])
    return bounds
