"""Reader as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from fate_federated.catalog.shared_params import ModuleParams, ParameterGroup
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("a name has no control characters")
    return value


TableWord = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]


class TableName(ParameterGroup):
    """Names a table of the site's catalogue."""

    namespace: TableWord
    name: TableWord


class JobOutput(ParameterGroup):
    """Names what a component of another job handed on at this party."""

    job_id: Annotated[str, Field(pattern=r"^[0-9]{1,40}$")] | int = Field(union_mode="left_to_right")
    component_name: str = Field(min_length=1)
    data_name: str = Field("data", min_length=1)


def _kind(value: Any) -> str:
    """Which of the two is meant: what is wrong is said of that one alone."""
    is_output = isinstance(value, JobOutput) or (isinstance(value, dict) and "job_id" in value)
    return "by job" if is_output else "by name"


def _one_of_both(value: Any) -> Any:
    if isinstance(value, dict) and "job_id" in value and value.keys() & {"namespace", "name"}:
        raise ValueError(
            "a table is named by namespace and name, or by job_id, component_name and data_name: not by both"
        )
    return value


class ReaderParams(ModuleParams):
    """FATE's parameters."""

    table: Annotated[
        Annotated[TableName, Tag("by name")] | Annotated[JobOutput, Tag("by job")],
        Discriminator(_kind),
        BeforeValidator(_one_of_both),
    ]


READER = ComponentSpec(
    module="Reader",
    roles=frozenset({Role.GUEST, Role.HOST, Role.LOCAL}),
    params=ReaderParams,
    needs_data=False,
    implementation="fate_components.reader.component:Reader",
)
