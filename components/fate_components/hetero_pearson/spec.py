"""HeteroPearson as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator, model_validator

from fate_components.linear.params import KEY_LENGTHS
from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Columns, ModuleParams, Names, PositiveInt, renamed
from fate_federated.catalog.spec import ComponentSpec, unavailable


class HeteroPearsonParams(ModuleParams):
    """FATE's parameters."""

    column_names: Names = None
    """Together with column_indexes; without either all columns."""
    column_indexes: Columns | None = None
    cross_parties: bool = True
    """Whether the guest's columns are compared with each host's, the same at all parties. Otherwise nothing is sent but
    that this is so."""
    use_mix_rand: bool = False
    """How FATE draws multiplication triples, which are not needed here: it changes nothing."""
    calc_local_vif: bool = True
    """Whether each party has the variance inflation factors of its own columns."""
    fixpoint_bit_length: PositiveInt = 2048
    """Bits of the numbers that are computed with, here of the guest's Paillier key."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_7(cls, value: Any) -> Any:
        return renamed({"calc_local_vaf": "calc_local_vif"}, {})(value)

    @field_validator("fixpoint_bit_length")
    @classmethod
    def _of_a_usual_length(cls, value: int) -> int:
        if value not in KEY_LENGTHS:
            raise unavailable(f"keys have one of the lengths {', '.join(map(str, KEY_LENGTHS))}")
        return value


HETERO_PEARSON = ComponentSpec(
    module="HeteroPearson",
    roles=GUEST_HOST,
    params=HeteroPearsonParams,
    implementation="fate_components.hetero_pearson.component:HeteroPearson",
    model_outputs=1,
)
