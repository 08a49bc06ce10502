"""Requests that arrive together are computed together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

AT_ONCE = 1
"""Batches in work before requests wait for each other."""


class Merger(Generic[Q, A]):
    """Collects requests while others are in work.

    A request that finds nothing in work goes at once, with those that arrive in the same turn of the event loop.
    Otherwise it waits until a batch is done, or for ``wait_seconds``, and goes with all that wait then.

    Args:
        run: answers requests, in their order.
        rows: of a batch at most.
    """

    def __init__(self, run: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], rows: int, wait_seconds: float) -> None:
        self._run, self._rows, self._wait_seconds = run, rows, wait_seconds
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._in_work = 0
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, request: Q) -> asyncio.Future[A]:
        """The answer to come."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((request, answer))
        if self._in_work < AT_ONCE or len(self._waiting) >= self._rows:
            if self._turn is None:
                self._turn = loop.call_soon(self._start)
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_seconds, self._start)
        return answer

    def _start(self) -> None:
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        self._turn = self._timer = None
        while self._waiting:
            size = min(self._rows, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            batch = [(request, answer) for request, answer in batch if not answer.done()]
            if batch:
                self._in_work += 1
                task = asyncio.get_running_loop().create_task(self._work(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._run([request for request, _ in batch])
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:
            # The requests' own handlers say what to make of it.
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        finally:
            self._in_work -= 1
            if self._waiting and self._turn is None:
                self._turn = asyncio.get_running_loop().call_soon(self._start)
