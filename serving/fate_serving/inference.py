"""A guest's answers to applications."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from fate_federated.party import Party
from fate_serving.answers import Ask, Reply, computed
from fate_serving.cache import LocalCache
from fate_serving.codes import ServingError
from fate_serving.compiling import GuestPipeline
from fate_serving.frame import Frame
from fate_serving.host_answers import HostAnswers, RowStem, stem_of
from fate_serving.merging import Merger
from fate_serving.metrics import Metrics
from fate_serving.scoring import Predicted
from fate_serving.shelf import Loaded


@dataclass(frozen=True, slots=True)
class Query:
    """One row to score.

    Attributes:
        features: the guest's own.
        remote: what names the row at hosts, a JSON object.
    """

    features: Mapping[str, Any]
    remote: bytes


Outcome = Mapping[str, Any] | ServingError
"""What a row's answer says, or why there is none."""

OutcomeKey = tuple[int, bytes, tuple[bytes, ...]]
"""The id of a model, the guest's features and what each host said."""


@dataclass(frozen=True, slots=True)
class _Served:
    """What belongs to a model that answers. It keeps the model, so that no other takes its id."""

    loaded: Loaded
    merger: Merger[tuple[Query, float, str], Outcome]
    stems: tuple[RowStem, ...]


class Inference:
    """Scores rows with loaded models.

    Args:
        outcomes: of rows whose features and hosts' answers were the same before; None to compute them again.
        merge_rows: single requests that are computed together at most; 1 for each by itself.
    """

    def __init__(
        self,
        answers: HostAnswers,
        metrics: Metrics,
        outcomes: LocalCache[OutcomeKey, Mapping[str, Any]] | None,
        *,
        merge_rows: int,
        merge_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._answers, self._metrics, self._outcomes = answers, metrics, outcomes
        self._merge_rows, self._merge_seconds, self._timeout_seconds = merge_rows, merge_seconds, timeout_seconds
        self._served: dict[int, _Served] = {}

    async def one(self, loaded: Loaded, query: Query, timeout_seconds: float, case_id: str) -> Mapping[str, Any]:
        """The answer for one row, computed with others' that arrive meanwhile.

        Raises:
            ServingError: there is none.
        """
        served = self._serve(loaded)
        outcome: Outcome
        said = self._answers.kept_of_row(served.stems, query.remote)
        if said is not None:
            outcome = self._of_kept(served, query, said)
        elif self._merge_rows == 1:
            (outcome,) = await self.many(loaded, [query], timeout_seconds, case_id)
        else:
            timeout_seconds = min(timeout_seconds, self._timeout_seconds)
            outcome = await served.merger.submit((query, timeout_seconds, case_id))
        if isinstance(outcome, ServingError):
            raise outcome
        return outcome

    async def many(
        self, loaded: Loaded, queries: Sequence[Query], timeout_seconds: float, case_id: str
    ) -> Sequence[Outcome]:
        """An outcome for each row, in their order.

        Raises:
            ServingError: there is none for any row.
        """
        pipeline = _pipeline(loaded)
        self._metrics.merged(len(queries))
        timeout_seconds = min(timeout_seconds, self._timeout_seconds)
        kept = self._kept(loaded, queries)
        if kept is not None:
            return self._computed(loaded, queries, kept)
        asked = {
            host: asyncio.get_running_loop().create_task(
                self._answers.ask(self._ask(loaded, host, queries, timeout_seconds, case_id))
            )
            for host in pipeline.scorer.hosts
        }
        # The hosts' answers are under way while the own columns are made.
        await asyncio.sleep(0)
        try:
            with self._metrics.phase("guest_columns"):
                frame, faults = _frames(pipeline, queries)
            replies = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        except BaseException:
            for task in asked.values():
                task.cancel()
            raise
        with self._metrics.phase("guest_compute"):
            return _merged(pipeline, frame, faults, replies, len(queries))

    def _kept(self, loaded: Loaded, queries: Sequence[Query]) -> dict[Party, Reply] | None:
        """What all hosts said before; None where one has to be asked."""
        kept: dict[Party, Reply] = {}
        for host in _pipeline(loaded).scorer.hosts:
            reply = self._answers.kept(self._ask(loaded, host, queries, 0.0, ""))
            if reply is None:
                return None
            kept[host] = reply
        return kept

    def _computed(self, loaded: Loaded, queries: Sequence[Query], replies: Mapping[Party, Reply]) -> Sequence[Outcome]:
        pipeline = _pipeline(loaded)
        with self._metrics.phase("guest_columns"):
            frame, faults = _frames(pipeline, queries)
        with self._metrics.phase("guest_compute"):
            return _merged(pipeline, frame, faults, replies, len(queries))

    def _of_kept(self, served: _Served, query: Query, said: tuple[bytes, ...]) -> Outcome:
        """The outcome of a row of which all hosts' answers are known; equal ones have an equal outcome."""
        loaded = served.loaded
        if self._outcomes is None:
            return self._of_said(loaded, query, said)
        key = (id(loaded), orjson.dumps(query.features), said)
        known = self._outcomes.get(key)
        if known is not None:
            return known
        outcome = self._of_said(loaded, query, said)
        if not isinstance(outcome, ServingError):
            self._outcomes.put(key, outcome)
        return outcome

    def _of_said(self, loaded: Loaded, query: Query, said: tuple[bytes, ...]) -> Outcome:
        scorer = _pipeline(loaded).scorer
        replies = {}
        for host, content in zip(scorer.hosts, said, strict=True):
            values = scorer.empty(host, 1)
            values[0] = np.frombuffer(content, values.dtype)
            replies[host] = Reply(values)
        (outcome,) = self._computed(loaded, [query], replies)
        return outcome

    def forget(self, loaded: Loaded) -> None:
        """Drop what is kept for a model that is not served any more."""
        self._served.pop(id(loaded), None)
        if self._outcomes is not None:
            self._outcomes.drop(lambda key: key[0] == id(loaded))
        self._answers.forget(loaded.key)

    def _ask(self, loaded: Loaded, host: Party, queries: Sequence[Query], timeout_seconds: float, case_id: str) -> Ask:
        pipeline = _pipeline(loaded)
        return Ask(
            guest=loaded.compiled.part.party,
            host=host,
            key=loaded.at_host(host),
            guest_key=loaded.key,
            component=pipeline.component,
            rows=[query.remote for query in queries],
            scorer=pipeline.scorer,
            timeout_seconds=timeout_seconds,
            case_id=case_id,
        )

    def _serve(self, loaded: Loaded) -> _Served:
        found = self._served.get(id(loaded))
        if found is not None:
            return found

        async def run(requests: Sequence[tuple[Query, float, str]]) -> Sequence[Outcome]:
            queries = [query for query, _, _ in requests]
            # A request that has little time left fails at its caller; it may not shorten the others'.
            timeout_seconds = max(seconds for _, seconds, _ in requests)
            return await self.many(loaded, queries, timeout_seconds, requests[0][2])

        stems = tuple(stem_of(self._ask(loaded, host, (), 0.0, "")) for host in _pipeline(loaded).scorer.hosts)
        served = _Served(loaded, Merger(run, self._merge_rows, self._merge_seconds), stems)
        self._served[id(loaded)] = served
        return served


def _pipeline(loaded: Loaded) -> GuestPipeline:
    pipeline = loaded.compiled.guest
    assert pipeline is not None  # noqa: S101 - only such models are bound
    return pipeline


def _frames(pipeline: GuestPipeline, queries: Sequence[Query]) -> tuple[Frame, dict[int, ServingError]]:
    """The columns of the rows that have them, and what is wrong with the others."""
    rows = [query.features for query in queries]
    faults: dict[int, ServingError] = {}
    try:
        return pipeline.chain.frame(rows), faults
    except ServingError:
        _, faults = computed(rows, lambda some: pipeline.chain.frame(some).numbers)
    good = [row for place, row in enumerate(rows) if place not in faults]
    return pipeline.chain.frame(good), faults


def _merged(
    pipeline: GuestPipeline,
    frame: Frame,
    faults: dict[int, ServingError],
    replies: Mapping[Party, Reply],
    rows: int,
) -> Sequence[Outcome]:
    """The outcomes of all rows.

    Args:
        frame: of the rows that are not in ``faults``.
    """
    places = [row for row in range(rows) if row not in faults] if faults else list(range(rows))
    for reply in replies.values():
        for row, error in reply.faults.items():
            faults.setdefault(row, error)
    good = [at for at, row in enumerate(places) if row not in faults] if faults else list(range(rows))
    outcomes: list[Outcome | None] = [faults.get(row) for row in range(rows)] if faults else [None] * rows

    def predicted(some: Sequence[int]) -> Predicted:
        whole = len(some) == rows
        answers = {
            host: reply.values if whole else reply.values[[places[at] for at in some]]
            for host, reply in replies.items()
        }
        return pipeline.scorer.predict(frame if len(some) == len(frame) else frame.take(some), answers)

    def values(some: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return predicted(some).values

    if good:
        try:
            found = predicted(good)
        except ServingError:
            _, wrong = computed(good, values)
            for at, error in wrong.items():
                outcomes[places[good[at]]] = error
            good = [each for at, each in enumerate(good) if at not in wrong]
            if good:
                found = predicted(good)
        if good:
            for at, data in zip(good, pipeline.data(found), strict=True):
                outcomes[places[at]] = data
    return [outcome for outcome in outcomes if outcome is not None]
