"""Scaling columns by what was learnt from training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fate_federated.errors import ModelError
from fate_federated.pb.model import feature_scale_pb2 as pb
from fate_federated.task.model import Model

Floats = npt.NDArray[np.float64]
Method = Literal["standard_scale", "min_max_scale"]


@dataclass(frozen=True, slots=True)
class Scaling:
    """How columns are scaled; each array has shape (scaled columns,).

    Values are cut to lower..upper. min_max_scale maps lower to 0 and upper to 1, standard_scale subtracts the mean and
    divides by std.
    """

    method: Method
    lower: Floats
    upper: Floats
    mean: Floats
    std: Floats


def scale(scaling: Scaling, values: Floats) -> Floats:
    """Scaled values, shape (rows, scaled columns); missing ones stay missing.

    A constant column becomes 0, as with scikit-learn.
    """
    values = np.clip(values, scaling.lower, scaling.upper)
    if scaling.method == "min_max_scale":
        width = scaling.upper - scaling.lower
        return (values - scaling.lower) / np.where(width > 0, width, 1.0)
    return (values - scaling.mean) / scaling.std


def scaling_of(model: Model) -> tuple[tuple[str, ...], Scaling]:
    """Names of the scaled columns and how they are scaled.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.ScaleMeta) or not isinstance(param, pb.ScaleParam):
        raise ModelError(f"FeatureScale cannot apply a model of {model.module}.")
    method: Method = "min_max_scale" if meta.method == "min_max_scale" else "standard_scale"
    names = tuple(meta.scale_cols)
    columns = [param.col_scale_param[name] for name in names]
    return names, Scaling(
        method,
        np.array([column.column_lower for column in columns]),
        np.array([column.column_upper for column in columns]),
        np.array([column.mean for column in columns]),
        np.array([column.std for column in columns]),
    )
