"""Scoring rows of predictions: one data set of one component at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.evaluation import rows as read
from fate_components.evaluation.binary import Ranking, decided, rank
from fate_components.evaluation.clustering import Agreement, Shape
from fate_components.evaluation.curves import NEED_BOTH_CLASSES, log_curves
from fate_components.evaluation.multiclass import as_text, confusion, cross_table, encoded
from fate_components.evaluation.regression import regression_metrics
from fate_components.evaluation.spec import EvaluationParams
from fate_federated.errors import DataError
from fate_federated.task.context import Tracker
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

Figures = dict[str, Any]
"""Metrics that are one number, by name; with unfold_multi_result also those of each class against the rest."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Computes what the parameters ask for, and logs it.

    Attributes:
        namespace: of the metrics: which rows these are, such as train or validate.
        source: the name of the component that predicted.
    """

    params: EvaluationParams
    tracker: Tracker
    namespace: str
    source: str

    def score(self, rows: Table) -> Figures:
        """Score rows of any eval_type.

        Raises:
            DataError: the rows are not what the eval_type is of.
        """
        match self.params.eval_type:
            case "regression":
                return self.regression(rows)
            case "multi":
                return self.multi(rows)
            case "clustering":
                return self.clustering(rows)
            case _:
                return self.binary(rows)[0]

    def binary(self, rows: Table) -> tuple[Figures, Ranking]:
        """Figures, and the ranking that they are of, for comparison with that of other rows.

        Rows of one class have no auc and no ks; these are left out and the log says so.
        """
        weight = read.weights(rows)
        positive = read.is_class(read.classes(rows, read.label_name(rows)), self.params.pos_label)
        ranking = rank(positive, read.numbers(rows, read.SCORE), weight)
        chosen = self.params.chosen
        figures: dict[str, float] = {}
        if ranking.has_both_classes:
            figures |= {"auc": ranking.auc, "ks": ranking.ks}
        elif chosen & NEED_BOTH_CLASSES:
            log.warning(
                "%s, %s: all %d rows have the same label, so that there is no %s",
                self.source, self.namespace, len(rows), ", ".join(sorted(chosen & NEED_BOTH_CLASSES)),
            )  # fmt: skip
        if read.RESULT in rows.data.column_names:
            predicted = read.is_class(read.classes(rows, read.RESULT), self.params.pos_label)
            figures |= decided(positive, predicted, weight)
        log_curves(self.tracker, self.namespace, self.source, ranking, chosen)
        return self._summarise(figures, len(rows)), ranking

    def regression(self, rows: Table) -> Figures:
        """Figures of predicted numbers."""
        label, predicted = read.numbers(rows, read.label_name(rows)), read.numbers(rows, read.SCORE)
        return self._summarise(regression_metrics(label, predicted, read.weights(rows)), len(rows))

    def multi(self, rows: Table) -> Figures:
        """Figures of decisions between classes; precision and recall are the means of the classes'."""
        label = read.classes(rows, read.label_name(rows))
        weight = read.weights(rows)
        table = confusion(label, read.classes(rows, read.RESULT), weight)
        chosen = self.params.chosen
        by_class = {"precision": table.precision, "recall": table.recall}
        for name, values in by_class.items():
            if name in chosen:
                # A point's x is the label, or where labels are texts its position among the classes.
                numeric = not isinstance(table.classes[0], str)
                x = (
                    [float(label) for label in table.classes]
                    if numeric
                    else list(map(float, range(len(table.classes))))
                )
                self._log(
                    name,
                    f"{name.upper()}_MULTI_EVALUATION",
                    list(zip(x, values.tolist(), strict=True)),
                    curve_name=self.source, pair_type=self.source, ordinate_name=name.capitalize(), classes=table.names,
                )  # fmt: skip
        if "confusion_mat" in chosen:
            self._log("confusion_mat", "CONFUSION_MAT_MULTI", classes=table.names, matrix=table.matrix.tolist())
        means = {name: float(values.mean()) for name, values in by_class.items()}
        figures = self._summarise({"accuracy": table.accuracy} | means, len(rows))
        if self.params.unfold_multi_result:
            figures["ovr"] = self._one_vs_rest(rows, label, weight)
        return figures

    def _one_vs_rest(self, rows: Table, label: pa.Array, weight: Any) -> dict[str, dict[str, float]]:
        """auc and ks of every class; one that all rows or none have, or without a score in predict_detail, has none."""
        found: dict[str, dict[str, float]] = {}
        for name, score in read.class_scores(rows).items():
            ranking = rank(read.is_class(label, name), score, weight)
            found[name] = {}
            if ranking.has_both_classes:
                found[name] = {"auc": ranking.auc, "ks": ranking.ks}
                log_curves(self.tracker, self.namespace, f"{self.source}_class_{name}", ranking, {"roc", "ks"})
            meta = {"metric_type": "ovr", "name": self.source, name: found[name]}
            self.tracker.log_metric(self.namespace, f"{self.source}_class_{name}_ovr", (), meta)
        labels = label.unique()
        scored = np.any([read.is_class(labels, name) for name in found], axis=0)
        absent = sorted(as_text(labels.filter(pa.array(~scored))).to_pylist())
        if absent:
            log.warning(
                "%s, %s: %s has no score of the classes %s, which rows have as their label",
                self.source, self.namespace, read.DETAIL, ", ".join(absent),
            )  # fmt: skip
        return found | {name: {} for name in absent}

    def clustering(self, rows: Table) -> Figures:
        """Figures of clusters against labels, or of how close and far apart the clusters are, as the columns are."""
        if read.SPREAD in rows.data.column_names:
            return self._shape(rows)
        cluster_name = next((name for name in read.CLUSTER if name in rows.data.column_names), read.CLUSTER[0])
        labels, label = encoded(read.classes(rows, read.label_name(rows)))
        clusters, cluster = encoded(read.classes(rows, cluster_name))
        contingency = cross_table(label, cluster, len(labels), len(clusters))
        if "contingency_matrix" in self.params.chosen:
            self._log(
                "contingency_matrix",
                "CONTINGENCY_MATRIX",
                true_labels=list(labels),
                predicted_labels=list(clusters),
                result_table=contingency.tolist(),
            )
        agreement = Agreement(contingency)
        same = confusion(read.classes(rows, read.label_name(rows)), read.classes(rows, cluster_name))
        figures = {
            "jaccard_similarity_score": same.jaccard,
            "fowlkes_mallows_score": agreement.fowlkes_mallows,
            "adjusted_rand_score": agreement.adjusted_rand,
        }
        return self._summarise(figures, len(rows), "CLUSTERING_EVALUATION_SUMMARY")

    def _shape(self, rows: Table) -> Figures:
        """Of a table with one row per cluster, see SPREAD; clusters without a row have no distances in it."""
        distance = _matrix(read.column(rows, read.DISTANCE), len(rows))
        shape = Shape(read.numbers(rows, read.SPREAD), distance)
        if "distance_measure" in self.params.chosen:
            self._log(
                "distance_measure",
                "DISTANCE_MEASURE",
                cluster_index=rows.ids.to_pylist(),
                radius=read.numbers(rows, read.RADIUS).tolist(),
                nearest_idx=shape.nearest.tolist(),
                distances=distance.tolist(),
            )
        figures = {"davies_bouldin_index": shape.davies_bouldin}
        return self._summarise(figures, len(rows), "CLUSTERING_EVALUATION_SUMMARY")

    def _summarise(self, figures: Mapping[str, float], rows: int, kind: str = "EVALUATION_SUMMARY") -> Figures:
        """Log the chosen figures. One that no number can be given to is left out."""
        chosen = {name: value for name, value in figures.items() if name in self.params.chosen}
        for name, value in chosen.items():
            if not math.isfinite(value):
                log.warning("%s, %s: %s is %s and left out", self.source, self.namespace, name, value)
        values: Figures = {name: value for name, value in chosen.items() if math.isfinite(value)}
        meta = {"metric_type": kind, "name": self.source, "values": values}
        self.tracker.log_metric(self.namespace, self.source, (), meta)
        texts = ", ".join(f"{name} {value:.6f}" for name, value in values.items())
        log.info("%s, %s, %d rows: %s", self.source, self.namespace, rows, texts)
        return dict(values)

    def _log(self, suffix: str, kind: str, points: list[tuple[float, float]] | tuple[()] = (), **meta: Any) -> None:
        name = f"{self.source}_{suffix}"
        self.tracker.log_metric(self.namespace, name, points, {"metric_type": kind, "name": name, **meta})


def _matrix(lists: pa.ChunkedArray, size: int) -> Any:
    """Lists of numbers as a matrix of shape (size, size).

    Raises:
        DataError: they are something else.
    """
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist() if pa.types.is_list(lists.type) else []
    if lengths != [size]:
        raise DataError(f"Column {read.DISTANCE!r} does not hold a list of {size} distances for each cluster.")
    values = pc.list_flatten(lists).cast(pa.float64()).to_numpy()
    if not np.isfinite(values).all():
        raise DataError(f"Column {read.DISTANCE!r} has missing or infinite distances.")
    return values.reshape(size, size)
