"""The tasks of this site's parties that attend attempts: their streams, their leases, their words on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from fate_federated.errors import FateFederatedError, MessageRejected
from fate_federated.gateway.attempt_store import load_attendance, load_attendances, open_jobs, save_attendance
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.background import Background
from fate_federated.gateway.database import Database
from fate_federated.gateway.links import Links, with_patience
from fate_federated.gateway.roster import Roster
from fate_federated.party import Party
from fate_federated.status import AttemptState, Presence
from fate_federated.transport.rpc import is_transient
from fate_federated.wire.records import Attempt, PartyPresence, PresenceUpdate, TaskRef

log = logging.getLogger(__name__)

TELL_PATIENCE_SECONDS = 24 * 3600.0
"""What a task has reported is told to the coordinator whenever that can be reached again."""

RETURN_SECONDS = 4.0
"""What tasks are given, besides the lease, to find a gateway that was restarted."""


@dataclass(frozen=True, slots=True)
class Join:
    """The first word of a task's stream."""

    task: TaskRef
    party: Party
    participants: tuple[Party, ...]
    instance: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Park:
    """The task defers."""


@dataclass(frozen=True, slots=True)
class Report:
    """The component has ended at this party."""

    outcome: Presence
    detail: str


_Key = tuple[TaskRef, Party]


class Attendances:
    """One per gateway.

    Args:
        lease_seconds: how long a task whose stream broke may take to come back.
    """

    def __init__(
        self, database: Database, roster: Roster, links: Links, board: AttemptBoard, lease_seconds: float
    ) -> None:
        self._database, self._roster, self._links = database, roster, links
        self._board, self._lease_seconds = board, lease_seconds
        self._streams: dict[_Key, object] = {}
        self._leases: dict[_Key, asyncio.Task[None]] = {}
        self._background = Background()
        self._closing = False

    async def attend(self, join: Join, words: AsyncIterator[Park | Report]) -> AsyncGenerator[Attempt]:
        """A task's stream: its attempt now and after every change, until it is decided or the task parks.

        When the stream breaks, the task has the lease to come back with the same instance; then it counts as lost.
        """
        key = (join.task, join.party)
        # A newer stream takes the place of one that this gateway still believes in.
        stream = self._streams[key] = object()
        self._end_lease(key)
        seat = PartyPresence(join.party, join.party in join.participants, Presence.JOINED, "", instance=join.instance)
        left = False
        try:
            attempt = await self._enter(join, seat)
            listening = asyncio.ensure_future(self._listen(join.task, attempt.number, seat, words))
            try:
                async for now in self._follow(join.task, attempt.number, listening):
                    left = now.decided
                    yield now
                left = True
            finally:
                listening.cancel()
        finally:
            if self._streams.get(key) is stream:
                del self._streams[key]
                if not left and not self._closing:
                    self._start_lease(join.task, seat, self._lease_seconds)

    async def wait_for(self, task: TaskRef, party: Party, *, until_decided: bool) -> Attempt:
        """For the triggerer: the party's attempt once it assembles, or once it is decided.

        Raises:
            JobNotFound: there is no such job here.
        """
        await self._initiator(task, party)
        attended = await self._attended(task, party)
        number = attended[0] if attended else 0
        while True:
            change = self._board.change(task)
            attempt = await (self._board.get(task, number) if number else self._board.newest(task))
            if attempt is not None:
                awake = attempt.state in (AttemptState.ASSEMBLING, AttemptState.RUNNING) and not until_decided
                if attempt.decided or awake:
                    return attempt
            await change.wait()

    def give_up(self, attempt: Attempt, detail: str) -> None:
        """The coordinator is silent: fail the attempt for this site's tasks, and tell it so when it is back."""
        log.warning("attempt %d of %s is given up: %s", attempt.number, attempt.task, detail)
        self._board.learn(replace(attempt, state=AttemptState.FAILED, detail=detail), locally=True)
        self._background.spawn(self._tell_given_up(attempt, detail))

    async def resume(self) -> None:
        """After a restart: repeat what this site's parties have told, and give those who attended a new lease."""

        def work(session: Session) -> list[tuple[TaskRef, int, PartyPresence]]:
            return load_attendances(session, open_jobs(session))

        for task, number, seat in await self._database.run(work):
            attempt = await self._board.get(task, number) if number else None
            if attempt is not None and attempt.decided:
                continue
            if seat.presence is Presence.JOINED:
                # The tasks look for their gateway about once a second.
                self._start_lease(task, seat, self._lease_seconds + RETURN_SECONDS)
            elif seat.presence is not Presence.ABSENT:
                self._background.spawn(self._tell_later(task, number, seat))

    async def close(self) -> None:
        """From now on nobody counts as lost: the streams end because the gateway does."""
        self._closing = True
        await self._background.close()

    async def _enter(self, join: Join, seat: PartyPresence) -> Attempt:
        """Join at the coordinator; first write down that this party is about to."""
        await self._initiator(join.task, join.party)

        def begin(session: Session) -> None:
            known = load_attendance(session, join.task, join.party)
            if known is None or known[1].instance != join.instance or known[1].presence is Presence.PARKED:
                save_attendance(session, join.task, join.attempt, seat)

        await self._database.run(begin)
        try:
            attempt = await self._tell(join.task, join.attempt, seat, join.participants)
        except FateFederatedError as error:
            if not is_transient(error):
                await self._save(join.task, join.attempt, replace(seat, presence=Presence.ABSENT))
            raise
        await self._save(join.task, attempt.number, self._latest(attempt, seat))
        log.info("%s attends attempt %d of %s", join.party, attempt.number, join.task)
        return attempt

    @staticmethod
    def _latest(attempt: Attempt, seat: PartyPresence) -> PartyPresence:
        """What the coordinator has of this party, which may have reported before its stream broke."""
        there = attempt.seat(seat.party)
        return seat if there is None else replace(there, instance=seat.instance)

    async def _follow(self, task: TaskRef, number: int, listening: asyncio.Future[None]) -> AsyncIterator[Attempt]:
        """Every state of an attempt until it is decided, or until ``listening`` ends because the task parks."""
        shown: Attempt | None = None
        while True:
            change = self._board.change(task)
            attempt = await self._board.get(task, number)
            if attempt is not None and attempt is not shown:
                yield attempt
                shown = attempt
            if listening.done():
                listening.result()
                return
            if attempt is not None and attempt.decided:
                return
            news = asyncio.ensure_future(change.wait())
            try:
                await asyncio.wait((news, listening), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()

    async def _listen(
        self, task: TaskRef, number: int, seat: PartyPresence, words: AsyncIterator[Park | Report]
    ) -> None:
        """Hear what the task says. Returns when it parks; a task that only reports stays for the decision."""
        async for word in words:
            match word:
                case Park():
                    attempt = await self._say(task, number, replace(seat, presence=Presence.PARKED))
                    there = attempt.seat(seat.party)
                    if there is not None and there.presence is Presence.PARKED:
                        log.info("%s parks in attempt %d of %s", seat.party, number, task)
                        return
                case Report(outcome, detail):
                    log.info("%s reports %s in attempt %d of %s %s", seat.party, outcome, number, task, detail)
                    told = replace(seat, presence=outcome, detail=detail)
                    await self._save(task, number, told)
                    # Told to the end even if the task goes away now.
                    await asyncio.shield(self._background.spawn(self._tell_later(task, number, told)))
        await asyncio.Event().wait()

    async def _say(self, task: TaskRef, number: int, seat: PartyPresence) -> Attempt:
        await self._save(task, number, seat)
        return await self._tell(task, number, seat)

    async def _tell_later(self, task: TaskRef, number: int, seat: PartyPresence) -> None:
        try:
            await with_patience(lambda: self._tell(task, number, seat), TELL_PATIENCE_SECONDS)
        except FateFederatedError as error:
            log.warning("%s could not tell that it is %s in %s: %s", seat.party, seat.presence, task, error)

    async def _tell(
        self, task: TaskRef, number: int, seat: PartyPresence, participants: tuple[Party, ...] = ()
    ) -> Attempt:
        initiator = await self._initiator(task, seat.party)
        update = PresenceUpdate(task, number, seat, participants, initiator)
        attempt = await self._links.of(initiator).update_presence(update)
        await self._board.accept(attempt)
        return attempt

    async def _tell_given_up(self, attempt: Attempt, detail: str) -> None:
        for party in attempt.participants:
            attended = await self._attended(attempt.task, party)
            if attended is None or attended[0] != attempt.number or attended[1].presence.reported:
                continue
            seat = replace(attended[1], presence=Presence.FAILED, detail=detail)
            await self._save(attempt.task, attempt.number, seat)
            await self._tell_later(attempt.task, attempt.number, seat)

    def _start_lease(self, task: TaskRef, seat: PartyPresence, seconds: float) -> None:
        key = (task, seat.party)
        self._end_lease(key)
        self._leases[key] = self._background.spawn(self._lease(task, seat, seconds))

    def _end_lease(self, key: _Key) -> None:
        lease = self._leases.pop(key, None)
        if lease is not None:
            lease.cancel()

    async def _lease(self, task: TaskRef, seat: PartyPresence, seconds: float) -> None:
        await asyncio.sleep(seconds)
        del self._leases[task, seat.party]
        attended = await self._attended(task, seat.party)
        if attended is None or attended[1].instance != seat.instance or attended[1].presence is not Presence.JOINED:
            return
        log.warning("%s went away from %s", seat.party, task)
        detail = f"the task's process at {seat.party} went away"
        lost = replace(seat, presence=Presence.LOST, detail=detail)
        await self._save(task, attended[0], lost)
        await self._tell_later(task, attended[0], lost)

    async def _initiator(self, task: TaskRef, party: Party) -> Party:
        """Whose site coordinates the job, of which the party must be one."""
        members = await self._roster.of(task.job_id)
        if party not in members.parties:
            raise MessageRejected(f"{party} does not take part in job {task.job_id}.")
        return members.initiator

    async def _attended(self, task: TaskRef, party: Party) -> tuple[int, PartyPresence] | None:
        return await self._database.run(lambda session: load_attendance(session, task, party))

    async def _save(self, task: TaskRef, number: int, seat: PartyPresence) -> None:
        await self._database.run(lambda session: save_attendance(session, task, number, seat))
