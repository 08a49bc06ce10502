"""HomoLR as a dsl sees it."""

from __future__ import annotations

from pydantic import Field, field_validator

from fate_components.linear.params import TrainingParams
from fate_federated.catalog.linear_params import LEGACY_LOGISTIC, LOGISTIC_NAMES_OF_1_0, LogisticParams
from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import Count, EncryptParams, PositiveInt, StepwiseParams
from fate_federated.catalog.spec import ComponentSpec, unavailable

ALIKE = (
    "penalty", "alpha", "optimizer", "learning_rate", "decay", "decay_sqrt", "max_iter", "aggregate_iters",
    "use_proximal", "mu", "sqn_param.update_interval_L", "sqn_param.memory_M", "init_param.fit_intercept",
    "cv_param.need_cv", "cv_param.n_splits", "early_stopping_rounds", "callback_param.callbacks",
    "callback_param.early_stopping_rounds",
)  # fmt: skip
"""Parameters that have to be the same at all parties."""


class HomoLRParams(TrainingParams, LogisticParams):
    """Logistic regression over rows of several parties."""

    encrypt_param: EncryptParams = Field(default_factory=EncryptParams)
    """Of FATE up to 1.8, where it kept the model from hosts. Since 1.9, and here, all parties know the model."""
    aggregate_iters: PositiveInt = 1
    """Iterations between two aggregations."""
    re_encrypt_batches: Count = 2
    """Of FATE up to 1.8; without encryption there is nothing to do anew."""
    use_proximal: bool = False
    """FedProx: keep each party's weights near the common ones between two aggregations."""
    mu: float = Field(0.1, ge=0)
    """FedProx: weight of the proximal term."""

    @field_validator("stepwise_param")
    @classmethod
    def _without_steps(cls, value: StepwiseParams) -> StepwiseParams:
        if value.need_stepwise:
            raise unavailable("a stepwise choice of features is not available for HomoLR")
        return value

    @property
    def rounds(self) -> int:
        """Aggregations of gradients or weights at most."""
        return -(-self.max_iter // self.aggregate_iters)


HOMO_LR = ComponentSpec(
    module="HomoLR",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoLRParams,
    implementation="fate_components.homo_lr.component:HomoLR",
    model_outputs=1,
    legacy_defaults=LEGACY_LOGISTIC,
    legacy_names=LOGISTIC_NAMES_OF_1_0,
)
