"""HeteroSSHELR as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_components.sshe.params import SharedWeightsParams
from fate_federated.catalog.linear_params import LogisticParams
from fate_federated.catalog.shared_params import AnyCase
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroSSHELRParams(SharedWeightsParams, LogisticParams):
    """FATE's parameters."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad", "nesterov_momentum_sgd"], AnyCase()] = "sgd"


HETERO_SSHE_LR = ComponentSpec(
    module="HeteroSSHELR",
    roles=frozenset({Role.GUEST, Role.HOST}),
    needs=frozenset({Role.GUEST, Role.HOST}),
    params=HeteroSSHELRParams,
    implementation="fate_components.hetero_sshe_lr.component:HeteroSSHELR",
    model_outputs=1,
)
