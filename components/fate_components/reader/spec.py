"""Reader as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainValidator

from fate_federated.catalog.shared_params import ModuleParams, ParameterGroup
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class TableName(ParameterGroup):
    """Names a table of the site's catalogue."""

    namespace: str = Field(min_length=1, max_length=128)
    name: str = Field(min_length=1, max_length=128)


class JobOutput(ParameterGroup):
    """Names what a component of another job handed on at this party."""

    job_id: str | int = Field(union_mode="left_to_right")
    component_name: str = Field(min_length=1)
    data_name: str = Field("data", min_length=1)


def _named(value: Any) -> TableName | JobOutput:
    # One of the two, not either: what is wrong is said of the one that is meant.
    if isinstance(value, JobOutput) or (isinstance(value, dict) and "job_id" in value):
        return JobOutput.model_validate(value)
    return TableName.model_validate(value)


class ReaderParams(ModuleParams):
    """FATE's parameters."""

    table: Annotated[TableName | JobOutput, PlainValidator(_named, json_schema_input_type=TableName | JobOutput)]


READER = ComponentSpec(
    module="Reader",
    roles=frozenset({Role.GUEST, Role.HOST, Role.LOCAL}),
    params=ReaderParams,
    implementation="fate_components.reader.component:Reader",
)
