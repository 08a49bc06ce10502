"""Requests that arrive together are computed together, and none waits for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fate_serving.merging import Merger


class Work:
    """Answers with the doubles, once it may."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if 13 in numbers:
            raise ValueError("unlucky")
        return [2 * number for number in numbers]


async def test_a_request_goes_at_once_where_nothing_is_in_work() -> None:
    work = Work()
    merger = Merger(work.run, rows=10, wait_seconds=60)
    async with asyncio.timeout(5):
        assert [await merger.submit(1), await merger.submit(2)] == [2, 4]
    assert work.batches == [[1], [2]]


async def test_those_of_one_turn_and_those_that_wait_go_together() -> None:
    work = Work()
    merger = Merger(work.run, rows=10, wait_seconds=60)
    work.gate.clear()
    first = [merger.submit(number) for number in (1, 2)]
    while not work.batches:
        await asyncio.sleep(0)
    waiting = [merger.submit(number) for number in (3, 4, 5)]
    await asyncio.sleep(0)
    assert work.batches == [[1, 2]]
    work.gate.set()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*first, *waiting) == [2, 4, 6, 8, 10]
    assert work.batches == [[1, 2], [3, 4, 5]]


async def test_the_wait_has_an_end_and_a_batch_a_size() -> None:
    work = Work()
    merger = Merger(work.run, rows=3, wait_seconds=0.01)
    work.gate.clear()
    answers = [merger.submit(0)]
    async with asyncio.timeout(5):
        while len(work.batches) < 1:
            await asyncio.sleep(0)
        answers.append(merger.submit(1))
        while len(work.batches) < 2:
            await asyncio.sleep(0.001)
        answers += [merger.submit(number) for number in (2, 3, 4)]
        while len(work.batches) < 3:
            await asyncio.sleep(0)
        work.gate.set()
        assert await asyncio.gather(*answers) == [0, 2, 4, 6, 8]
    assert work.batches == [[0], [1], [2, 3, 4]]


async def test_an_error_reaches_all_of_its_batch_and_nobody_else() -> None:
    work = Work()
    merger = Merger(work.run, rows=10, wait_seconds=0.01)
    bad = [merger.submit(number) for number in (13, 1)]
    outcomes = await asyncio.gather(*bad, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError, ValueError]
    assert await merger.submit(2) == 4


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    work = Work()
    merger = Merger(work.run, rows=10, wait_seconds=0.01)
    gone, stays = merger.submit(1), merger.submit(2)
    gone.cancel()
    assert await stays == 4
    assert work.batches == [[2]]
    with pytest.raises(asyncio.CancelledError):
        await gone
