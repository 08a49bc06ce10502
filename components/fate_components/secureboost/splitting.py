"""How good a split is.

Chen, Guestrin 2016, "XGBoost: A scalable tree boosting system", equations 5 to 7, without the factor 1/2 and with an L1
penalty, as FATE has it: rows whose derivatives have the sums G and H are worth T(G)²/(H + l2), and their leaf is
-T(G)/(H + l2), where T moves G towards 0 by l1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fate_components.secureboost.model import Floats, Integers


@dataclass(frozen=True, slots=True)
class Criterion:
    """See the module.

    Attributes:
        least_gain: a split gains more than this.
        least_weight: sum of second derivatives that there is at least on each side.
    """

    l2: float
    l1: float
    least_gain: float
    least_weight: float

    def weight(self, first: Floats, second: Floats) -> Floats:
        """Of leaves with such sums of derivatives."""
        return -self._towards_zero(first) / self._penalized(second)

    def gains(self, left: tuple[Floats, Floats], whole: tuple[float | Floats, float | Floats]) -> Floats:
        """Of splits with such sums on the left, in a node with the sums ``whole``; minus infinity if not permitted.

        Args:
            left: shape (splits,), or (splits, outputs) of a tree with several outputs, whose gains add up.
            whole: of each output, or two numbers.
        """
        right = whole[0] - left[0], whole[1] - left[1]
        gain = _over_outputs(
            self._worth(*left) + self._worth(*right) - self._worth(np.asarray(whole[0]), np.asarray(whole[1]))
        )
        lightest = np.minimum(_over_outputs(left[1]), _over_outputs(right[1]))
        return np.where((gain > self.least_gain) & (lightest >= self.least_weight), gain, -np.inf)

    def _worth(self, first: Floats, second: Floats) -> Floats:
        worth: Floats = self._towards_zero(first) ** 2 / self._penalized(second)
        return worth

    def _towards_zero(self, first: Floats) -> Floats:
        moved: Floats = np.sign(first) * np.maximum(np.abs(first) - self.l1, 0.0)
        return moved

    def _penalized(self, second: Floats) -> Floats:
        # Without a penalty, rows whose second derivatives vanish would have a weight without bound.
        return np.maximum(second + self.l2, 1e-10)


def _over_outputs(values: Floats) -> Floats:
    return values if values.ndim == 1 else values.sum(axis=1)


@dataclass(frozen=True, slots=True)
class Best:
    """The best of some splits.

    Attributes:
        places: of all that gain as much as the best.
    """

    gain: float
    places: Integers


def best_of(gains: Floats) -> Best | None:
    """None if no split is permitted."""
    top = gains.max(initial=-np.inf)
    return None if top == -np.inf else Best(float(top), np.flatnonzero(gains == top))
