"""A party's part of linear models, and how it scores rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fate_federated.errors import ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.model import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearPart:
    """One party's weights.

    Attributes:
        header: names of the features.
        weights: one column for each model, shape (features, models); there is one model, or with one-vs-rest one for
            each label.
        intercepts: shape (models,), 0 at parties that have none.
    """

    header: tuple[str, ...]
    weights: Floats
    intercepts: Floats

    def score(self, features: Floats) -> Floats:
        """This party's part of the linear scores, shape (rows, models), of features (rows, len(header))."""
        score: Floats = features @ self.weights + self.intercepts
        return score

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where the model's features are among these columns.

        Raises:
            ModelError: one is missing.
        """
        return places(self.header, names)


def places(header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where a model's features are among a table's columns.

    Raises:
        ModelError: one is missing.
    """
    absent = [name for name in header if name not in names]
    if absent:
        raise ModelError(f"The model has weights for columns that the table lacks: {', '.join(absent)}.")
    return [names.index(name) for name in header]


def linear_part(model: Model, module: str) -> LinearPart:
    """What a model message of this module says.

    Raises:
        ModelError: it is a model of something else.
    """
    param = model.param
    if not isinstance(param, pb.LRModelParam) or model.module != module:
        raise ModelError(f"{module} cannot apply a model of {model.module}.")
    header = tuple(param.header)
    single = param.one_vs_rest_result.completed_models if param.need_one_vs_rest else [param]
    if not single or any(set(one.weight) != set(header) for one in single):
        raise ModelError(f"A model of {module} does not have a weight for each of its columns.")
    weights = np.array([[one.weight[name] for one in single] for name in header], dtype=np.float64)
    intercepts = np.array([one.intercept for one in single], dtype=np.float64)
    return LinearPart(header, weights.reshape(len(header), len(single)), intercepts)
