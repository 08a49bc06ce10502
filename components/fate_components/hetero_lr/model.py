"""A party's part of a logistic regression, and how scores become predictions."""

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
    """Weights of one party's features, shape (features,), and the intercept, 0 at parties that have none."""

    header: tuple[str, ...]
    weights: Floats
    intercept: float

    def score(self, features: Floats) -> Floats:
        """This party's part of the linear score, shape (rows,), of features (rows, len(header))."""
        score: Floats = features @ self.weights + self.intercept
        return score

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where the model's features are among these columns.

        Raises:
            ModelError: one is missing.
        """
        absent = [name for name in self.header if name not in names]
        if absent:
            raise ModelError(f"The model has weights for columns that the table lacks: {', '.join(absent)}.")
        return [names.index(name) for name in self.header]


def probability(score: Floats) -> Floats:
    """The logistic function, without overflow."""
    tail = np.exp(-np.abs(score))
    result: Floats = np.where(score >= 0, 1.0, tail) / (1.0 + tail)
    return result


def linear_part(model: Model) -> LinearPart:
    """What a model message says.

    Raises:
        ModelError: it is a model of something else.
    """
    param = model.param
    if not isinstance(param, pb.LRModelParam) or set(param.weight) != set(param.header):
        raise ModelError(f"HeteroLR cannot apply a model of {model.module}.")
    weights = np.array([param.weight[name] for name in param.header], dtype=np.float64)
    return LinearPart(tuple(param.header), weights, param.intercept)
