"""Metrics of two-class predictions, exact with tied scores, from one sort of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

CURVE_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Ranking:
    """How many rows of each class have at least a score, for every distinct score.

    Attributes:
        thresholds: distinct scores, falling, shape (distinct,).
        true_positives, false_positives: rows with that score or a higher one, shape (distinct,).
    """

    thresholds: Floats
    true_positives: Counts
    false_positives: Counts

    @property
    def positives(self) -> int:
        return int(self.true_positives[-1])

    @property
    def negatives(self) -> int:
        return int(self.false_positives[-1])

    @property
    def auc(self) -> float:
        """Area under the ROC curve: the chance that a positive row scores higher than a negative one, ties half."""
        steps = np.diff(self.false_positives, prepend=0)
        heights = self.true_positives + np.concatenate(([0], self.true_positives[:-1]))
        return float((steps * heights).sum()) / (2.0 * self.positives * self.negatives)

    @property
    def ks(self) -> float:
        """Kolmogorov-Smirnov: the largest difference of true and false positive rate over all thresholds."""
        difference = self.true_positives / self.positives - self.false_positives / self.negatives
        return max(float(difference.max()), 0.0)

    def roc(self) -> tuple[Floats, Floats, Floats]:
        """False positive rates, true positive rates and thresholds; from (0, 0) to (1, 1), at most CURVE_POINTS.

        The first threshold is above every score.
        """
        fpr = np.concatenate(([0.0], self.false_positives / self.negatives))
        tpr = np.concatenate(([0.0], self.true_positives / self.positives))
        thresholds = np.concatenate((self.thresholds[:1] + 1.0, self.thresholds))
        chosen = np.flatnonzero(_corners(self))
        if chosen.size > CURVE_POINTS:
            chosen = chosen[np.linspace(0, chosen.size - 1, CURVE_POINTS).round().astype(np.int64)]
        return fpr[chosen], tpr[chosen], thresholds[chosen]

    def at_quantiles(self) -> Cuts:
        """Counts at the 100 quantiles of the scores (nearest score), from the highest down, each score once."""
        rows = self.true_positives + self.false_positives
        total = int(rows[-1])
        falling_position = total - 1 - np.rint(np.linspace(1, 0, 100) * (total - 1)).astype(np.int64)
        index = np.unique(np.searchsorted(rows, falling_position, side="right"))
        return Cuts(
            self.thresholds[index],
            self.true_positives[index],
            self.false_positives[index],
            self.positives,
            self.negatives,
        )


@dataclass(frozen=True, slots=True)
class Cuts:
    """Confusion matrices where rows with at least a threshold's score count as positive; arrays of shape (cuts,)."""

    thresholds: Floats
    true_positives: Counts
    false_positives: Counts
    positives: int
    negatives: int

    @property
    def share(self) -> Floats:
        """Share of the rows that count as positive: the x of most curves."""
        return (self.true_positives + self.false_positives) / (self.positives + self.negatives)

    @property
    def true_negatives(self) -> Counts:
        return self.negatives - self.false_positives

    @property
    def false_negatives(self) -> Counts:
        return self.positives - self.true_positives

    @property
    def precision(self) -> Floats:
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        return self.true_positives / self.positives

    @property
    def false_positive_rate(self) -> Floats:
        return self.false_positives / self.negatives

    @property
    def accuracy(self) -> Floats:
        return (self.true_positives + self.true_negatives) / (self.positives + self.negatives)

    @property
    def f1(self) -> Floats:
        return 2.0 * self.true_positives / (self.positives + self.true_positives + self.false_positives)

    @property
    def lift(self) -> Floats:
        """How many times more positives there are among the chosen rows than among all."""
        return self.precision * (self.positives + self.negatives) / self.positives


def rank(positive: Mask, score: Floats) -> Ranking:
    """Rank rows by score.

    Args:
        positive: shape (rows,); both classes must occur.
        score: the same shape, finite.
    """
    order = np.argsort(score)[::-1]
    falling = score[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)
    true_positives = np.cumsum(positive[order], dtype=np.int64)[ends]
    return Ranking(falling[ends], true_positives, ends + 1 - true_positives)


def decided(positive: Mask, predicted: Mask) -> dict[str, float]:
    """Accuracy, precision, recall and F1 of decisions; 0 where there is nothing to divide by."""
    hits = int((positive & predicted).sum())
    found, wanted = int(predicted.sum()), int(positive.sum())
    return {
        "accuracy": float((positive == predicted).mean()),
        "precision": hits / found if found else 0.0,
        "recall": hits / wanted if wanted else 0.0,
        "f1_score": 2 * hits / (found + wanted) if found + wanted else 0.0,
    }


def _corners(ranking: Ranking) -> Mask:
    """Where the ROC curve, with (0, 0) before it, changes direction; its ends included."""
    keep = np.ones(ranking.thresholds.size + 1, dtype=bool)
    up = np.diff(ranking.true_positives, prepend=0)
    right = np.diff(ranking.false_positives, prepend=0)
    keep[1:-1] = up[1:] * right[:-1] != up[:-1] * right[1:]
    return keep
