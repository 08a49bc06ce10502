"""Parameters of the generalised linear models, each a little different."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fate_federated.catalog.shared_params import (
    AnyCase,
    CallbackParams,
    Criterion,
    CrossValidationParams,
    EncryptedModeParams,
    EncryptParams,
    Frequency,
    InitParams,
    ModuleParams,
    Optimizer,
    Penalty,
    PositiveFloat,
    PositiveInt,
    PredictParams,
    SqnParams,
    StepwiseParams,
    batch_size_of_at_least_10,
)


class LinearModelParams(ModuleParams):
    """What they have in common."""

    penalty: Penalty = "L2"
    tol: float = 1e-4
    """Where early_stop says that it has converged; negative for never."""
    alpha: float = Field(1.0, ge=0)
    """Weight of the penalty."""
    optimizer: Optimizer = "rmsprop"
    batch_size: Annotated[int, AfterValidator(batch_size_of_at_least_10)] = -1
    """Rows per batch; -1 for all."""
    shuffle: bool = True
    """Form other batches in each iteration."""
    batch_strategy: Annotated[Literal["full", "random"], AnyCase()] = "full"
    masked_rate: float = Field(5, ge=0)
    """batch_strategy random: rows that hide which ones are in the batch, per row that is."""
    learning_rate: PositiveFloat = 0.01
    init_param: InitParams = Field(default_factory=InitParams)
    max_iter: PositiveInt = 100
    early_stop: Criterion = "diff"
    encrypt_param: EncryptParams = Field(default_factory=EncryptParams)
    encrypted_mode_calculator_param: EncryptedModeParams = Field(default_factory=EncryptedModeParams)
    """Of no effect: every number is encrypted anew each time."""
    predict_param: PredictParams = Field(default_factory=PredictParams)
    cv_param: CrossValidationParams = Field(default_factory=CrossValidationParams)
    stepwise_param: StepwiseParams = Field(default_factory=StepwiseParams)
    callback_param: CallbackParams = Field(default_factory=CallbackParams)
    sqn_param: SqnParams = Field(default_factory=SqnParams)
    decay: float = Field(1, ge=0)
    decay_sqrt: bool = True
    validation_freqs: Frequency = None
    early_stopping_rounds: PositiveInt | None = None
    metrics: list[str] | None = None
    """What validation_freqs computes."""
    use_first_metric_only: bool = False
    """early_stopping_rounds goes by the first of metrics alone."""
    floating_point_precision: int | None = Field(23, ge=0, le=64)
    """Bits behind the binary point of numbers that are multiplied with ciphertexts; None for as many as there are."""


class LogisticParams(LinearModelParams):
    """Of logistic regression."""

    metrics: list[str] | None = Field(default_factory=lambda: ["auc", "ks"])
    multi_class: Annotated[Literal["ovr"], AnyCase()] = "ovr"


LEGACY_LOGISTIC: dict[str, object] = {
    "optimizer": "sgd",
    "tol": 1e-5,
    "alpha": 0.01,
    "batch_size": 320,
    "init_param": {"init_method": "random_normal"},
}
"""Defaults of logistic regression in FATE up to 1.4."""

LOGISTIC_NAMES_OF_1_0 = {"eps": "tol", "converge_func": "early_stop"}
