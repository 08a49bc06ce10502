"""All trees of a model as flat arrays: every row goes down every tree at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fate_components.secureboost.model import Bits, Forest, HostForest, Splits
from fate_serving.frame import Floats

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlatSplits:
    """What one party asks in all trees, tree by tree and nodes rising; each array has shape (its nodes,)."""

    features: Integers
    thresholds: Floats
    missing_left: Bits

    @classmethod
    def of(cls, trees: tuple[Splits, ...]) -> FlatSplits:
        """Of a party's splits in each tree."""
        return cls(
            np.concatenate([np.empty(0, np.int64), *(tree.features for tree in trees)]),
            np.concatenate([np.empty(0), *(tree.thresholds for tree in trees)]),
            np.concatenate([np.empty(0, np.bool_), *(tree.missing_left for tree in trees)]),
        )

    def goes_left(self, features: Floats) -> Bits:
        """As :meth:`~fate_components.secureboost.model.Splits.goes_left`, of all trees: shape (rows, nodes)."""
        values = features[:, self.features]
        left: Bits = values <= self.thresholds
        missing = np.isnan(values)
        if missing.any():
            left = np.where(missing, self.missing_left, left)
        return left


@dataclass(frozen=True, slots=True)
class FlatForest:
    """The guest's trees, one after the other; arrays have shape (nodes of all trees,).

    Attributes:
        roots: where each tree begins.
        children: where a row goes on: at 2·node to the right, at 2·node + 1 to the left; of a leaf both are itself.
        question: the column, among all inner nodes, that says where a row goes on; 0 at leaves.
        weights: of leaves, learning rate included; of trees for all dimensions the shape is (nodes, dimensions).
        columns: by site, which of these columns are its nodes'.
        depth: steps until every row is in a leaf.
        tree_dimension: the dimension that each tree adds to.
    """

    roots: Integers
    children: Integers
    question: Integers
    weights: Floats
    columns: Mapping[int, Integers]
    depth: int
    inner: int
    tree_dimension: Integers
    dimensions: int
    start: Floats

    @classmethod
    def of(cls, forest: Forest) -> FlatForest:
        """The same trees."""
        sizes = [len(tree.left) for tree in forest.trees]
        roots = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        owner = np.concatenate([np.empty(0, np.int64), *(tree.owner for tree in forest.trees)])
        inner = np.flatnonzero(owner >= 0)
        question = np.zeros(len(owner), np.int64)
        question[inner] = np.arange(len(inner))
        right = np.concatenate([[], *(tree.right + root for tree, root in zip(forest.trees, roots, strict=True))])
        left = np.concatenate([[], *(tree.left + root for tree, root in zip(forest.trees, roots, strict=True))])
        weights = np.concatenate([tree.weight for tree in forest.trees] or [np.empty(0)]) * forest.learning_rate
        return cls(
            roots=roots,
            children=np.stack([right, left], axis=1).astype(np.int64).ravel(),
            question=question,
            weights=weights,
            columns={site: question[np.flatnonzero(owner == site)] for site in range(len(forest.sites))},
            depth=max((_depth(tree.left, tree.right, tree.owner) for tree in forest.trees), default=0),
            inner=len(inner),
            tree_dimension=np.arange(len(forest.trees)) % forest.dimensions,
            dimensions=forest.dimensions,
            start=forest.start,
        )

    def scores(self, decisions: Mapping[int, Bits], rows: int) -> Floats:
        """Sums of leaves and the start, shape (rows, dimensions).

        Args:
            decisions: by site, whether each row goes left at each of its nodes, tree by tree, nodes rising.
        """
        left = np.zeros((rows, max(self.inner, 1)), np.int64)
        for site, bits in decisions.items():
            left[:, self.columns[site]] = bits
        place = np.broadcast_to(self.roots, (rows, len(self.roots)))
        row = np.arange(rows)[:, None] * left.shape[1]
        flat = left.ravel()
        for _ in range(self.depth):
            place = self.children[2 * place + flat[row + self.question[place]]]
        leaves = self.weights[place]
        scores = np.tile(self.start, (rows, 1))
        if self.weights.ndim == 2:
            scores += leaves.sum(axis=1)
        elif self.dimensions == 1:
            scores[:, 0] += leaves.sum(axis=1)
        else:
            for dimension in range(self.dimensions):
                scores[:, dimension] += leaves[:, self.tree_dimension == dimension].sum(axis=1)
        return scores


def _depth(left: Integers, right: Integers, owner: Integers) -> int:
    place, depth = np.zeros(1, np.int64), 0
    while (owner[place] >= 0).any():
        inner = place[owner[place] >= 0]
        place = np.unique(np.concatenate([left[inner], right[inner]]))
        depth += 1
        if depth > len(left):
            raise ValueError("a tree has a circle")
    return depth


def host_splits(forest: HostForest) -> FlatSplits:
    """A host's nodes."""
    return FlatSplits.of(forest.trees)
