"""Features in a Redis: a hash for each id, or a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
import redis.asyncio
from redis.exceptions import RedisError

from fate_serving.adapters import Found
from fate_serving.adapters.table import row_id
from fate_serving.codes import Code, ServingError


class RedisAdapter:
    """One round trip for all rows of a request.

    Args:
        url: such as ``redis://host:6379/0``.
        key: with ``{id}`` in the place of the id.
        kind: hash, whose values are texts, or json for a string that holds an object.
        request_key: the member of a request that holds the id; the first one if not given.
    """

    def __init__(
        self,
        *,
        home: Path,
        url: str,
        key: str = "{id}",
        kind: Literal["hash", "json"] = "hash",
        request_key: str = "",
        connections: int = 50,
    ) -> None:
        if "{id}" not in key:
            raise ValueError(f"key {key!r} has no {{id}}")
        if kind not in ("hash", "json"):
            raise ValueError(f"kind {kind!r} is neither hash nor json")
        self._redis = redis.asyncio.from_url(url, max_connections=connections)
        self._key, self._kind, self._request_key = key, kind, request_key

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        """See :class:`~fate_serving.adapters.Adapter`."""
        keys = [self._key.replace("{id}", row_id(row, self._request_key)) for row in rows]
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    if self._kind == "hash":
                        pipeline.hgetall(key)
                    else:
                        pipeline.get(key)
                found: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise ServingError(Code.ADAPTER, f"The host's Redis does not answer: {type(error).__name__}.") from error
        return [self._read(each) for each in found]

    async def close(self) -> None:
        """See :class:`~fate_serving.adapters.Adapter`."""
        await self._redis.aclose()

    def _read(self, found: Any) -> Found:
        if isinstance(found, RedisError):
            return ServingError(Code.ADAPTER, f"The host's Redis refuses the key: {type(found).__name__}.")
        if not found:
            return None
        try:
            if isinstance(found, dict):
                return {name.decode(): value.decode() for name, value in found.items()}
            features = orjson.loads(found)
        except (UnicodeDecodeError, orjson.JSONDecodeError):
            features = None
        if not isinstance(features, dict):
            return ServingError(Code.ADAPTER, "The host's Redis holds no JSON object of features for the row.")
        return features
