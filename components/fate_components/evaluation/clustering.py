"""Metrics of clusters: against labels, and of how close and how far apart the clusters are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fate_components.evaluation.binary import Amounts, Counts, Floats


@dataclass(frozen=True, slots=True)
class Agreement:
    """How clusters and labels go together.

    Attributes:
        contingency: rows with each label, in each cluster; shape (labels, clusters).
    """

    contingency: Amounts

    @property
    def adjusted_rand(self) -> float:
        """Rand index adjusted for chance (Hubert and Arabie 1985); 1 for equal partitions, about 0 for random ones."""
        both, same_label, same_cluster, pairs = self._pairs()
        if same_label == same_cluster == both:
            return 1.0
        neither = pairs - same_label - same_cluster + both
        label_only, cluster_only = same_label - both, same_cluster - both
        below = (both + label_only) * (label_only + neither) + (both + cluster_only) * (cluster_only + neither)
        return 2.0 * (both * neither - label_only * cluster_only) / below

    @property
    def fowlkes_mallows(self) -> float:
        """Geometric mean of pairwise precision and recall (Fowlkes and Mallows 1983); 0 where no pair agrees."""
        both, same_label, same_cluster, _ = self._pairs()
        return float((both / same_label) ** 0.5 * (both / same_cluster) ** 0.5) if both else 0.0

    def _pairs(self) -> tuple[int, int, int, int]:
        """Ordered pairs of rows: with label and cluster in common, with the label, with the cluster; all."""
        # Python's integers: the squares of the numbers of pairs do not fit 64 bits.
        rows = int(self.contingency.sum())
        squares = (
            sum(int(count) ** 2 for count in counts if count)
            for counts in (self.contingency.ravel(), self.contingency.sum(axis=1), self.contingency.sum(axis=0))
        )
        both, same_label, same_cluster = (total - rows for total in squares)
        return both, same_label, same_cluster, rows * (rows - 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """Of clusters that have rows.

    Attributes:
        spread: mean distance of a cluster's rows to its centre, shape (clusters,).
        distance: between the centres, shape (clusters, clusters), symmetric, 0 on the diagonal.
    """

    spread: Floats
    distance: Floats

    @property
    def davies_bouldin(self) -> float:
        """Mean over the clusters of the worst (s_i + s_j) / d_ij (Davies and Bouldin 1979); lower is better.

        Not a number for a single cluster; clusters with the same centre are left out of the worst, as in scikit-learn.
        """
        if self.spread.size < 2:
            return float("nan")
        if np.allclose(self.spread, 0) or np.allclose(self.distance, 0):
            return 0.0
        distance = np.where(self.distance == 0, np.inf, self.distance)
        return float(((self.spread[:, None] + self.spread) / distance).max(axis=1).mean())

    @property
    def nearest(self) -> Counts:
        """The position of the cluster with the nearest centre, shape (clusters,); 0 for a single cluster."""
        if self.spread.size < 2:
            return np.zeros(self.spread.size, np.int64)
        others = self.distance + np.diag(np.full(self.spread.size, np.inf))
        nearest: Counts = others.argmin(axis=1)
        return nearest
