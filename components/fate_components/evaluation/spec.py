"""Evaluation as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from fate_federated.catalog.shared_params import AnyCase, ModuleParams
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

METRICS: dict[str, tuple[str, ...]] = {
    "binary": (
        "auc", "ks", "lift", "gain", "accuracy", "precision", "recall", "roc", "confusion_mat", "f1_score",
        "quantile_pr",
    ),
    "regression": ("explained_variance", "mae", "mse", "median_ae", "r2", "rmse"),
}  # fmt: skip
"""What is computed, by eval_type."""

OTHERS: dict[str, tuple[str, ...]] = {
    "binary": ("psi",),
    "regression": ("msle",),
    "multi": ("accuracy", "precision", "recall", "confusion_mat"),
    "clustering": (
        "jaccard", "fowlkes_mallows", "adjusted_rand", "dbi", "distance_measure", "contingency_matrix",
    ),
}  # fmt: skip
"""What FATE computes beside."""

ALIASES = {
    "acc": "accuracy",
    "l1": "mae",
    "regression_l1": "mae",
    "mean_absolute_error": "mae",
    "l2": "mse",
    "regression_l2": "mse",
    "regression": "mse",
    "mean_squared_error": "mse",
    "l2_root": "rmse",
    "root_mean_squared_error": "rmse",
    "mean_squared_log_error": "msle",
    "median_absolute_error": "median_ae",
    "r2_score": "r2",
    "davies_bouldin_index": "dbi",
    "fmi": "fowlkes_mallows",
    "fowlkes_mallows_score": "fowlkes_mallows",
    "ri": "adjusted_rand",
    "adjusted_rand_score": "adjusted_rand",
    "jaccard_similarity_score": "jaccard",
}


class EvaluationParams(ModuleParams):
    """FATE's parameters."""

    eval_type: Annotated[Literal["binary", "regression", "multi", "clustering"], AnyCase()] = "binary"
    pos_label: int | float | str = 1
    """binary: the label that predict_score is the probability of."""
    metrics: list[str] | None = None
    """None for all of the type."""
    run_clustering_arbiter_metric: bool = False
    unfold_multi_result: bool = False

    @property
    def chosen(self) -> frozenset[str]:
        """The metrics to compute, without aliases."""
        return frozenset(METRICS[self.eval_type] if self.metrics is None else map(_plain, self.metrics))

    @field_validator("metrics")
    @classmethod
    def _known(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        kind = info.data.get("eval_type")
        if kind is None:
            return value
        for name in value or ():
            if _plain(name) in OTHERS.get(kind, ()):
                raise unavailable(f"the metric {name} is not available")
            if _plain(name) not in METRICS.get(kind, ()):
                raise ValueError(f"there is no metric {name!r} for eval_type {kind}")
        return value

    @field_validator("eval_type")
    @classmethod
    def _two_classes_or_numbers(cls, value: str) -> str:
        if value not in METRICS:
            raise unavailable(f"{value} is not available: use binary or regression")
        return value

    @field_validator("pos_label")
    @classmethod
    def _a_number(cls, value: float | str) -> float | str:
        if isinstance(value, str):
            raise unavailable("labels are numbers: write the positive one as a number")
        return value

    @field_validator("run_clustering_arbiter_metric", "unfold_multi_result")
    @classmethod
    def _not_of_many_classes(cls, value: bool, info: ValidationInfo) -> bool:
        if value:
            raise unavailable(f"{info.field_name} is not available: set it to false")
        return value


def _plain(metric: str) -> str:
    return ALIASES.get(metric.lower(), metric.lower())


EVALUATION = ComponentSpec(
    module="Evaluation",
    roles=frozenset({Role.GUEST}),
    params=EvaluationParams,
    implementation="fate_components.evaluation.component:Evaluation",
    model_outputs=1,
    deploy=False,
)
