"""What a component keeps for later runs of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Cache:
    """One party's part; it may hold secrets of that party, and never leaves it.

    Attributes:
        module: FATE's name of the component that made it.
        meta: what it is, in JSON.
        data: its columns.
    """

    module: str
    meta: Mapping[str, JsonValue] = field(repr=False)
    data: pa.Table = field(repr=False)


class CacheReader(Protocol):
    """Reads caches that earlier jobs of this party left."""

    def read(self, job_id: str, component: str, name: str) -> Cache | None:
        """The cache of that name, None where there is none."""
        ...
