"""How good a model is while it is trained, and which iteration was the best."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from fate_components.evaluation.binary import decided, rank
from fate_components.evaluation.multiclass import confusion
from fate_components.evaluation.regression import regression_metrics
from fate_components.evaluation.spec import METRICS, metric_name
from fate_components.linear.messages import Standing
from fate_components.linear.model import Floats
from fate_federated.errors import ConfigError
from fate_federated.task.context import Tracker
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

Kind = Literal["binary", "multi", "regression"]
Scores = dict[str, float]

DEFAULTS: dict[Kind, tuple[str, ...]] = {
    "binary": ("auc", "ks"),
    "multi": ("accuracy", "precision", "recall"),
    "regression": ("root_mean_squared_error", "mean_absolute_error"),
}
_CURVES = {"lift", "gain", "roc", "confusion_mat", "psi", "quantile_pr"}


def chosen_metrics(kind: Kind, names: list[str]) -> tuple[str, ...]:
    """FATE's metrics by the names that a conf gives; without any, the usual ones.

    Raises:
        ConfigError: one does not fit the labels.
    """
    # What is drawn as a curve is for an Evaluation afterwards.
    found = tuple(name for name in map(metric_name, names) if name not in _CURVES)
    wrong = [name for name in found if name not in METRICS[kind]]
    # Logistic regression's default metrics are of two classes also where there are more.
    if kind == "multi" and set(wrong) <= {"auc", "ks"}:
        found, wrong = tuple(name for name in found if name not in wrong), []
    if wrong:
        raise ConfigError(f"The metric {wrong[0]} is none of {', '.join(METRICS[kind])}, which fit these labels.")
    return found or DEFAULTS[kind]


def scores_of(kind: Kind, label: Floats, predicted: Floats, decision: Floats) -> Scores:
    """Every metric of a kind; without auc and ks where all rows have the same label.

    Args:
        label: of two classes 0 and 1.
        predicted: with two classes the probability of the second, else the prediction; shape (rows,).
        decision: the predicted label, shape (rows,).
    """
    if kind == "regression":
        return regression_metrics(label, predicted)
    if kind == "multi":
        table = confusion(pa.array(label), pa.array(decision))
        means = {"precision": float(table.precision.mean()), "recall": float(table.recall.mean())}
        return {"accuracy": table.accuracy} | means
    positive = label == 1
    ranking = rank(positive, predicted)
    ranked = {"auc": ranking.auc, "ks": ranking.ks} if ranking.has_both_classes else {}
    return ranked | decided(positive, decision == 1)


def scores_of_table(kind: Kind, table: Table, predicted: Floats, classes: Floats, threshold: float) -> Scores:
    """Every metric of a table's rows, none where a label is missing.

    Args:
        predicted: numbers, or the probability of the second of two classes, shape (rows, 1); or of each class, shape
            (rows, classes).
        threshold: of the probability, above which the second class is predicted.
    """
    label = table.label
    if label is None or not np.isfinite(label).all():
        return {}
    if kind == "regression":
        return scores_of(kind, label, predicted[:, 0], predicted[:, 0])
    if kind == "multi":
        return scores_of(kind, label, predicted[:, 0], classes[predicted.argmax(axis=1)])
    chosen = (predicted[:, 0] > threshold).astype(np.float64)
    return scores_of(kind, (label == classes[-1]).astype(np.float64), predicted[:, 0], chosen)


@dataclass(slots=True)
class Validation:
    """See the module.

    Attributes:
        name: of the metrics: the component's.
        metrics: what is computed; the first that the validation rows have a value of chooses the best iteration.
        patience: validations without an improvement after which to stop; None for never.
        first_only: whether only the first metric counts for that; else any that does not improve stops.
        history: values by kind of rows (train, validate) and metric, one for each validation.
        merits: of the validation rows, by metric: the more the better, -inf where one could not be computed.
    """

    tracker: Tracker
    name: str
    metrics: tuple[str, ...]
    patience: int | None
    first_only: bool
    history: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    merits: dict[str, list[float]] = field(default_factory=dict)

    def note(self, iteration: int, scores: dict[str, Scores]) -> Standing:
        """Keep the metrics of an iteration, by kind of rows, and compare those of the validation rows with before.

        Where these have none, no iteration is the best: the last one's weights are as good.
        """
        for kind, values in scores.items():
            for metric in self.metrics:
                if metric in values:
                    self.history.setdefault(kind, {}).setdefault(metric, []).append(values[metric])
                    meta = {"metric_type": "EVALUATION_SUMMARY", "name": self.name, "curve_name": metric,
                            "unit_name": "iters"}  # fmt: skip
                    point = (float(iteration), values[metric])
                    self.tracker.log_metric(kind, f"{self.name}_{metric}_by_iteration", [point], meta)
        ages = self._ages(scores["validate"]) if "validate" in scores else []
        if not ages:
            return Standing(best=False, stop=False)
        considered = ages[:1] if self.first_only else ages
        return Standing(ages[0] == 0, self.patience is not None and max(considered) >= self.patience)

    def _ages(self, values: Scores) -> list[int]:
        """Validations since the best value of each metric that ever had one, this validation's included."""
        if not self.merits and (absent := [name for name in self.metrics if name not in values]):
            rest = len(absent) < len(self.metrics)
            log.warning(
                "%s cannot be computed of the validation rows: %s", ", ".join(absent),
                "the other metrics judge them" if rest else "no iteration is judged, and nothing stops the training",
            )  # fmt: skip
        for name in self.metrics:
            turned = -1.0 if "error" in name else 1.0
            self.merits.setdefault(name, []).append(turned * values[name] if name in values else -np.inf)
        return [_since_best(merits) for merits in self.merits.values() if max(merits) > -np.inf]


def _since_best(merits: list[float]) -> int:
    """Validations since the first time that the best value was reached."""
    return len(merits) - 1 - int(np.argmax(merits))
