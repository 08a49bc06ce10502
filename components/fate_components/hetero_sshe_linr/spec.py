"""HeteroSSHELinR as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_components.sshe.params import SharedWeightsParams
from fate_federated.catalog.shared_params import AnyCase, PositiveInt
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroSSHELinRParams(SharedWeightsParams):
    """FATE's parameters."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad"], AnyCase()] = "sgd"
    max_iter: PositiveInt = 20


HETERO_SSHE_LIN_R = ComponentSpec(
    module="HeteroSSHELinR",
    roles=frozenset({Role.GUEST, Role.HOST}),
    needs=frozenset({Role.GUEST, Role.HOST}),
    params=HeteroSSHELinRParams,
    implementation="fate_components.hetero_sshe_linr.component:HeteroSSHELinR",
    model_outputs=1,
)
