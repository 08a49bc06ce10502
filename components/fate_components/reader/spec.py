"""Reader as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from fate_federated.catalog.shared_params import ModuleParams, ParameterGroup
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role


class TableName(ParameterGroup):
    """Names a table of the site's catalogue."""

    namespace: str = Field(min_length=1, max_length=128)
    name: str = Field(min_length=1, max_length=128)


class ReaderParams(ModuleParams):
    """FATE's parameters."""

    table: TableName

    @field_validator("table", mode="before")
    @classmethod
    def _of_the_catalogue(cls, value: Any) -> Any:
        if isinstance(value, dict) and {"job_id", "component_name", "data_name"} <= value.keys():
            raise unavailable("the output of another job cannot be read: name a table by its namespace and name")
        return value


READER = ComponentSpec(
    module="Reader",
    roles=frozenset({Role.GUEST, Role.HOST, Role.LOCAL}),
    params=ReaderParams,
    implementation="fate_components.reader.component:Reader",
)
