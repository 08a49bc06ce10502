"""ModelStore and ModelRestore as a dsl sees them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec, unavailable
from fate_federated.party import Role

Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]

FATE_STORES = ("redis", "mysql", "tencent_cos")
EVERYONE = frozenset({Role.GUEST, Role.HOST, Role.ARBITER, Role.LOCAL})


class StoreAddress(ComponentParams):
    """Where parts are kept: a folder, as a URL that fsspec knows."""

    storage: str = "file"
    path: str = Field(min_length=1)

    @field_validator("storage")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in FATE_STORES:
            raise unavailable(f"parts are not kept in {value}: give storage file and a path such as s3://bucket/models")
        if value != "file":
            raise ValueError("storage is file, and path a folder's URL")
        return value


class ModelStoreParams(ComponentParams):
    """A version and a place for it."""

    model_id: str | None = None
    """With a branch or tag as version, the model that has it."""
    model_version: Text = Field(min_length=1)
    store_address: StoreAddress
    force_update: bool = False
    """Whether a part that is there already is written over."""


class ModelRestoreParams(ComponentParams):
    """A version by its digits, and the place where ModelStore put it."""

    model_id: str | None = None
    model_version: Annotated[Text, Field(pattern=r"^[0-9]{1,32}$")]
    store_address: StoreAddress
    force_update: bool = False

    @field_validator("force_update")
    @classmethod
    def _never(cls, value: Any) -> Any:
        if value:
            raise unavailable("a version that is there is never replaced")
        return value


MODEL_STORE = ComponentSpec(
    module="ModelStore",
    roles=EVERYONE,
    params=ModelStoreParams,
    implementation="fate_components.model_store.component:ModelStore",
    data_outputs=0,
    needs_data=False,
)
MODEL_RESTORE = ComponentSpec(
    module="ModelRestore",
    roles=EVERYONE,
    params=ModelRestoreParams,
    implementation="fate_components.model_store.component:ModelRestore",
    data_outputs=0,
    needs_data=False,
)
