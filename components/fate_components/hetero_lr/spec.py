"""HeteroLR as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from fate_federated.catalog.linear_params import LEGACY_LOGISTIC, LOGISTIC_NAMES_OF_1_0, LogisticParams
from fate_federated.catalog.shared_params import (
    CallbackParams,
    CrossValidationParams,
    EncryptParams,
    Frequency,
    InitParams,
    StepwiseParams,
    renamed,
)
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

__all__ = ["HETERO_LR", "HeteroLRParams", "InitParams"]

KEY_LENGTHS = (1024, 2048, 3072, 4096)


class PaillierParams(EncryptParams):
    """Paillier. IterativeAffine is replaced by it with a warning, 1024 bits are honoured with one."""

    @field_validator("method")
    @classmethod
    def _paillier(cls, value: str | None) -> str | None:
        if value not in ("Paillier", "IterativeAffine"):
            raise unavailable(f"{value} is not available: use Paillier")
        return value

    @field_validator("key_length")
    @classmethod
    def _of_a_usual_length(cls, value: int) -> int:
        if value not in KEY_LENGTHS:
            raise unavailable(f"keys have one of the lengths {', '.join(map(str, KEY_LENGTHS))}")
        return value


class NoCrossValidation(CrossValidationParams):
    """Accepted as long as it is not asked for."""

    @field_validator("need_cv")
    @classmethod
    def _unused(cls, value: bool) -> bool:
        if value:
            raise unavailable("cross validation is not available: set need_cv to false")
        return value


class NoStepwise(StepwiseParams):
    """Accepted as long as it is not asked for."""

    @field_validator("need_stepwise")
    @classmethod
    def _unused(cls, value: bool) -> bool:
        if value:
            raise unavailable("stepwise selection is not available: set need_stepwise to false")
        return value


class NoCallbacks(CallbackParams):
    """Accepted as long as it names no callback."""

    @field_validator("callbacks")
    @classmethod
    def _unused(cls, value: list[str]) -> list[str]:
        if value:
            raise unavailable(f"the callback {value[0]} is not available: leave callbacks empty")
        return value


class HeteroLRParams(LogisticParams):
    """FATE's parameters."""

    encrypt_param: PaillierParams = Field(default_factory=PaillierParams)
    cv_param: NoCrossValidation = Field(default_factory=NoCrossValidation)
    stepwise_param: NoStepwise = Field(default_factory=NoStepwise)
    callback_param: NoCallbacks = Field(default_factory=NoCallbacks)

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_0(cls, value: Any) -> Any:
        return renamed(LOGISTIC_NAMES_OF_1_0, LEGACY_LOGISTIC)(value)

    @field_validator("optimizer")
    @classmethod
    def _of_first_order(cls, value: str) -> str:
        if value == "sqn":
            raise unavailable("sqn is not available: use another optimizer")
        return value

    @field_validator("batch_strategy")
    @classmethod
    def _whole_batches(cls, value: str) -> str:
        if value == "random":
            raise unavailable("random is not available: use full")
        return value

    @field_validator("validation_freqs", "early_stopping_rounds")
    @classmethod
    def _no_validation(cls, value: Frequency, info: ValidationInfo) -> Frequency:
        if value is not None:
            raise unavailable(f"validation while training is not available: set {info.field_name} to null")
        return value

    @field_validator("floating_point_precision")
    @classmethod
    def _as_a_float_has_it(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= 52:
            raise unavailable("a number has 1 to 52 bits behind the point")
        return value


HETERO_LR = ComponentSpec(
    module="HeteroLR",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    params=HeteroLRParams,
    implementation="fate_components.hetero_lr.component:HeteroLR",
    model_outputs=1,
    legacy_defaults=LEGACY_LOGISTIC,
)
