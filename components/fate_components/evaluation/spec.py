"""Evaluation as a dsl sees it."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictFloat, StrictInt, ValidationInfo, field_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role

METRICS: dict[str, tuple[str, ...]] = {
    "binary": (
        "auc", "ks", "lift", "gain", "accuracy", "precision", "recall", "roc", "confusion_mat", "f1_score",
        "quantile_pr",
    ),
    "regression": ("explained_variance", "mae", "mse", "median_ae", "r2", "rmse"),
}  # fmt: skip
"""What can be asked for, by eval_type."""

ALIASES = {
    "acc": "accuracy",
    "l1": "mae",
    "regression_l1": "mae",
    "l2": "mse",
    "regression_l2": "mse",
    "regression": "mse",
    "l2_root": "rmse",
}


class EvaluationParams(ComponentParams):
    """FATE's parameters."""

    eval_type: Literal["binary", "regression"] = "binary"
    pos_label: StrictInt | StrictFloat = 1
    """binary: the label that predict_score is the probability of."""
    metrics: list[str] | None = None
    """None for all of the type."""
    run_clustering_arbiter_metric: Literal[False] = False
    unfold_multi_result: Literal[False] = False
    need_run: bool = True

    @property
    def chosen(self) -> frozenset[str]:
        """The metrics to compute, without aliases."""
        return frozenset(METRICS[self.eval_type] if self.metrics is None else map(_plain, self.metrics))

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        known = METRICS.get(info.data.get("eval_type", ""), ())
        for name in value or ():
            if known and _plain(name) not in known:
                raise ValueError(f"there is no metric {name!r} for eval_type {info.data['eval_type']}")
        return value


def _plain(metric: str) -> str:
    return ALIASES.get(metric.lower(), metric.lower())


EVALUATION = ComponentSpec(
    module="Evaluation",
    roles=frozenset({Role.GUEST}),
    params=EvaluationParams,
    implementation="fate_components.evaluation.component:Evaluation",
)
