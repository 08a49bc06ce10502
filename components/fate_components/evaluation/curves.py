"""Curves of a ranking, as FATE-Board draws them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fate_components.evaluation.binary import Floats, Ranking
from fate_federated.task.context import Tracker


def log_curves(tracker: Tracker, namespace: str, source: str, ranking: Ranking, chosen: Collection[str]) -> None:
    """Log the chosen curves; ``source`` is the component that predicted.

    ROC, KS, lift, gain, accuracy, precision and recall are series of points; the confusion matrix, F1 and the quantiles
    of precision and recall are lists in a metric's meta.
    """
    cuts = ranking.at_quantiles()
    thresholds = cuts.thresholds.tolist()

    def curve(suffix: str, kind: str, x: Floats, y: Floats, **meta: Any) -> None:
        name = f"{source}_{suffix}"
        description = {"metric_type": kind, "name": name, "curve_name": name, "thresholds": thresholds, **meta}
        tracker.log_metric(namespace, name, list(zip(x.tolist(), y.tolist(), strict=True)), description)

    def listing(suffix: str, kind: str, **lists: list[Any]) -> None:
        name = f"{source}_{suffix}"
        tracker.log_metric(namespace, name, (), {"metric_type": kind, "name": name, "thresholds": thresholds, **lists})

    if "roc" in chosen:
        fpr, tpr, roc_thresholds = ranking.roc()
        names = {"unit_name": "fpr", "ordinate_name": "tpr"}
        curve("roc", "ROC_EVALUATION", fpr, tpr, **names | {"thresholds": roc_thresholds.tolist()})
    if "ks" in chosen:
        pair = {"pair_type": f"{source}_ks"}
        curve("ks_fpr", "KS_EVALUATION", cuts.share, cuts.false_positive_rate, **pair)
        curve("ks_tpr", "KS_EVALUATION", cuts.share, cuts.recall, **pair)
    if "lift" in chosen:
        curve("lift", "LIFT_EVALUATION", cuts.share, cuts.lift)
    if "gain" in chosen:
        curve("gain", "GAIN_EVALUATION", cuts.share, cuts.recall)
    if "accuracy" in chosen:
        curve("accuracy", "ACCURACY_EVALUATION", cuts.share, cuts.accuracy)
    if "precision" in chosen:
        curve("precision", "PRECISION_BINARY_EVALUATION", cuts.share, cuts.precision)
    if "recall" in chosen:
        curve("recall", "RECALL_BINARY_EVALUATION", cuts.share, cuts.recall)
    if "confusion_mat" in chosen:
        listing(
            "confusion_mat",
            "CONFUSION_MAT",
            tp=cuts.true_positives.tolist(),
            fp=cuts.false_positives.tolist(),
            tn=cuts.true_negatives.tolist(),
            fn=cuts.false_negatives.tolist(),
        )
    if "f1_score" in chosen:
        listing("f1_score", "F1_SCORE", f1_scores=cuts.f1.tolist(), cuts=cuts.share.tolist())
    if "quantile_pr" in chosen:
        listing("quantile_pr", "QUANTILE_PR", p_scores=cuts.precision.tolist(), r_scores=cuts.recall.tolist())
