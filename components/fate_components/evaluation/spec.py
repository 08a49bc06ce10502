"""Evaluation as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from fate_federated.catalog.shared_params import AnyCase, ModuleParams
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role

METRICS: dict[str, tuple[str, ...]] = {
    "binary": (
        "auc", "ks", "lift", "gain", "accuracy", "precision", "recall", "roc", "confusion_mat", "psi", "f1_score",
        "quantile_pr",
    ),
    "regression": (
        "explained_variance", "mean_absolute_error", "mean_squared_error", "mean_squared_log_error",
        "median_absolute_error", "r2_score", "root_mean_squared_error",
    ),
    "multi": ("accuracy", "precision", "recall", "confusion_mat"),
    "clustering": (
        "jaccard_similarity_score", "fowlkes_mallows_score", "adjusted_rand_score", "davies_bouldin_index",
        "distance_measure", "contingency_matrix",
    ),
}  # fmt: skip
"""What is computed, by eval_type."""

ALIASES = {
    "acc": "accuracy",
    "l1": "mean_absolute_error",
    "mae": "mean_absolute_error",
    "regression_l1": "mean_absolute_error",
    "l2": "mean_squared_error",
    "mse": "mean_squared_error",
    "regression_l2": "mean_squared_error",
    "regression": "mean_squared_error",
    "l2_root": "root_mean_squared_error",
    "rmse": "root_mean_squared_error",
    "msle": "mean_squared_log_error",
    "median_ae": "median_absolute_error",
    "r2": "r2_score",
    "dbi": "davies_bouldin_index",
    "fmi": "fowlkes_mallows_score",
    "fowlkes_mallows": "fowlkes_mallows_score",
    "ri": "adjusted_rand_score",
    "adjusted_rand": "adjusted_rand_score",
    "jaccard": "jaccard_similarity_score",
}


def metric_name(given: str) -> str:
    """FATE's name of a metric, for an alias or any case of letters."""
    return ALIASES.get(given.lower(), given.lower())


class EvaluationParams(ModuleParams):
    """FATE's parameters."""

    eval_type: Annotated[Literal["binary", "regression", "multi", "clustering"], AnyCase()] = "binary"
    pos_label: int | float | str = 1
    """binary: the label that predict_score is the probability of."""
    metrics: list[str] | None = None
    """None or an empty list for all of the type."""
    run_clustering_arbiter_metric: bool = False
    """Of no effect, as in FATE: a party evaluates what it has, the arbiter too."""
    unfold_multi_result: bool = False
    """multi: also score each class against the rest, by predict_detail."""

    @property
    def chosen(self) -> frozenset[str]:
        """The metrics to compute, without aliases; precision and recall always go together."""
        chosen = frozenset(map(metric_name, self.metrics or METRICS[self.eval_type]))
        pair = {"precision", "recall"}
        return chosen | pair if chosen & pair else chosen

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        kind = info.data.get("eval_type")
        if kind is None:
            return value
        for name in value or ():
            if metric_name(name) not in METRICS[kind]:
                raise ValueError(f"there is no metric {name!r} for eval_type {kind}")
        return value


EVALUATION = ComponentSpec(
    module="Evaluation",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    params=EvaluationParams,
    implementation="fate_components.evaluation.component:Evaluation",
    deploy=False,
)
