"""Neural networks, and factorisation, of which only the names are known."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import (
    AnyCase,
    AnyParams,
    CallbackParams,
    CrossValidationParams,
    EncryptedModeParams,
    EncryptParams,
    Fraction,
    Frequency,
    ModuleParams,
    ParameterGroup,
    PositiveInt,
    PredictParams,
    TaskType,
    renamed,
)
from fate_federated.catalog.spec import ModuleSpec

Layers = dict[str, Any] | list[Any] | None
"""A network: Keras' JSON, a list of layers, or layers of PyTorch by position."""
Named = str | dict[str, JsonValue]
"""An optimizer, loss or stopping rule by its name, or with settings of its own."""


class TrainerParams(ParameterGroup):
    """The training loop, by the name of its class's module."""

    trainer_name: str | None = "fedavg_trainer"
    param: dict[str, Any] | None = Field(default_factory=dict)


class DatasetParams(ParameterGroup):
    """What makes samples of rows, by the name of its class's module."""

    dataset_name: str | None = None
    param: dict[str, Any] | None = Field(default_factory=dict)


class HomoNNParams(ModuleParams):
    """A network that several parties train on their own rows: with a trainer since FATE 1.10, in Keras before."""

    trainer: TrainerParams = Field(default_factory=TrainerParams)
    dataset: DatasetParams = Field(default_factory=DatasetParams)
    torch_seed: int = 100
    nn_define: Layers = None
    loss: Named | None = None
    optimizer: Named | None = None
    ds_config: dict[str, Any] | None = None
    """DeepSpeed's configuration."""
    server_init: bool = False

    api_version: int = 0
    secure_aggregate: bool = True
    aggregate_every_n_epoch: PositiveInt = 1
    config_type: Annotated[Literal["nn", "keras", "pytorch"], AnyCase()] = "nn"
    metrics: str | list[str] | None = None
    max_iter: PositiveInt = 100
    batch_size: int = -1
    early_stop: Named = "diff"
    encode_label: bool = False
    predict_param: PredictParams = Field(default_factory=PredictParams)
    cv_param: CrossValidationParams = Field(default_factory=CrossValidationParams)
    callback_param: CallbackParams = Field(default_factory=CallbackParams)


class SelectorParams(ParameterGroup):
    """Rows that are worth their way back through the network."""

    method: Annotated[Literal["relative"] | None, AnyCase()] = None
    beta: float = 1
    selective_size: PositiveInt = 1024
    min_prob: float = 0
    random_state: int | None = None


class CoaeParams(ParameterGroup):
    """Confusional autoencoder against inference of labels."""

    enable: bool = False
    epoch: PositiveInt = 50
    lr: float = 1e-3
    lambda1: float = 1.0
    lambda2: float = 2.0


_LEGACY_HETERO_NN: dict[str, object] = {
    "config_type": "keras",
    "encrypted_mode_calculator_param": {"mode": "confusion_opt"},
}


class HeteroNNParams(ModuleParams):
    """A network cut between the parties: in PyTorch since FATE 1.10, in Keras before."""

    task_type: TaskType = "classification"
    bottom_nn_define: Layers = None
    top_nn_define: Layers = None
    interactive_layer_define: Layers = None
    interactive_layer_lr: float = 0.9
    config_type: Annotated[Literal["pytorch", "keras"], AnyCase()] = "pytorch"
    optimizer: Named | None = "SGD"
    loss: Named | None = None
    epochs: PositiveInt = 100
    batch_size: int = -1
    early_stop: Named = "diff"
    tol: float = 1e-5
    seed: int = 100
    encrypt_param: EncryptParams = Field(default_factory=EncryptParams)
    encrypted_mode_calculator_param: EncryptedModeParams = Field(default_factory=EncryptedModeParams)
    predict_param: PredictParams = Field(default_factory=PredictParams)
    cv_param: CrossValidationParams = Field(default_factory=CrossValidationParams)
    validation_freqs: Frequency = None
    early_stopping_rounds: PositiveInt | None = None
    metrics: str | list[str] | None = None
    use_first_metric_only: bool = True
    selector_param: SelectorParams = Field(default_factory=SelectorParams)
    floating_point_precision: int | None = Field(23, ge=0, le=63)
    drop_out_keep_rate: Fraction = 1.0
    """Of FATE before 1.10."""
    callback_param: CallbackParams = Field(default_factory=CallbackParams)
    coae_param: CoaeParams = Field(default_factory=CoaeParams)
    dataset: DatasetParams = Field(default_factory=DatasetParams)

    @model_validator(mode="before")
    @classmethod
    def _as_fate_misspells_it(cls, value: Any) -> Any:
        names = {"encrypted_model_calculator_param": "encrypted_mode_calculator_param"}
        return renamed(names, _LEGACY_HETERO_NN)(value)


def _adam() -> dict[str, JsonValue]:
    return {"optimizer": "Adam", "learning_rate": 0.01}


class FTLParams(ModuleParams):
    """Transfer learning between parties with few rows in common."""

    alpha: float = 1
    tol: float = 1e-6
    n_iter_no_change: bool = False
    validation_freqs: Frequency = None
    optimizer: Named = Field(default_factory=_adam)
    nn_define: Layers = Field(default_factory=dict)
    epochs: PositiveInt = 1
    intersect_param: dict[str, JsonValue] = Field(default_factory=dict)
    """As Intersection's."""
    config_type: Annotated[Literal["keras", "nn", "pytorch"], AnyCase()] = "keras"
    batch_size: int = -1
    encrypte_param: EncryptParams = Field(default_factory=EncryptParams)
    """Spelt so; encrypt_param is taken too."""
    encrypted_mode_calculator_param: EncryptedModeParams = Field(
        default_factory=lambda: EncryptedModeParams(mode="confusion_opt")
    )
    predict_param: PredictParams = Field(default_factory=PredictParams)
    mode: Annotated[Literal["plain", "encrypted"], AnyCase()] = "plain"
    communication_efficient: bool = False
    local_round: PositiveInt = 5
    callback_param: CallbackParams = Field(default_factory=CallbackParams)

    @model_validator(mode="before")
    @classmethod
    def _as_it_ought_to_be_spelt(cls, value: Any) -> Any:
        return renamed({"encrypt_param": "encrypte_param"}, {})(value)


HOMO_NN = ModuleSpec(
    module="HomoNN", roles=GUEST_HOST_ARBITER, needs=GUEST_ARBITER, params=HomoNNParams, model_outputs=1
)
HETERO_NN = ModuleSpec(
    module="HeteroNN",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=HeteroNNParams,
    model_outputs=1,
    legacy_defaults=_LEGACY_HETERO_NN,
)
FTL = ModuleSpec(module="FTL", roles=GUEST_HOST, needs=GUEST_HOST, params=FTLParams, model_outputs=1)
HETERO_FTL = ModuleSpec(module="HeteroFTL", roles=GUEST_HOST, needs=GUEST_HOST, params=FTLParams, model_outputs=1)


def _unknown(module: str) -> ModuleSpec:
    return ModuleSpec(module=module, roles=GUEST_HOST_ARBITER, params=AnyParams, model_outputs=1)


CUST_NN = _unknown("CustNN")
HOMO_NN_EXPERIMENT = _unknown("HomoNNExperiment")
HETERO_FM = _unknown("HeteroFM")
HOMO_FM = _unknown("HomoFM")
HETERO_MF = _unknown("HeteroMF")
HETERO_GMF = _unknown("HeteroGMF")
HETERO_SVD = _unknown("HeteroSVD")
HETERO_SVD_PP = _unknown("HeteroSVDpp")
