"""Metrics of two-class predictions, exact with tied scores and weighted rows, from one sort of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Amounts = npt.NDArray[Any]
"""Numbers of rows, int64, or sums of their weights, float64."""
Mask = npt.NDArray[np.bool_]

CURVE_POINTS = 1000
TABLE_POINTS = 100


@dataclass(frozen=True)
class Ranking:
    """How many rows of each class have at least a score, for every distinct score.

    Attributes:
        thresholds: distinct scores, falling, shape (distinct,).
        rows: rows with that score or a higher one, shape (distinct,).
        true_positives, false_positives: those of either class, or the sums of their weights, shape (distinct,).
    """

    thresholds: Floats
    rows: Counts
    true_positives: Amounts
    false_positives: Amounts

    @property
    def positives(self) -> float:
        amount: float = self.true_positives[-1].item()
        return amount

    @property
    def negatives(self) -> float:
        amount: float = self.false_positives[-1].item()
        return amount

    @property
    def has_both_classes(self) -> bool:
        """Whether there is anything to rank: :attr:`auc`, :attr:`ks` and :meth:`roc` need it."""
        return self.positives > 0 and self.negatives > 0

    @cached_property
    def auc(self) -> float:
        """Area under the ROC curve: the chance that a positive row scores higher than a negative one, ties half."""
        steps = np.diff(self.false_positives, prepend=0)
        heights = self.true_positives + np.concatenate(([0], self.true_positives[:-1]))
        return float((steps * heights).sum()) / (2.0 * self.positives * self.negatives)

    @property
    def ks(self) -> float:
        """Kolmogorov-Smirnov: the largest difference of true and false positive rate over all thresholds."""
        return max(float(self._rate_difference.max()), 0.0)

    @cached_property
    def _rate_difference(self) -> Floats:
        difference: Floats = self.true_positives / self.positives - self.false_positives / self.negatives
        return difference

    def roc(self) -> tuple[Floats, Floats, Floats]:
        """False positive rates, true positive rates and thresholds; from (0, 0) to (1, 1), at most CURVE_POINTS.

        The first threshold is above every score.
        """
        chosen = np.flatnonzero(_corners(self))
        if chosen.size > CURVE_POINTS:
            chosen = chosen[np.linspace(0, chosen.size - 1, CURVE_POINTS).round().astype(np.int64)]
        cuts = self._cuts(chosen[1:] - 1)
        return (
            np.concatenate(([0.0], cuts.false_positive_rate)),
            np.concatenate(([0.0], cuts.recall)),
            np.concatenate(([self._above], cuts.thresholds)),
        )

    def curve(self) -> Cuts:
        """What the other curves are drawn from, from no row that counts as positive to all; at most CURVE_POINTS.

        Where there are more distinct scores, these are the ones at equally spaced ranks, and the one where ks is.
        """
        most = CURVE_POINTS - 2
        index = np.arange(self.thresholds.size)
        if index.size > most:
            index = self._at_quantiles(np.linspace(1, 0, most))
            if self.has_both_classes:
                index = np.append(index, self._rate_difference.argmax())
            index = np.unique(index)
        cuts = self._cuts(index)
        return Cuts(
            np.concatenate(([self._above], cuts.thresholds)),
            np.concatenate(([0], cuts.true_positives)),
            np.concatenate(([0], cuts.false_positives)),
            self.positives,
            self.negatives,
        )

    def table(self) -> Cuts:
        """Counts at TABLE_POINTS quantiles of the scores (nearest score), from the highest down, each score once."""
        return self._cuts(np.unique(self._at_quantiles(np.linspace(1, 0, TABLE_POINTS))))

    def quantiles(self, shares: Floats) -> Cuts:
        """Counts at quantiles of the scores (nearest score), one for each share of rows that are below."""
        return self._cuts(self._at_quantiles(shares))

    def at_least(self, scores: Floats) -> tuple[Amounts, Amounts]:
        """Rows of either class with at least each of these scores, whether they occur or not."""
        index = np.searchsorted(-self.thresholds, -scores, side="right")
        return (
            np.concatenate(([0], self.true_positives))[index],
            np.concatenate(([0], self.false_positives))[index],
        )

    def _at_quantiles(self, shares: Floats) -> Counts:
        last = int(self.rows[-1]) - 1
        falling_position = last - np.rint(shares * last).astype(np.int64)
        return np.searchsorted(self.rows, falling_position, side="right")

    def _cuts(self, index: Counts) -> Cuts:
        return Cuts(
            self.thresholds[index],
            self.true_positives[index],
            self.false_positives[index],
            self.positives,
            self.negatives,
        )

    @property
    def _above(self) -> float:
        return float(max(self.thresholds[0] + 1.0, np.nextafter(self.thresholds[0], np.inf)))


@dataclass(frozen=True, slots=True)
class Cuts:
    """Confusion matrices where rows with at least a threshold's score count as positive; arrays of shape (cuts,)."""

    thresholds: Floats
    true_positives: Amounts
    false_positives: Amounts
    positives: float
    negatives: float

    @property
    def share(self) -> Floats:
        """Share of the rows that count as positive: the x of most curves."""
        share: Floats = (self.true_positives + self.false_positives) / (self.positives + self.negatives)
        return share

    @property
    def true_negatives(self) -> Amounts:
        return self.negatives - self.false_positives

    @property
    def false_negatives(self) -> Amounts:
        return self.positives - self.true_positives

    @property
    def precision(self) -> Floats:
        """1 where no row counts as positive, as in scikit-learn's curve."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives, 1.0)

    @property
    def recall(self) -> Floats:
        """0 where there are no positives."""
        return _ratio(self.true_positives, self.positives, 0.0)

    @property
    def false_positive_rate(self) -> Floats:
        return _ratio(self.false_positives, self.negatives, 0.0)

    @property
    def accuracy(self) -> Floats:
        accuracy: Floats = (self.true_positives + self.true_negatives) / (self.positives + self.negatives)
        return accuracy

    @property
    def f1(self) -> Floats:
        return _ratio(2.0 * self.true_positives, self.positives + self.true_positives + self.false_positives, 0.0)

    @property
    def lift(self) -> Floats:
        """How many times more positives there are among the chosen rows than among all; 0 where neither has any."""
        chosen = self.true_positives + self.false_positives
        return _ratio(self.true_positives * (self.positives + self.negatives), chosen * self.positives, 0.0)


def rank(positive: Mask, score: Floats, weight: Floats | None = None) -> Ranking:
    """Rank rows by score.

    Args:
        positive: shape (rows,).
        score: the same shape, finite, at least one.
        weight: the same shape, at least 0 and not all 0; None where all rows count the same. Rows that count nothing
            are left out.
    """
    if weight is not None and not weight.all():
        kept = weight > 0
        positive, score, weight = positive[kept], score[kept], weight[kept]
    order = np.argsort(score)[::-1]
    falling = score[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)
    positive = positive[order]
    true_positives: Amounts
    false_positives: Amounts
    if weight is None:
        true_positives = np.cumsum(positive, dtype=np.int64)[ends]
        false_positives = ends + 1 - true_positives
    else:
        weight = weight[order]
        true_positives = np.cumsum(np.where(positive, weight, 0.0))[ends]
        false_positives = np.cumsum(np.where(positive, 0.0, weight))[ends]
    return Ranking(falling[ends], ends + 1, true_positives, false_positives)


def decided(positive: Mask, predicted: Mask, weight: Floats | None = None) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of decisions; 0 where there is nothing to divide by."""

    def amount(mask: Mask) -> float:
        return float(mask.sum() if weight is None else weight[mask].sum())

    hits, found, wanted = amount(positive & predicted), amount(predicted), amount(positive)
    total = float(positive.size if weight is None else weight.sum())
    return {
        "accuracy": amount(positive == predicted) / total,
        "precision": hits / found if found else 0.0,
        "recall": hits / wanted if wanted else 0.0,
        "f1_score": 2 * hits / (found + wanted) if found + wanted else 0.0,
    }


def _ratio(part: Amounts, whole: Amounts | float, otherwise: float) -> Floats:
    whole = np.broadcast_to(np.asarray(whole, dtype=np.float64), part.shape)
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, otherwise), where=whole != 0)
    return ratio


def _corners(ranking: Ranking) -> Mask:
    """Where the ROC curve, with (0, 0) before it, changes direction; its ends included."""
    keep = np.ones(ranking.thresholds.size + 1, dtype=bool)
    up = np.diff(ranking.true_positives, prepend=0)
    right = np.diff(ranking.false_positives, prepend=0)
    keep[1:-1] = up[1:] * right[:-1] != up[:-1] * right[1:]
    return keep
