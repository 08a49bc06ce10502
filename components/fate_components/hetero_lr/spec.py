"""HeteroLR as a dsl sees it."""

from __future__ import annotations

from pydantic import Field

from fate_components.linear.params import PaillierParams, VerticalParams
from fate_federated.catalog.linear_params import LEGACY_LOGISTIC, LOGISTIC_NAMES_OF_1_0, LogisticParams
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroLRParams(VerticalParams, LogisticParams):
    """FATE's parameters."""

    encrypt_param: PaillierParams = Field(default_factory=PaillierParams)


HETERO_LR = ComponentSpec(
    module="HeteroLR",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    neutral_arbiter=True,
    params=HeteroLRParams,
    implementation="fate_components.hetero_lr.component:HeteroLR",
    model_outputs=1,
    legacy_defaults=LEGACY_LOGISTIC,
    legacy_names=LOGISTIC_NAMES_OF_1_0,
)
