"""What HeteroSSHELR and HeteroSSHELinR have in common as a dsl sees them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import field_validator, model_validator

from fate_components.linear.params import VerticalParams
from fate_federated.catalog.shared_params import AnyCase, StepwiseParams
from fate_federated.catalog.spec import unavailable

_ON_SHARES = ("sgd", "nesterov_momentum_sgd")


class SharedWeightsParams(VerticalParams):
    """FATE's parameters of a model that is trained on shares."""

    use_mix_rand: bool = True
    """FATE's way to draw random numbers faster. All are drawn afresh here, so that it changes nothing."""
    reveal_strategy: Annotated[Literal["respectively", "encrypted_reveal_in_host"], AnyCase()] = "respectively"
    """Who knows a host's weights in the end: the host, or nobody, and it keeps them encrypted."""
    reveal_every_iter: bool = False
    """Open the weights after each iteration, which most optimizers and the penalty L1 need."""

    @field_validator("stepwise_param")
    @classmethod
    def _no_choice_of_features(cls, value: StepwiseParams) -> StepwiseParams:
        if value.need_stepwise:
            raise unavailable("features are not chosen on shares: use HeteroLR or HeteroLinR, or leave stepwise out")
        return value

    @model_validator(mode="after")
    def _computed_on_shares(self) -> Self:
        if self.reveal_every_iter:
            if self.conceals:
                raise ValueError("with reveal_every_iter: true, the reveal_strategy is respectively")
            return self
        if self.validated is not None:
            raise ValueError("validation while training, and EarlyStopping, need reveal_every_iter: true")
        if self.penalty == "L1":
            raise ValueError("the penalty L1 needs reveal_every_iter: true")
        if self.optimizer not in _ON_SHARES:
            raise ValueError(f"the optimizer {self.optimizer} needs reveal_every_iter: true")
        if self.conceals and self.checkpoints is not None:
            raise unavailable("weights that a host is not to know cannot be its checkpoints: leave ModelCheckpoint out")
        return self

    @property
    def conceals(self) -> bool:
        """Whether a host's weights stay encrypted."""
        return self.reveal_strategy == "encrypted_reveal_in_host"
