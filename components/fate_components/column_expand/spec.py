"""ColumnExpand as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import field_validator, model_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, ModuleParams, Scalar
from fate_federated.catalog.spec import ComponentSpec


class ColumnExpandParams(ModuleParams):
    """FATE's parameters."""

    append_header: str | list[str] | None = None
    method: Annotated[Literal["manual"], AnyCase()] = "manual"
    fill_value: Scalar | list[Scalar] = 1e-8
    """One value for all of the columns, or one for each."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the further columns."""
        return (self.append_header,) if isinstance(self.append_header, str) else tuple(self.append_header or ())

    @property
    def fills(self) -> tuple[Scalar, ...]:
        """As many as there are names, or one."""
        return tuple(self.fill_value) if isinstance(self.fill_value, list) else (self.fill_value,)

    @field_validator("append_header")
    @classmethod
    def _each_once(cls, value: Any) -> Any:
        if isinstance(value, list) and len(set(value)) < len(value):
            raise ValueError("a column is named twice")
        return value

    @model_validator(mode="after")
    def _a_value_for_each(self) -> ColumnExpandParams:
        if len(self.fills) not in (1, len(self.names)):
            raise ValueError(
                f"fill_value lists {len(self.fills)} values for {len(self.names)} columns of append_header"
            )
        return self


COLUMN_EXPAND = ComponentSpec(
    module="ColumnExpand",
    roles=GUEST_HOST,
    params=ColumnExpandParams,
    implementation="fate_components.column_expand.component:ColumnExpand",
    model_outputs=1,
    legacy_defaults={"append_header": [], "fill_value": 1e-6},
)
