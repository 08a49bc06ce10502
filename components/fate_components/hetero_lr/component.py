"""Logistic regression over vertically split features, with an arbiter. See :mod:`fate_components.linear`.

The loss is the second-order Taylor expansion log 2 - yu/2 + u²/8 of log(1 + e^-yu), y = ±1 (Hardy et al. 2017,
arXiv:1711.10677, section 3). More than two classes are each trained against the rest, side by side in the same
ciphertexts.
"""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np

from fate_components.hetero_lr.model import probability
from fate_components.hetero_lr.spec import HeteroLRParams
from fate_components.linear.component import VerticalLinear
from fate_components.linear.data import Labels
from fate_components.linear.family import Quadratic
from fate_components.linear.model import Floats
from fate_components.linear.params import VerticalParams
from fate_components.linear.prediction import classified
from fate_components.linear.validation import Kind
from fate_federated.errors import DataError
from fate_federated.task.table import Table

MOST_CLASSES = 1000


V = TypeVar("V", bound=VerticalParams)


class Logistic(VerticalLinear[V], Generic[V]):
    """Logistic regression, however it is trained."""

    family = Quadratic(0.25, 0.5, math.log(2) - 0.5)

    def labels(self, label: Floats) -> Labels:
        """Each class as -1 or 1: of two classes the greater against the lesser, of more each against the rest.

        Raises:
            DataError: there is one class only, or more than a classifier can be for.
        """
        classes = np.unique(label)
        if not 2 <= len(classes) <= MOST_CLASSES:
            raise DataError(
                f"{self.module} needs labels of 2 to {MOST_CLASSES} classes; the training data has {len(classes)}."
            )
        against = classes[1:] if len(classes) == 2 else classes
        return Labels(np.where(label[:, None] == against, 1.0, -1.0), len(against), classes)

    def kind(self, classes: Floats) -> Kind:
        """Of two classes, or of more."""
        return "binary" if len(classes) == 2 else "multi"

    def predicted(self, score: Floats) -> Floats:
        """Probabilities."""
        return probability(score)

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """Classes and their probabilities."""
        return classified(table, predicted, classes, self.params.predict_param.threshold, kind)


class HeteroLR(Logistic[HeteroLRParams]):
    """See the module."""

    Params = HeteroLRParams
    module = "HeteroLR"
