"""Values that are kept for a while: in this process, and behind it in a Redis that processes share."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class LocalCache(Generic[K, V]):
    """Values of a size and an age at most; the least used go first."""

    def __init__(self, rows: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows, self._seconds, self._clock = rows, seconds, clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """A value that is not too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] < self._clock():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        self._kept[key] = (self._clock() + self._seconds, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._rows:
            self._kept.popitem(last=False)

    def drop(self, unwanted: Callable[[K], bool]) -> None:
        """Forget some."""
        for key in [key for key in self._kept if unwanted(key)]:
            del self._kept[key]


class SharedCache(Protocol):
    """A store of bytes behind the processes."""

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Values by key; a store that does not answer knows none."""
        ...

    async def put(self, values: Sequence[tuple[str, bytes]]) -> None:
        """Keep values."""
        ...

    async def close(self) -> None:
        """End its connections."""
        ...


class RedisCache:
    """Values in a Redis. Without it everything works, and hosts are asked more often."""

    def __init__(self, url: str, seconds: float, timeout_seconds: float = 0.2) -> None:
        import redis.asyncio

        self._redis = redis.asyncio.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
        )
        self._milliseconds = int(seconds * 1000)

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """See :class:`SharedCache`."""
        from redis.exceptions import RedisError

        try:
            found = await self._redis.mget(keys)
        except (RedisError, OSError) as error:
            log.warning("the cache's Redis does not answer: %s", error)
            return [None] * len(keys)
        return [value if isinstance(value, bytes) else None for value in found]

    async def put(self, values: Sequence[tuple[str, bytes]]) -> None:
        """See :class:`SharedCache`."""
        from redis.exceptions import RedisError

        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in values:
                    pipeline.set(key, value, px=self._milliseconds)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("the cache's Redis does not answer: %s", error)

    async def close(self) -> None:
        """See :class:`SharedCache`."""
        await self._redis.aclose()


class SingleFlight(Generic[K, V]):
    """Lets one of many who want the same ask for it, and tells the others."""

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Future[V]] = {}

    def waiting(self, key: K) -> asyncio.Future[V] | None:
        """What another has asked for, to be awaited; None where nobody has."""
        return self._under_way.get(key)

    def begin(self, key: K) -> None:
        """Ask for it; ``end`` or ``fail`` must follow."""
        self._under_way[key] = asyncio.get_running_loop().create_future()

    def end(self, key: K, value: V) -> None:
        """Tell what it is."""
        future = self._under_way.pop(key)
        if not future.done():
            future.set_result(value)

    def fail(self, key: K, error: Exception) -> None:
        """Tell that it is not to be had."""
        future = self._under_way.pop(key, None)
        if future is not None and not future.done():
            future.set_exception(error)
            future.exception()  # nobody may wait for it


def shared_key(*words: str | bytes) -> str:
    """A key of words that no other words have."""
    digest = hashlib.sha256()
    for word in words:
        content = word.encode() if isinstance(word, str) else word
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return f"fate:{digest.hexdigest()}"
