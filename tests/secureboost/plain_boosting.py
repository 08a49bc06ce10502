"""Boosted trees on one machine, written from the papers' equations: every split of every node is tried, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass
class Node:
    """A leaf, or a question: values of ``feature`` up to ``threshold`` go left."""

    weight: Floats | float = 0.0
    feature: int = -1
    threshold: float = 0.0
    missing_left: bool = False
    left: Node | None = None
    right: Node | None = None

    def score(self, row: Floats) -> Floats | float:
        node = self
        while node.left is not None and node.right is not None:
            value = row[node.feature]
            goes_left = node.missing_left if np.isnan(value) else value <= node.threshold
            node = node.left if goes_left else node.right
        return node.weight

    def drawn(self) -> Any:
        """Nested tuples, to compare with."""
        if self.left is None or self.right is None:
            return np.round(self.weight, 6).tolist()
        return self.feature, self.threshold, self.missing_left, self.left.drawn(), self.right.drawn()


def cut_points(column: Floats, bins: int) -> Floats:
    there = np.sort(column[~np.isnan(column)])
    ranks = [int(np.ceil(len(there) * share / bins)) - 1 for share in range(1, bins + 1)]
    return np.unique(there[ranks]) if len(there) else there


def worth(first: Floats, second: Floats, l2: float, l1: float) -> float:
    moved = np.maximum(np.abs(first) - l1, 0.0)
    return float(np.sum(moved * moved / (second + l2)))


def grown(
    features: Floats, points: list[Floats], first: Floats, second: Floats, rows: npt.NDArray[np.int64], depth: int,
    *, l2: float = 0.1, l1: float = 0.0, least_gain: float = 1e-3, leaf_rows: int = 1, least_weight: float = 0.0,
) -> Node:  # fmt: skip
    limits: dict[str, Any] = {
        "l2": l2, "l1": l1, "least_gain": least_gain, "leaf_rows": leaf_rows, "least_weight": least_weight
    }  # fmt: skip
    whole = first[rows].sum(axis=0), second[rows].sum(axis=0)
    leaf = Node(-np.sign(whole[0]) * np.maximum(np.abs(whole[0]) - l1, 0.0) / (whole[1] + l2))
    best: tuple[float, Node, npt.NDArray[np.bool_]] | None = None
    if depth == 0 or len(rows) < 2:
        return leaf
    for feature in range(features.shape[1]):
        values = features[rows, feature]
        for threshold in points[feature]:
            for missing_left in (False, True):
                if missing_left and not np.isnan(values).any():
                    continue
                left = np.where(np.isnan(values), missing_left, values <= threshold)
                if min(left.sum(), (~left).sum()) < leaf_rows:
                    continue
                sums = [(first[rows[side]].sum(axis=0), second[rows[side]].sum(axis=0)) for side in (left, ~left)]
                if min(np.sum(some[1]) for some in sums) < least_weight:
                    continue
                gain = sum(worth(*some, l2, l1) for some in sums) - worth(*whole, l2, l1)
                # Sums in another order differ in their last places: what is better has to be so by more.
                if gain > least_gain and (best is None or gain > best[0] * (1 + 1e-9)):
                    best = gain, Node(0.0, feature, float(threshold), missing_left), left
    if best is None:
        return leaf
    _, node, left = best
    node.left = grown(features, points, first, second, rows[left], depth - 1, **limits)
    node.right = grown(features, points, first, second, rows[~left], depth - 1, **limits)
    return node


def boosted_together(
    features: Floats, label: npt.NDArray[np.int64], *, rounds: int, depth: int, bins: int, rate: float
) -> tuple[list[Node], Floats]:
    """Trees with a weight for each class in their leaves, and the rows' scores, shape (rows, classes)."""
    points = [cut_points(column, bins) for column in features.T]
    wanted = np.eye(label.max() + 1)[label]
    score, trees = np.zeros(wanted.shape), []
    for _ in range(rounds):
        chance = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
        tree = grown(features, points, chance - wanted, chance * (1 - chance), np.arange(len(label)), depth)
        trees.append(tree)
        score = score + rate * np.array([tree.score(row) for row in features])
    return trees, score


def boosted(
    features: Floats, label: Floats, *, rounds: int, depth: int, bins: int, rate: float, regression: bool,
    points: list[Floats] | None = None, **limits: Any,
) -> tuple[list[Node], Floats]:  # fmt: skip
    """Trees for two classes or a number, and the rows' scores; ``points`` are the bins' borders, if not quantiles."""
    points = [cut_points(column, bins) for column in features.T] if points is None else points
    score = np.full(len(label), label.mean() if regression else 0.0)
    trees = []
    for _ in range(rounds):
        if regression:
            first, second = 2 * (score - label), np.full(len(label), 2.0)
        else:
            chance = 1 / (1 + np.exp(-score))
            first, second = chance - label, chance * (1 - chance)
        tree = grown(features, points, first, second, np.arange(len(label)), depth, **limits)
        trees.append(tree)
        score = score + rate * np.array([tree.score(row) for row in features])
    return trees, score
