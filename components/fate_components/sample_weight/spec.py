"""SampleWeight as a dsl sees it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import field_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, ModuleParams
from fate_federated.catalog.spec import ComponentSpec


class SampleWeightParams(ModuleParams):
    """FATE's parameters."""

    class_weight: Annotated[Literal["balanced"], AnyCase()] | dict[str, float] | None = None
    """By label, 1 for a label that is not named; balanced gives every label the same weight in all."""
    sample_weight_name: str | None = None
    """The feature that becomes the weight; goes before class_weight."""
    normalize: bool = False
    """Divide the weights of sample_weight_name by their mean."""

    @field_validator("class_weight")
    @classmethod
    def _weights_of_labels(cls, value: str | dict[str, float] | None) -> str | dict[str, float] | None:
        for label, weight in value.items() if isinstance(value, dict) else ():
            if not 0 <= weight < math.inf:
                raise ValueError(f"the weight of {label} is {weight}; weights are at least 0")
        return value


SAMPLE_WEIGHT = ComponentSpec(
    module="SampleWeight",
    roles=GUEST_HOST,
    params=SampleWeightParams,
    implementation="fate_components.sample_weight.component:SampleWeight",
    model_outputs=1,
)
