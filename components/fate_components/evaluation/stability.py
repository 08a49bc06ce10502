"""PSI, the population stability index: how far the scores of validation rows have moved from those of training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fate_components.evaluation.binary import Amounts, Floats, Ranking

SHARES = np.linspace(0, 1, 21)
"""Twenty intervals with as many training rows each, where no scores are tied."""
_NO_ROWS = 1e-6


@dataclass(frozen=True, slots=True)
class Stability:
    """Arrays of shape (intervals,), rising.

    Attributes:
        edges: shape (intervals + 1,). An interval includes its lower edge, the last one both. The first and the last
            take in what is outside of the training rows' range, so that no row is lost.
        expected, actual: training and validation rows in each interval, or the sums of their weights.
        expected_positive, actual_positive: share of these that are positive.
    """

    edges: Floats
    expected: Amounts
    actual: Amounts
    expected_positive: Floats
    actual_positive: Floats

    @property
    def expected_share(self) -> Floats:
        return _share(self.expected)

    @property
    def actual_share(self) -> Floats:
        return _share(self.actual)

    @property
    def psi(self) -> Floats:
        """Each interval's part of the index, (a - e) ln(a / e) for the shares a and e.

        An interval without rows counts as if it had a millionth of one.
        """
        actual, expected = self.actual_share, self.expected_share
        return (actual - expected) * np.log(actual / expected)

    @property
    def intervals(self) -> list[str]:
        """Such as ``[0.1, 0.2)``."""
        ends = [")"] * (len(self.edges) - 2) + ["]"]
        return [
            f"[{low:.6g}, {high:.6g}{end}"
            for low, high, end in zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), ends, strict=True)
        ]


def stability(train: Ranking, validate: Ranking) -> Stability:
    """Compare scores over the twenty quantile intervals of the training rows, as FATE does."""
    edges = np.unique(train.quantiles(SHARES).thresholds)
    if edges.size == 1:
        edges = np.repeat(edges, 2)
    expected, expected_positive = _binned(train, edges)
    actual, actual_positive = _binned(validate, edges)
    return Stability(edges, expected, actual, expected_positive, actual_positive)


def _binned(ranking: Ranking, edges: Floats) -> tuple[Amounts, Floats]:
    """Rows of each interval, and the share of the positive ones."""
    positive, negative = ranking.at_least(edges[1:-1])
    above = np.concatenate(([ranking.positives], positive, [0]))
    total = np.concatenate(([ranking.positives + ranking.negatives], positive + negative, [0]))
    rows, positives = -np.diff(total), -np.diff(above)
    return rows, np.divide(positives, rows, out=np.zeros(rows.size), where=rows > 0)


def _share(amounts: Amounts) -> Floats:
    share: Floats = np.where(amounts > 0, amounts, _NO_ROWS) / amounts.sum()
    return share
