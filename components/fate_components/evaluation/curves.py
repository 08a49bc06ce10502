"""What is logged of a ranking besides its figures: curves and tables, as FATE-Board draws them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fate_components.evaluation.binary import Floats, Ranking
from fate_components.evaluation.stability import SHARES, stability
from fate_federated.task.context import Tracker

NEED_BOTH_CLASSES = frozenset({"auc", "ks", "roc", "lift", "gain", "precision", "recall", "f1_score", "quantile_pr"})
"""What says nothing of rows that all have the same label."""


def log_curves(tracker: Tracker, namespace: str, source: str, ranking: Ranking, chosen: Collection[str]) -> None:
    """Log the chosen curves; ``source`` is the component that predicted.

    ROC, KS, lift, gain, accuracy, precision and recall are series of at most CURVE_POINTS points; the confusion
    matrices, F1 and the quantiles of precision and recall are lists in a metric's meta. Of rows of one class there are
    only those that mean something.
    """
    chosen = frozenset(chosen) if ranking.has_both_classes else frozenset(chosen) - NEED_BOTH_CLASSES
    cuts, table = ranking.curve(), ranking.table()
    thresholds = cuts.thresholds.tolist()

    def curve(suffix: str, kind: str, y: Floats, skip: int = 0, **meta: Any) -> None:
        points = list(zip(cuts.share[skip:].tolist(), y[skip:].tolist(), strict=True))
        named = {"metric_type": kind, "name": f"{source}_{suffix}", "curve_name": source}
        tracker.log_metric(namespace, f"{source}_{suffix}", points, named | {"thresholds": thresholds[skip:], **meta})

    def listing(suffix: str, kind: str, at: Floats, **lists: list[Any]) -> None:
        named = {"metric_type": kind, "name": f"{source}_{suffix}", "thresholds": at.tolist()}
        tracker.log_metric(namespace, f"{source}_{suffix}", (), named | lists)

    if "roc" in chosen:
        fpr, tpr, at = ranking.roc()
        meta = {"metric_type": "ROC_EVALUATION", "name": f"{source}_roc", "curve_name": source}
        meta |= {"unit_name": "fpr", "ordinate_name": "tpr"}
        points = list(zip(fpr.tolist(), tpr.tolist(), strict=True))
        tracker.log_metric(namespace, f"{source}_roc", points, meta | {"thresholds": at.tolist()})
    if "ks" in chosen:
        curve("ks_fpr", "KS_EVALUATION", cuts.false_positive_rate, pair_type=source, curve_name=f"{source}_fpr")
        curve("ks_tpr", "KS_EVALUATION", cuts.recall, pair_type=source, curve_name=f"{source}_tpr")
    if "lift" in chosen:
        curve("lift", "LIFT_EVALUATION", cuts.lift, skip=1)
    if "gain" in chosen:
        curve("gain", "GAIN_EVALUATION", cuts.recall)
    if "accuracy" in chosen:
        curve("accuracy", "ACCURACY_EVALUATION", cuts.accuracy)
    if "precision" in chosen:
        kind = "PRECISION_BINARY_EVALUATION"
        curve("precision", kind, cuts.precision, pair_type=source, ordinate_name="Precision")
    if "recall" in chosen:
        curve("recall", "RECALL_BINARY_EVALUATION", cuts.recall, pair_type=source, ordinate_name="Recall")
    if "confusion_mat" in chosen:
        listing(
            "confusion_mat",
            "CONFUSION_MAT",
            table.thresholds,
            tp=table.true_positives.tolist(),
            fp=table.false_positives.tolist(),
            tn=table.true_negatives.tolist(),
            fn=table.false_negatives.tolist(),
        )
    if "f1_score" in chosen:
        listing("f1_score", "F1_SCORE", table.thresholds, f1_scores=table.f1.tolist(), cuts=table.share.tolist())
    if "quantile_pr" in chosen:
        at_quantiles = ranking.quantiles(SHARES)
        scores = {"p_scores": at_quantiles.precision, "r_scores": at_quantiles.recall}
        listing(
            "quantile_pr",
            "QUANTILE_PR",
            at_quantiles.thresholds,
            # FATE writes a pair of the negative class, of which it says nothing, and the positive one.
            **{name: [[0, score] for score in values.tolist()] for name, values in scores.items()},
        )


def log_stability(tracker: Tracker, namespace: str, source: str, train: Ranking, validate: Ranking) -> float:
    """Log how far the validation rows' scores have moved from the training rows'; return the index."""
    table = stability(train, validate)
    total = float(table.psi.sum())
    meta = {
        "metric_type": "PSI",
        "name": f"{source}_psi",
        "psi_scores": table.psi.tolist(),
        "total_psi": total,
        "intervals": table.intervals,
        "expected_interval": table.expected.tolist(),
        "expected_percentage": table.expected_share.tolist(),
        "actual_interval": table.actual.tolist(),
        "actual_percentage": table.actual_share.tolist(),
        "train_pos_perc": table.expected_positive.tolist(),
        "validate_pos_perc": table.actual_positive.tolist(),
    }
    tracker.log_metric(namespace, f"{source}_psi", (), meta)
    return total
