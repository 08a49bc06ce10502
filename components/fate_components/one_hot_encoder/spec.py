"""OneHotEncoder as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Columns, ModuleParams, Names, renamed
from fate_federated.catalog.spec import ComponentSpec


class OneHotEncoderParams(ModuleParams):
    """FATE's parameters."""

    transform_col_indexes: Columns | None = -1
    """Positions of columns among the features; -1 for all."""
    transform_col_names: Names = None
    """Further columns, by name."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_1(cls, value: Any) -> Any:
        return renamed({"cols": "transform_col_indexes"}, {})(value)


ONE_HOT_ENCODER = ComponentSpec(
    module="OneHotEncoder",
    roles=GUEST_HOST,
    params=OneHotEncoderParams,
    implementation="fate_components.one_hot_encoder.component:OneHotEncoder",
    model_outputs=1,
)
