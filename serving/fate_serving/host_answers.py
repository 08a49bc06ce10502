"""What hosts answer, asked for as seldom as may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fate_serving.answers import Ask, Reply
from fate_serving.cache import LocalCache, SharedCache, SingleFlight, shared_key
from fate_serving.codes import ServingError, code_of_host
from fate_serving.links import Links
from fate_serving.metrics import Metrics
from fate_serving.scoring import Answers
from fate_serving.shelf import Key

RowStem = tuple[str, Key, Key, str]
"""The host, its part and the guest's, and the component."""
RowKey = tuple[str, Key, Key, str, bytes]
"""The same and the row: a switch of version never finds what is old."""
RowAnswer = bytes | ServingError


class HostAnswers:
    """Asks hosts by links, with a cache before them if there is one.

    Args:
        local: None for no cache at all.
        shared: behind it, for all processes; None for none.
    """

    def __init__(
        self, links: Links, local: LocalCache[RowKey, bytes] | None, shared: SharedCache | None, metrics: Metrics
    ) -> None:
        self._links, self._local, self._shared, self._metrics = links, local, shared, metrics
        self._flights: SingleFlight[RowKey, RowAnswer] = SingleFlight()
        self._keeping: set[asyncio.Task[None]] = set()

    async def ask(self, ask: Ask) -> Reply:
        """A host's answers for rows; its codes have the digit 2 before them.

        Raises:
            ServingError: there is no answer for any row.
        """
        if self._local is None:
            return await self._call(ask)
        return await self._remembered(ask, self._local)

    def kept(self, ask: Ask) -> Reply | None:
        """The answers, where this process has all of them; nobody is asked."""
        if self._local is None:
            return None
        values = ask.scorer.empty(ask.host, len(ask.rows))
        for place, row in enumerate(ask.rows):
            found = self._local.get(_key(ask, row))
            if found is None:
                return None
            values[place] = np.frombuffer(found, values.dtype)
        self._metrics.looked_up("local", len(ask.rows))
        return Reply(values)

    def kept_of_row(self, stems: Sequence[RowStem], row: bytes) -> tuple[bytes, ...] | None:
        """What each of several hosts said of a row, where this process has all of it; nobody is asked."""
        if self._local is None:
            return None if stems else ()
        found = []
        for stem in stems:
            said = self._local.get((*stem, row))
            if said is None:
                return None
            found.append(said)
        self._metrics.looked_up("local", len(found))
        return tuple(found)

    def forget(self, guest_key: Key) -> None:
        """Drop what was kept for a model that is not served any more."""
        if self._local is not None:
            self._local.drop(lambda key: key[2] == guest_key)

    async def close(self) -> None:
        """Hang up, and let go of the shared cache."""
        for task in tuple(self._keeping):
            await task
        if self._shared is not None:
            await self._shared.close()
        await self._links.close()

    async def _call(self, ask: Ask) -> Reply:
        start = time.perf_counter()
        try:
            reply = await self._links.ask(ask)
        except ServingError as error:
            raise _of_host(ask, error) from None
        finally:
            self._metrics.asked(str(ask.host), time.perf_counter() - start)
        if reply.faults:
            return Reply(reply.values, {row: _of_host(ask, error) for row, error in reply.faults.items()})
        return reply

    async def _remembered(self, ask: Ask, local: LocalCache[RowKey, bytes]) -> Reply:
        values = ask.scorer.empty(ask.host, len(ask.rows))
        faults: dict[int, ServingError] = {}
        places: dict[RowKey, list[int]] = {}
        flights: list[tuple[RowKey, asyncio.Future[RowAnswer]]] = []
        missing: list[RowKey] = []
        found = 0
        for place, row in enumerate(ask.rows):
            key = _key(ask, row)
            if key in places:
                places[key].append(place)
                continue
            places[key] = [place]
            kept = local.get(key)
            if kept is not None:
                _fill(values, faults, places[key], kept)
                found += 1
            elif (flight := self._flights.waiting(key)) is not None:
                flights.append((key, flight))
            else:
                self._flights.begin(key)
                missing.append(key)
        self._metrics.looked_up("local", found)
        self._metrics.looked_up("waiting", len(flights))
        if missing:
            # Others wait for it too: who goes away does not take it from them.
            flying = asyncio.get_running_loop().create_task(self._fly(ask, missing, local))
            answers = await asyncio.shield(flying)
            for key, answer in zip(missing, answers, strict=True):
                _fill(values, faults, places[key], answer)
        for key, flight in flights:
            _fill(values, faults, places[key], await asyncio.shield(flight))
        return Reply(values, faults)

    async def _fly(self, ask: Ask, missing: Sequence[RowKey], local: LocalCache[RowKey, bytes]) -> list[RowAnswer]:
        """Answers for keys that nobody else asks for; whoever waits for them is told."""
        try:
            known = await self._from_shared(ask, missing)
            unknown = [key for key in missing if key not in known]
            self._metrics.looked_up("shared", len(known))
            self._metrics.looked_up("missing", len(unknown))
            answers: dict[RowKey, RowAnswer] = dict(known)
            if unknown:
                reply = await self._call(replace(ask, rows=[key[4] for key in unknown]))
                for row, key in enumerate(unknown):
                    answers[key] = reply.faults.get(row) or reply.values[row].tobytes()
                self._keep([(key, answers[key]) for key in unknown])
        except Exception as error:
            for key in missing:
                self._flights.fail(key, error)
            raise
        for key in missing:
            answer = answers[key]
            if isinstance(answer, bytes):
                local.put(key, answer)
            self._flights.end(key, answer)
        return [answers[key] for key in missing]

    async def _from_shared(self, ask: Ask, missing: Sequence[RowKey]) -> dict[RowKey, RowAnswer]:
        if self._shared is None:
            return {}
        size = ask.scorer.empty(ask.host, 1).nbytes
        kept = await self._shared.get([_shared(key) for key in missing])
        return {
            key: value for key, value in zip(missing, kept, strict=True) if value is not None and len(value) == size
        }

    def _keep(self, answers: Sequence[tuple[RowKey, RowAnswer]]) -> None:
        values = [(_shared(key), answer) for key, answer in answers if isinstance(answer, bytes)]
        if self._shared is not None and values:
            task = asyncio.get_running_loop().create_task(self._shared.put(values))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)


def stem_of(ask: Ask) -> RowStem:
    """What the keys of all rows have in common."""
    return str(ask.host), ask.key, ask.guest_key, ask.component


def _key(ask: Ask, row: bytes) -> RowKey:
    return (*stem_of(ask), row)


def _fill(values: Answers, faults: dict[int, ServingError], rows: Sequence[int], answer: RowAnswer) -> None:
    if isinstance(answer, ServingError):
        faults.update(dict.fromkeys(rows, answer))
        return
    line = np.frombuffer(answer, values.dtype)
    for row in rows:
        values[row] = line


def _shared(key: RowKey) -> str:
    host, part, guest_part, component, row = key
    return shared_key(host, *part, *guest_part, component, row)


def _of_host(ask: Ask, error: ServingError) -> ServingError:
    return ServingError(code_of_host(error.code), f"host return code {error.code} host msg :{ask.host}: {error}")
