"""Linear regression over vertically split features, with an arbiter. See :mod:`fate_components.linear`.

The loss is (u - y)²/2 (Yang et al. 2019, "Federated machine learning: concept and applications", section 3.1, for the
protocol).
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np

from fate_components.hetero_linr.spec import HeteroLinRParams
from fate_components.linear.component import VerticalLinear
from fate_components.linear.data import Labels
from fate_components.linear.family import Quadratic
from fate_components.linear.model import Floats
from fate_components.linear.params import VerticalParams
from fate_components.linear.prediction import estimated
from fate_components.linear.validation import Kind
from fate_federated.task.table import Table

V = TypeVar("V", bound=VerticalParams)


class LeastSquares(VerticalLinear[V], Generic[V]):
    """Linear regression, however it is trained."""

    family = Quadratic(1.0, 1.0, 0.0)

    def labels(self, label: Floats) -> Labels:
        """Any numbers."""
        return Labels(label[:, None], 1, np.empty(0))

    def kind(self, classes: Floats) -> Kind:
        """Numbers."""
        return "regression"

    def predicted(self, score: Floats) -> Floats:
        """The score itself."""
        return score

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """Predicted numbers."""
        return estimated(table, predicted[:, 0], kind)

    def misfit(self, loss: float, rows: int) -> float:
        """With the variance that fits best."""
        return rows * math.log(max(2 * loss, 1e-300))


class HeteroLinR(LeastSquares[HeteroLinRParams]):
    """See the module."""

    Params = HeteroLinRParams
    module = "HeteroLinR"
