"""Generalised linear models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from fate_federated.catalog.linear_params import LinearModelParams, LogisticParams
from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, PositiveInt
from fate_federated.catalog.spec import ModuleSpec

RevealStrategy = Annotated[Literal["respectively", "encrypted_reveal_in_host"], AnyCase()]


class HeteroSSHELRParams(LogisticParams):
    """Logistic regression without an arbiter, on shares of the weights."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad", "nesterov_momentum_sgd"], AnyCase()] = "sgd"
    use_mix_rand: bool = True
    reveal_strategy: RevealStrategy = "respectively"
    reveal_every_iter: bool = False
    """Open the weights after each iteration, which most optimizers and the penalty L1 need."""

    @model_validator(mode="after")
    def _computed_on_shares(self) -> HeteroSSHELRParams:
        _check_on_shares(self, ("sgd", "nesterov_momentum_sgd"))
        return self


class HeteroSSHELinRParams(LinearModelParams):
    """Linear regression without an arbiter, on shares of the weights."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad"], AnyCase()] = "sgd"
    max_iter: PositiveInt = 20
    use_mix_rand: bool = True
    reveal_strategy: RevealStrategy = "respectively"
    reveal_every_iter: bool = False
    """Open the weights after each iteration, which most optimizers and the penalty L1 need."""

    @model_validator(mode="after")
    def _computed_on_shares(self) -> HeteroSSHELinRParams:
        _check_on_shares(self, ("sgd",))
        return self


def _check_on_shares(params: HeteroSSHELRParams | HeteroSSHELinRParams, optimizers: tuple[str, ...]) -> None:
    if params.reveal_every_iter:
        if params.reveal_strategy == "encrypted_reveal_in_host":
            raise ValueError("with reveal_every_iter: true, the reveal_strategy is respectively")
        return
    if params.callback_param.validation_freqs is not None:
        raise ValueError("callback_param.validation_freqs needs reveal_every_iter: true")
    if params.penalty == "L1":
        raise ValueError("the penalty L1 needs reveal_every_iter: true")
    if params.optimizer not in optimizers:
        raise ValueError(f"the optimizer {params.optimizer} needs reveal_every_iter: true")


HETERO_SSHE_LR = ModuleSpec(
    module="HeteroSSHELR", roles=GUEST_HOST, needs=GUEST_HOST, params=HeteroSSHELRParams, model_outputs=1
)
HETERO_SSHE_LIN_R = ModuleSpec(
    module="HeteroSSHELinR", roles=GUEST_HOST, needs=GUEST_HOST, params=HeteroSSHELinRParams, model_outputs=1
)
