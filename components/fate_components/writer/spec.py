"""Writer and Download as a dsl sees them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from fate_federated.catalog.shared_params import ModuleParams
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

NAMES = 128
"""Characters of a namespace or a name."""


def _not_by_name(value: Any) -> Any:
    if value:
        raise unavailable("a table named here is not supported: read it with a Reader, and wire that to this component")
    return value


class WriterParams(ModuleParams):
    """FATE's parameters. What is written is the component's input."""

    output_namespace: str | None = Field(None, min_length=1, max_length=NAMES)
    """The job's id if not given."""
    output_name: str | None = Field(None, min_length=1, max_length=NAMES)
    """The component's name if not given."""
    namespace: str | None = None
    name: str | None = None
    storage_engine: str | None = None
    address: dict[str, JsonValue] | None = None

    @field_validator("namespace", "name")
    @classmethod
    def _wired(cls, value: str | None) -> str | None:
        named: str | None = _not_by_name(value)
        return named

    @field_validator("storage_engine", "address")
    @classmethod
    def _the_site_s_storage(cls, value: Any) -> Any:
        if value:
            raise unavailable("another storage is not supported: tables are kept in the storage of the site")
        return value


class DownloadParams(ModuleParams):
    """FATE's parameters. What is written is the component's input."""

    output_path: str = ""
    """Path of the CSV file in the job's folder for downloads, in the storage of the site; by default the component's
    name."""
    delimiter: str = Field(",", min_length=1, max_length=1)
    delimitor: str = Field(",", min_length=1, max_length=1)
    """Another name of delimiter, which counts where that is not written."""
    namespace: str = ""
    name: str = ""
    table_name: str = ""
    work_mode: Literal[0, 1] | None = None
    """Of FATE up to 1.4; means nothing here."""

    @field_validator("output_path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value and any(set(segment) <= {"."} for segment in value.split("/")):
            raise ValueError("output_path is a relative path, such as results/scores.csv")
        return value

    @field_validator("namespace", "name", "table_name")
    @classmethod
    def _wired(cls, value: str) -> str:
        named: str = _not_by_name(value)
        return named

    @property
    def separator(self) -> str:
        """Between columns, whichever of the two names the conf uses."""
        return self.delimiter if "delimiter" in self.model_fields_set else self.delimitor


ROLES = frozenset({Role.GUEST, Role.HOST, Role.LOCAL})

WRITER = ComponentSpec(
    module="Writer", roles=ROLES, params=WriterParams, implementation="fate_components.writer.component:Writer"
)
DOWNLOAD = ComponentSpec(
    module="Download",
    roles=ROLES,
    params=DownloadParams,
    needs_data=False,
    implementation="fate_components.writer.component:Download",
)
