"""A credit score of a probability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CERTAIN = 1e-8
"""A probability this near to 0 or 1 has the highest or the lowest score."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How odds become points.

    Attributes:
        points: for odds that are e times as high.
    """

    offset: float
    points: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, offset: float, factor: float, factor_base: float, lowest: float, highest: float) -> Scale:
        """With ``factor`` points for odds that are ``factor_base`` times as high."""
        return cls(offset, factor / math.log(factor_base), lowest, highest)


def credit_score(scale: Scale, probability: Floats) -> Floats:
    """offset + points · ln((1 - p) / p), within lowest..highest, to two decimals; shape (rows,).

    Args:
        probability: of the event, such as a default, shape (rows,), 0..1.
    """
    middle = np.clip(probability, CERTAIN, 1 - CERTAIN)
    score = np.clip(scale.offset + scale.points * np.log((1 - middle) / middle), scale.lowest, scale.highest)
    score = np.where(probability < CERTAIN, scale.highest, np.where(probability > 1 - CERTAIN, scale.lowest, score))
    rounded: Floats = np.round(score, 2)
    return rounded
