"""Gradient boosted trees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fate_federated.catalog.shared_params import (
    AnyCase,
    AtLeast2,
    CallbackParams,
    CrossValidationParams,
    Fraction,
    Frequency,
    ModuleParams,
    ObjectiveParams,
    PositiveFloat,
    PositiveInt,
    PredictParams,
    TaskType,
    TreeParams,
)

Strategy = Annotated[Literal["std", "mix", "layered"], AnyCase()]


class BoostingParams(ModuleParams):
    """What boosting takes in either federation."""

    tree_param: TreeParams = Field(default_factory=TreeParams)
    task_type: TaskType = "classification"
    objective_param: ObjectiveParams = Field(default_factory=ObjectiveParams)
    learning_rate: PositiveFloat = 0.3
    num_trees: PositiveInt = 5
    subsample_feature_rate: Fraction = 1.0
    n_iter_no_change: bool = True
    """Stop when the loss changes by less than tol."""
    tol: float = 1e-4
    """Of n_iter_no_change; negative for never."""
    bin_num: AtLeast2 = 32
    predict_param: PredictParams = Field(default_factory=PredictParams)
    cv_param: CrossValidationParams = Field(default_factory=CrossValidationParams)
    validation_freqs: Frequency = None
    early_stopping_rounds: PositiveInt | None = None
    metrics: list[str] | None = None
    use_first_metric_only: bool = False
    use_missing: bool = False
    zero_as_missing: bool = False
    random_seed: int | None = 100
    binning_error: Fraction = 1e-4
    """Of no effect: borders of bins are exact quantiles, in homo models exact to 20 bits."""
    multi_mode: Annotated[Literal["single_output", "multi_output"], AnyCase()] = "single_output"
    """Several classes: a tree for each in every round, or one tree with a vector in its leaves."""
    callback_param: CallbackParams = Field(default_factory=CallbackParams)

    @model_validator(mode="after")
    def _objective_of_the_task(self) -> BoostingParams:
        objective = self.objective_param.objective
        if objective is not None and (objective == "cross_entropy") != (self.task_type == "classification"):
            raise ValueError(f"{objective} is no objective_param.objective for task_type {self.task_type}")
        return self
