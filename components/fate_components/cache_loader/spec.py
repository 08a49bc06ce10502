"""CacheLoader as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role

Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class CacheLoaderParams(ComponentParams):
    """A cache by its key, or by the component that made it."""

    cache_key: str | None = None
    """``<job_id>.<component_name>.<cache_name>``: all three in one."""
    job_id: Id | None = None
    component_name: str | None = None
    cache_name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_one_text(cls, value: Any) -> Any:
        key = value.get("cache_key") if isinstance(value, dict) else None
        if not isinstance(key, str) or not key:
            return value
        parts = key.split(".")
        if len(parts) != 3 or not all(parts):
            raise ValueError("a cache_key is <job_id>.<component_name>.<cache_name>")
        named = dict(zip(("job_id", "component_name", "cache_name"), parts, strict=True))
        beside = [name for name in named if value.get(name) is not None]
        if beside:
            raise ValueError(f"cache_key names the cache already: leave out {', '.join(beside)}")
        return {**value, **named}


CACHE_LOADER = ComponentSpec(
    module="CacheLoader",
    needs_data=False,
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=CacheLoaderParams,
    implementation="fate_components.cache_loader.component:CacheLoader",
    data_outputs=0,
    cache_outputs=1,
)
