"""Reader as a dsl sees it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role


class TableName(BaseModel):
    """Names a table of the site's catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: str = Field(min_length=1, max_length=128)
    name: str = Field(min_length=1, max_length=128)


class ReaderParams(ComponentParams):
    """FATE's parameters."""

    table: TableName


READER = ComponentSpec(
    module="Reader",
    roles=frozenset({Role.GUEST, Role.HOST, Role.LOCAL}),
    params=ReaderParams,
    implementation="fate_components.reader.component:Reader",
)
