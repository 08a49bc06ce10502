"""HeteroLR as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from fate_components.linear.params import PaillierParams, VerticalParams
from fate_federated.catalog.linear_params import LEGACY_LOGISTIC, LOGISTIC_NAMES_OF_1_0, LogisticParams
from fate_federated.catalog.shared_params import renamed
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroLRParams(VerticalParams, LogisticParams):
    """FATE's parameters."""

    encrypt_param: PaillierParams = Field(default_factory=PaillierParams)

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_0(cls, value: Any) -> Any:
        return renamed(LOGISTIC_NAMES_OF_1_0, LEGACY_LOGISTIC)(value)


HETERO_LR = ComponentSpec(
    module="HeteroLR",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    neutral_arbiter=True,
    params=HeteroLRParams,
    implementation="fate_components.hetero_lr.component:HeteroLR",
    model_outputs=1,
    legacy_defaults=LEGACY_LOGISTIC,
)
