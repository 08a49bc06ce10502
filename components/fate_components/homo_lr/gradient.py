"""Logistic regression of one party's rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fate_components.hetero_lr.model import probability
from fate_components.linear.messages import Rows
from fate_components.linear.model import Floats


@dataclass(frozen=True, slots=True)
class Shard:
    """One party's training rows: n of them, F features, with a last column of ones for an intercept; K models.

    Attributes:
        features: shape (n, F).
        label: -1 or 1, shape (n, K) or (n, 1).
        counted: how much a row counts for a model: its weight, or 0 where it is not the model's; shape (n, K).
        present: 1, or 0 where a row is not a model's, shape (n, K).
    """

    features: Floats
    label: Floats
    counted: Floats
    present: Floats

    @property
    def rows(self) -> Floats:
        """How many rows are each model's, shape (K,)."""
        rows: Floats = self.present.sum(axis=0)
        return rows

    def gradient(self, weights: Floats, rows: Rows | None = None) -> tuple[Floats, Floats]:
        """The mean of log(1 + e^-yu), u = Xw, over some rows, shape (K,), and its gradient, shape (F, K).

        Args:
            weights: shape (F, K).
            rows: None for all.
        """
        at = slice(None) if rows is None else rows
        features, label, counted = self.features[at], self.label[at], self.counted[at]
        margin = label * (features @ weights)
        # log(1 + e^-m) without overflow.
        loss = np.maximum(-margin, 0) + np.log1p(np.exp(-np.abs(margin)))
        residual = -label * probability(-margin) * counted
        many = np.maximum(self.present[at].sum(axis=0), 1)
        return (loss * counted).sum(axis=0) / many, features.T @ residual / many

    def curvature(self, weights: Floats, change: Floats, rows: Rows | None = None) -> Floats:
        """The Hessian of :meth:`gradient`'s loss times a change of the weights, shape (F, K)."""
        at = slice(None) if rows is None else rows
        features = self.features[at]
        chance = probability(features @ weights)
        bent = chance * (1 - chance) * (features @ change) * self.counted[at]
        curved: Floats = features.T @ bent / np.maximum(self.present[at].sum(axis=0), 1)
        return curved
