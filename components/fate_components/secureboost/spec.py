"""HeteroSecureBoost and HeteroFastSecureBoost as a dsl sees them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from fate_components.linear.params import PaillierParams
from fate_federated.catalog.modules.boosting import BoostingParams, Strategy
from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Count, EncryptedModeParams, Fraction, Frequency, PositiveInt
from fate_federated.catalog.spec import ComponentSpec, unavailable


class BoostingPaillierParams(PaillierParams):
    """Keys of any even length."""

    @field_validator("key_length")
    @classmethod
    def _of_a_usual_length(cls, value: int) -> int:
        if not 1024 <= value <= 4096 or value % 2:
            raise unavailable("keys have 1024 to 4096 bits")
        return value


class TreeTrainingParams(BoostingParams):
    """What is honoured of boosting in either federation: FATE has some parameters in two places."""

    @property
    def knows_missing(self) -> bool:
        """Whether missing values are permitted: FATE has it in two places."""
        return self.use_missing or self.tree_param.use_missing

    @property
    def zero_is_missing(self) -> bool:
        """Whether 0 counts as missing."""
        return self.knows_missing and (self.zero_as_missing or self.tree_param.zero_as_missing)

    @property
    def penalties(self) -> tuple[float, float]:
        """Weights of the L2 and L1 penalties on the leaves."""
        given = self.tree_param.criterion_params
        if isinstance(given, dict):
            return given.get("l2", 0.1), given.get("l1", 0.0)
        return (given[0] if given else 0.1), (given[1] if len(given) > 1 else 0.0)

    @property
    def validated(self) -> Frequency:
        """After which rounds validation data are scored: FATE has it in two places."""
        of_callback = self.callback_param.validation_freqs if self.callback_param.callbacks else None
        given = self.validation_freqs if of_callback is None else of_callback
        return 1 if given is None and self.patience is not None else given

    @property
    def patience(self) -> PositiveInt | None:
        """Validations without an improvement after which the training stops."""
        of_callback = (
            self.callback_param.early_stopping_rounds if "EarlyStopping" in self.callback_param.callbacks else None
        )
        return self.early_stopping_rounds if of_callback is None else of_callback

    @property
    def scored_by(self) -> list[str]:
        """The metrics of a validation, in order; empty for those that the kind of label has by default."""
        of_callback = self.callback_param.metrics if self.callback_param.callbacks else None
        return list(of_callback or self.metrics or ())

    def keeps(self, number: int) -> bool:
        """Whether the trees up to a round are a checkpoint, which outlives a training that fails."""
        callbacks = self.callback_param
        return "ModelCheckpoint" in callbacks.callbacks and (number + 1) % callbacks.save_freq == 0

    @property
    def first_metric_only(self) -> bool:
        """Whether stopping goes by the first of the metrics alone."""
        of_callback = bool(self.callback_param.callbacks) and self.callback_param.use_first_metric_only
        return self.use_first_metric_only or of_callback


class HeteroSecureBoostParams(TreeTrainingParams):
    """SecureBoost: the guest's gradients encrypted at the hosts."""

    encrypt_param: BoostingPaillierParams = Field(default_factory=BoostingPaillierParams)
    encrypted_mode_calculator_param: EncryptedModeParams = Field(default_factory=EncryptedModeParams)
    """Of no effect: every number is encrypted anew in each mode."""
    complete_secure: Count | bool = 0
    """So many first trees have features of the guest alone."""
    sparse_optimization: bool = False
    """Of no effect: bins without rows cost nothing in either case."""
    run_goss: bool = False
    """Keep the rows with the largest gradients and a sample of the others."""
    top_rate: Fraction = 0.2
    other_rate: Fraction = 0.1
    cipher_compress: bool = True
    """Several numbers in one ciphertext."""
    cipher_compress_error: Annotated[int, Field(ge=0, le=15)] | None = None
    """Decimals of the largest gradient that are kept; None for seven."""
    new_ver: bool = True
    """Of no effect: FATE's choice between two implementations of the same trees."""
    boosting_strategy: Strategy = "std"
    work_mode: Strategy | None = None
    """Older name of boosting_strategy."""
    tree_num_per_party: PositiveInt = 1
    guest_depth: PositiveInt = 2
    host_depth: PositiveInt = 3
    EINI_inference: bool = False
    """Predict without telling the guest which way rows go at hosts."""
    EINI_random_mask: bool = False
    """Multiply such predictions' scores by one positive number that the guest does not know."""
    EINI_complexity_check: bool = False
    """Refuse such predictions of models that are too simple to hide the way."""

    @model_validator(mode="after")
    def _some_rows_left_out(self) -> HeteroSecureBoostParams:
        if self.top_rate + self.other_rate >= 1:
            raise ValueError("top_rate and other_rate add up to less than 1")
        if self.run_goss and not self.top_rate + self.other_rate:
            raise ValueError("run_goss keeps no row where top_rate and other_rate are both 0")
        return self

    @property
    def strategy(self) -> str:
        """std, mix or layered: FATE has it in two places."""
        return self.work_mode or self.boosting_strategy

    @property
    def precision(self) -> int | None:
        """Bits of the largest gradient that are kept; None for the usual."""
        return None if self.cipher_compress_error is None else -(-self.cipher_compress_error * 10 // 3) or 1


class HeteroFastSecureBoostParams(HeteroSecureBoostParams):
    """SecureBoost whose trees or layers belong to one party each."""

    boosting_strategy: Strategy = "mix"


HETERO_SECURE_BOOST = ComponentSpec(
    module="HeteroSecureBoost",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=HeteroSecureBoostParams,
    implementation="fate_components.secureboost.component:HeteroSecureBoost",
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
HETERO_FAST_SECURE_BOOST = ComponentSpec(
    module="HeteroFastSecureBoost",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=HeteroFastSecureBoostParams,
    implementation="fate_components.secureboost.component:HeteroFastSecureBoost",
    model_outputs=1,
)
