"""How a baseline's linear scores become predictions."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from fate_components.hetero_lr.model import probability
from fate_components.linear.model import Floats


class Link(StrEnum):
    """What a linear score is of."""

    IDENTITY = "identity"
    LOG = "log"
    LOGISTIC = "logistic"
    """The chance of the second of two classes."""
    ONE_VS_REST = "one_vs_rest"
    """A score for each class: of its chance against the rest, before these are scaled to the sum 1."""
    SOFTMAX = "softmax"
    """A score for each class."""


def predicted(link: Link, scores: Floats) -> Floats:
    """Predicted numbers or chances, of the shape of the scores, (rows, models)."""
    match link:
        case Link.IDENTITY:
            return scores
        case Link.LOG:
            return np.exp(scores)
        case Link.LOGISTIC:
            return probability(scores)
        case Link.ONE_VS_REST:
            chances = probability(scores)
            total = chances.sum(axis=1, keepdims=True)
            shares: Floats = np.divide(
                chances, total, out=np.full(chances.shape, 1 / chances.shape[1]), where=total > 0
            )
            return shares
        case Link.SOFTMAX:
            powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
            powers /= powers.sum(axis=1, keepdims=True)
            return powers
