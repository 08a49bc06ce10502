"""What this site knows of attempts: kept in the database, remembered while a job runs, told to whoever waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from sqlalchemy.orm import Session

from fate_federated.gateway.attempt_store import load_attempts, newest_attempts, open_jobs, save_attempt
from fate_federated.gateway.database import Database
from fate_federated.status import AttemptState
from fate_federated.wire.records import Attempt, TaskRef

log = logging.getLogger(__name__)


class AttemptBoard:
    """The attempts as their coordinators last told them.

    To wait for news, take ``change(task)`` first, then look with ``get`` or ``newest``, then wait for the change.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[TaskRef, dict[int, Attempt]] = {}
        self._changes: dict[TaskRef, asyncio.Event] = {}
        self._listeners: list[Callable[[Attempt], None]] = []

    def listen(self, listener: Callable[[Attempt], None]) -> None:
        """Have every news told to ``listener`` as well."""
        self._listeners.append(listener)

    async def resume(self) -> list[Attempt]:
        """Remember the newest attempts of the jobs that have not ended."""

        def work(session: Session) -> list[Attempt]:
            return [attempt for job_id in open_jobs(session) for attempt in newest_attempts(session, job_id)]

        attempts = await self._database.run(work)
        for attempt in attempts:
            self._known.setdefault(attempt.task, {})[attempt.number] = attempt
        return attempts

    async def newest(self, task: TaskRef) -> Attempt | None:
        """The newest attempt of a component, None before the first."""
        known = await self._load(task)
        return known[max(known)] if known else None

    async def get(self, task: TaskRef, number: int) -> Attempt | None:
        """One attempt of a component."""
        return (await self._load(task)).get(number)

    def change(self, task: TaskRef) -> asyncio.Event:
        """Is set at the next news of this component."""
        return self._changes.setdefault(task, asyncio.Event())

    async def accept(self, attempt: Attempt) -> None:
        """News from a coordinator at another site. What is older than what is known is ignored."""
        known = (await self._load(attempt.task)).get(attempt.number)
        if known is None or known.revision < attempt.revision:
            await self._database.run(lambda session: save_attempt(session, attempt))
            self.learn(attempt)

    def learn(self, attempt: Attempt, *, locally: bool = False) -> None:
        """News that is in the database already.

        Args:
            locally: what this site has to assume because the coordinator is silent; anything the coordinator says
                replaces it, and nothing of it is kept.
        """
        attempts = self._known.setdefault(attempt.task, {})
        known = attempts.get(attempt.number)
        if known is not None and known.revision >= attempt.revision and not locally:
            return
        attempts[attempt.number] = attempt
        if known is None or known.state is not attempt.state:
            log.info("attempt %d of %s is %s %s", attempt.number, attempt.task, attempt.state, attempt.detail)
        change = self._changes.pop(attempt.task, None)
        if change is not None:
            change.set()
        for listener in self._listeners:
            listener(attempt)

    def running(self) -> list[Attempt]:
        """The attempts that run, as far as this site knows."""
        return [attempt for attempt in self._all() if attempt.state is AttemptState.RUNNING]

    def undecided(self, job_id: str) -> list[Attempt]:
        """The attempts of a job that have not been decided."""
        return [attempt for attempt in self._all() if attempt.task.job_id == job_id and not attempt.decided]

    def forget(self, job_id: str) -> None:
        """The job has ended; what the database has of it stays."""
        for task in [task for task in self._known if task.job_id == job_id]:
            del self._known[task]

    def _all(self) -> Iterable[Attempt]:
        return [attempt for attempts in self._known.values() for attempt in attempts.values()]

    async def _load(self, task: TaskRef) -> dict[int, Attempt]:
        known = self._known.get(task)
        if known is None:
            loaded = await self._database.run(lambda session: load_attempts(session, task))
            known = {attempt.number: attempt for attempt in loaded}
            if known:
                # What was learnt while the database was read is newer.
                known = self._known[task] = known | self._known.get(task, {})
        return known
