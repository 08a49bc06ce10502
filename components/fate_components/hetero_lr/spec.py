"""HeteroLR as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, field_validator, model_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role


class _Part(BaseModel):
    """One of the objects that FATE groups parameters in."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _known_penalty(value: Any) -> Any:
    """FATE writes None as null and as "None", and takes any case."""
    text = value.upper() if isinstance(value, str) else value
    return None if text == "NONE" else text


class InitParams(_Part):
    """The weights to start from."""

    init_method: Annotated[
        Literal["random_uniform", "random_normal", "ones", "zeros", "const"], BeforeValidator(_lower)
    ] = "random_uniform"
    init_const: float = 1
    """const: every weight."""
    fit_intercept: bool = True
    random_seed: StrictInt | None = None


class EncryptParams(_Part):
    """How numbers are encrypted."""

    method: Literal["Paillier", "IterativeAffine"] = "Paillier"
    """IterativeAffine, which was broken, is replaced by Paillier with a warning, as FATE does since 1.7.1."""
    key_length: Literal[1024, 2048, 3072, 4096] = 2048
    """Bits of the modulus. 1024 is honoured with a warning."""


class PredictParams(_Part):
    """How a probability becomes a class."""

    threshold: float = Field(0.5, ge=0, le=1)


class EncryptedModeParams(_Part):
    """How often FATE encrypts anew. Here every ciphertext that leaves is fresh, so that no mode is weaker."""

    mode: Literal["strict", "fast", "balance", "confusion_opt", "confusion_opt_balance"] = "strict"
    re_encrypted_rate: float = 1


class SqnParams(_Part):
    """Of the optimizer sqn, which is not available: they have no effect."""

    update_interval_L: int = 3  # noqa: N815 - as FATE writes it
    memory_M: int = 5  # noqa: N815 - as FATE writes it
    sample_size: int = 5000
    random_seed: int | None = None


class CrossValidationParams(_Part):
    """Accepted as long as it is not asked for."""

    need_cv: bool = False
    n_splits: int = 5
    mode: str = "hetero"
    role: str = "guest"
    shuffle: bool = True
    random_seed: int | None = 1
    output_fold_history: bool = True
    history_value_type: str = "score"
    evaluate_param: dict[str, Any] | None = None

    @field_validator("need_cv")
    @classmethod
    def _unused(cls, value: bool) -> bool:
        if value:
            raise ValueError("cross validation is not available: set need_cv to false")
        return value


class StepwiseParams(_Part):
    """Accepted as long as it is not asked for."""

    need_stepwise: bool = False
    score_name: str = "AIC"
    mode: str = "hetero"
    role: str = "guest"
    direction: str = "both"
    max_step: int = 10
    nvmin: int = 2
    nvmax: int | None = None

    @field_validator("need_stepwise")
    @classmethod
    def _unused(cls, value: bool) -> bool:
        if value:
            raise ValueError("stepwise selection is not available: set need_stepwise to false")
        return value


class CallbackParams(_Part):
    """Accepted as long as it names no callback."""

    callbacks: list[str] = []
    validation_freqs: int | None = None
    early_stopping_rounds: int | None = None
    metrics: list[str] | None = []
    use_first_metric_only: bool = False
    save_freq: int = 1

    @field_validator("callbacks")
    @classmethod
    def _unused(cls, value: list[str]) -> list[str]:
        if value:
            raise ValueError(f"the callback {value[0]} is not available: leave callbacks empty")
        return value


class HeteroLRParams(ComponentParams):
    """FATE's parameters. Those whose type is Literal[None] or Literal[False] may only say that they are not used."""

    penalty: Annotated[Literal["L2", "L1"] | None, BeforeValidator(_known_penalty)] = "L2"
    tol: float = Field(1e-4, ge=0)
    alpha: float = Field(1.0, ge=0)
    """Weight of the penalty, which each party puts on its own weights but not on the intercept."""
    optimizer: Annotated[
        Literal["sgd", "rmsprop", "adam", "adagrad", "nesterov_momentum_sgd"], BeforeValidator(_lower)
    ] = "rmsprop"
    batch_size: StrictInt = -1
    """Rows per batch; -1 for all."""
    shuffle: bool = True
    """Form other batches in each iteration."""
    batch_strategy: Literal["full"] = "full"
    masked_rate: float = 5
    """Of batch_strategy random, which is not available: it has no effect."""
    learning_rate: float = Field(0.01, gt=0)
    init_param: InitParams = InitParams()
    max_iter: int = Field(100, ge=1)
    early_stop: Annotated[Literal["diff", "weight_diff", "abs"], BeforeValidator(_lower)] = "diff"
    encrypt_param: EncryptParams = EncryptParams()
    encrypted_mode_calculator_param: EncryptedModeParams = EncryptedModeParams()
    predict_param: PredictParams = PredictParams()
    cv_param: CrossValidationParams = CrossValidationParams()
    stepwise_param: StepwiseParams = StepwiseParams()
    callback_param: CallbackParams = CallbackParams()
    sqn_param: SqnParams = SqnParams()
    decay: float = Field(1, ge=0)
    decay_sqrt: bool = True
    multi_class: Literal["ovr"] = "ovr"
    validation_freqs: Literal[None] = None
    early_stopping_rounds: Literal[None] = None
    metrics: list[str] | None = Field(["auc", "ks"])
    """What validation_freqs would compute: no effect."""
    use_first_metric_only: bool = False
    """How early_stopping_rounds would use metrics: no effect."""
    floating_point_precision: int | None = Field(23, ge=1, le=52)
    """Bits behind the binary point of features that are multiplied with ciphertexts; None for 40."""
    need_run: bool = True

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_0(cls, value: Any) -> Any:
        """FATE 1.0 called two of them otherwise; a conf that uses those names means them."""
        old = {"eps": "tol", "converge_func": "early_stop"}
        if not isinstance(value, dict) or old.keys().isdisjoint(value):
            return value
        renamed = {old[name]: value[name] for name in old if name in value}
        return {name: value[name] for name in value if name not in old} | renamed

    @field_validator("batch_size")
    @classmethod
    def _large_enough(cls, value: int) -> int:
        if value != -1 and value < 10:
            raise ValueError("batch_size is -1, for all rows, or at least 10: fewer rows hide too little")
        return value


HETERO_LR = ComponentSpec(
    module="HeteroLR",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    params=HeteroLRParams,
    implementation="fate_components.hetero_lr.component:HeteroLR",
    model_outputs=1,
    legacy_defaults={
        "optimizer": "sgd",
        "tol": 1e-5,
        "alpha": 0.01,
        "batch_size": 320,
        "init_param": {"init_method": "random_normal"},
    },
)
