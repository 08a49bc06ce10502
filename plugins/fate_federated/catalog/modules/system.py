"""Modules that bring data and models into a job and out of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from fate_federated.catalog.modules.roles import ALL, GUEST_HOST
from fate_federated.catalog.shared_params import AnyParams, ModuleParams, PositiveInt
from fate_federated.catalog.spec import ModuleSpec
from fate_federated.party import Role

Id = str | int
"""Of a job: text of digits, or the number."""
Flag = bool | Literal[0, 1]


class ApiReaderParams(ModuleParams):
    """A table from a service."""

    server_name: str | None = None
    parameters: dict[str, JsonValue] | None = None
    id_delimiter: str = ","
    head: Flag = True
    extend_sid: Flag = False
    timeout: float = 720


class UploadParams(ModuleParams):
    """A file into a table."""

    file: str = ""
    head: Flag = 1
    partition: Annotated[int, Field(ge=1, le=1023)] = 16
    work_mode: Literal[0, 1] | None = None
    namespace: str = ""
    name: str = ""
    table_name: str = ""
    in_version: str | bool | int | None = None
    drop: bool | Literal[0, 1, 2] | None = None
    backend: int | None = None
    use_local_data: Flag | None = None
    id_delimiter: str = ","
    storage_engine: str | None = None
    storage_address: dict[str, JsonValue] | None = None
    destroy: bool = False
    extend_sid: bool = False
    auto_increasing_sid: bool = False
    block_size: PositiveInt = 1
    schema_: dict[str, JsonValue] | None = Field(None, alias="schema")
    with_meta: bool = False
    meta: dict[str, JsonValue] | None = None


class CacheLoaderParams(ModuleParams):
    """A cache of another job, by its key or by the component that made it."""

    cache_key: str | None = None
    job_id: Id | None = None
    component_name: str | None = None
    cache_name: str | None = None


LOCAL = frozenset({Role.LOCAL})

API_READER = ModuleSpec(module="ApiReader", roles=GUEST_HOST, params=ApiReaderParams, needs_data=False)
UPLOAD = ModuleSpec(module="Upload", roles=ALL, params=UploadParams, needs_data=False)
CACHE_LOADER = ModuleSpec(
    module="CacheLoader", roles=GUEST_HOST, params=CacheLoaderParams, needs_data=False, cache_outputs=1
)
PIPELINE = ModuleSpec(module="Pipeline", roles=ALL, params=AnyParams, needs_data=False, model_outputs=1)
"""Of FATE up to 1.4: a dsl that was kept, as one component of another."""
