"""How scores become expected counts; a party's weights are a :class:`~fate_components.linear.model.LinearPart`."""

from __future__ import annotations

import numpy as np

from fate_components.linear.model import Floats

_LARGEST = 700.0


def expected_count(score: Floats) -> Floats:
    """e^score; scores that a float has no room for are cut."""
    count: Floats = np.exp(np.minimum(score, _LARGEST))
    return count
