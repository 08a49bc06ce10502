"""Gradient boosted trees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import (
    AnyCase,
    AtLeast2,
    CallbackParams,
    Count,
    CrossValidationParams,
    EncryptedModeParams,
    EncryptParams,
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
from fate_federated.catalog.spec import ModuleSpec

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
    multi_mode: Annotated[Literal["single_output", "multi_output"], AnyCase()] = "single_output"
    """Several classes: a tree for each in every round, or one tree with a vector in its leaves."""
    callback_param: CallbackParams = Field(default_factory=CallbackParams)

    @model_validator(mode="after")
    def _objective_of_the_task(self) -> BoostingParams:
        objective = self.objective_param.objective
        if objective is not None and (objective == "cross_entropy") != (self.task_type == "classification"):
            raise ValueError(f"{objective} is no objective_param.objective for task_type {self.task_type}")
        return self


class HeteroSecureBoostParams(BoostingParams):
    """SecureBoost: the guest's gradients encrypted at the hosts."""

    encrypt_param: EncryptParams = Field(default_factory=EncryptParams)
    encrypted_mode_calculator_param: EncryptedModeParams = Field(default_factory=EncryptedModeParams)
    complete_secure: Count | bool = 0
    """So many first trees have features of the guest alone."""
    sparse_optimization: bool = False
    run_goss: bool = False
    """Keep the rows with the largest gradients and a sample of the others."""
    top_rate: Fraction = 0.2
    other_rate: Fraction = 0.1
    cipher_compress: bool = True
    """Several numbers in one ciphertext."""
    cipher_compress_error: Annotated[int, Field(ge=0, le=15)] | None = None
    new_ver: bool = True
    boosting_strategy: Strategy = "std"
    work_mode: Strategy | None = None
    """Older name of boosting_strategy."""
    tree_num_per_party: PositiveInt = 1
    guest_depth: PositiveInt = 2
    host_depth: PositiveInt = 3
    EINI_inference: bool = False
    EINI_random_mask: bool = False
    EINI_complexity_check: bool = False

    @model_validator(mode="after")
    def _some_rows_left_out(self) -> HeteroSecureBoostParams:
        if self.top_rate + self.other_rate >= 1:
            raise ValueError("top_rate and other_rate add up to less than 1")
        return self


class HeteroFastSecureBoostParams(HeteroSecureBoostParams):
    """SecureBoost whose trees or layers belong to one party each."""

    boosting_strategy: Strategy = "mix"


class HomoSecureBoostParams(BoostingParams):
    """Boosted trees over rows of several parties."""

    backend: Annotated[Literal["distributed", "memory"], AnyCase()] = "distributed"


HETERO_SECURE_BOOST = ModuleSpec(
    module="HeteroSecureBoost",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=HeteroSecureBoostParams,
    model_outputs=1,
    legacy_defaults={
        "objective_param": {"params": [1.5]},
        "learning_rate": 0.1,
        "num_trees": 2,
        "n_iter_no_change": False,
        "bin_num": 50,
        "tree_param": {"max_depth": 5, "criterion_params": [0.1], "max_split_nodes": 1024},
    },
)
HETERO_FAST_SECURE_BOOST = ModuleSpec(
    module="HeteroFastSecureBoost",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=HeteroFastSecureBoostParams,
    model_outputs=1,
)
HOMO_SECURE_BOOST = ModuleSpec(
    module="HomoSecureBoost",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoSecureBoostParams,
    model_outputs=1,
)
HOMO_SECUREBOOST = ModuleSpec(
    module="HomoSecureboost",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoSecureBoostParams,
    model_outputs=1,
)
"""Its name up to 1.6, still taken in 1.11."""
