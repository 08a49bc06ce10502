"""How scores become probabilities; a party's weights are a :class:`~fate_components.linear.model.LinearPart`."""

from __future__ import annotations

import numpy as np

from fate_components.linear.model import Floats


def probability(score: Floats) -> Floats:
    """The logistic function, without overflow."""
    tail = np.exp(-np.abs(score))
    result: Floats = np.where(score >= 0, 1.0, tail) / (1.0 + tail)
    return result
