"""Intersection as a dsl sees it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role

Settings = dict[str, JsonValue]


class IntersectionParams(ComponentParams):
    """FATE's parameters. Those that this component does not act on may only have FATE's default value."""

    intersect_method: Literal["rsa", "dh", "ecdh"] = "rsa"
    """All three run Diffie-Hellman in ristretto255, which gives the same set."""
    sync_intersect_ids: bool = True
    """Whether hosts learn which of their rows are common."""
    only_output_key: bool = False
    """Hand on the ids alone."""

    # Settings of single methods: they have no effect on ristretto255.
    rsa_params: Settings = Field(default_factory=dict)
    dh_params: Settings = Field(default_factory=dict)
    ecdh_params: Settings = Field(default_factory=dict)
    raw_params: Settings = Field(default_factory=dict)
    encode_params: Settings = Field(default_factory=dict)
    intersect_preprocess_params: Settings = Field(default_factory=dict)
    random_bit: int = Field(128, gt=0)

    join_role: Literal["guest"] = "guest"
    with_encode: Literal[False] = False
    join_method: Literal["inner_join"] = "inner_join"
    new_sample_id: Literal[False] = False
    sample_id_generator: Literal["guest"] = "guest"
    run_cache: Literal[False] = False
    cardinality_only: Literal[False] = False
    sync_cardinality: Literal[False] = False
    cardinality_method: Literal["rsa", "dh", "ecdh"] = "ecdh"
    run_preprocess: Literal[False] = False
    repeated_id_process: Literal[False] = False
    repeated_id_owner: Literal["guest"] = "guest"
    with_sample_id: Literal[False] = False
    allow_info_share: Literal[False] = False
    info_owner: Literal["guest"] = "guest"

    @field_validator("intersect_method", mode="before")
    @classmethod
    def _never_in_clear(cls, value: Any) -> Any:
        if value == "raw":
            raise ValueError("raw sends every id to the other party. Use ecdh, which finds the same rows without that")
        return value


INTERSECTION = ComponentSpec(
    module="Intersection",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=IntersectionParams,
    implementation="fate_components.intersection.component:Intersection",
    needs=frozenset({Role.GUEST, Role.HOST}),
    model_outputs=1,
)
