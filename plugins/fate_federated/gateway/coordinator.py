"""Decides the attempts of the jobs that this site's parties initiated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from fate_federated.errors import AccessDenied, AttemptCanceled, AttemptFailed, JobError
from fate_federated.gateway import attempt_rules as rules
from fate_federated.gateway.attempt_store import has_later_attempts, load_attempts, newest_attempts, save_attempt
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import load_job, set_job, set_party
from fate_federated.gateway.links import Links
from fate_federated.gateway.locks import JobLocks
from fate_federated.party import Party
from fate_federated.status import JobStatus, Presence
from fate_federated.wire.records import Attempt, Job, JobReport, JobVerdict, PresenceUpdate

log = logging.getLogger(__name__)

T = TypeVar("T")

STOP_SETTLES_SECONDS = 10.0
"""After a stop, Airflow may still start a task that it had queued; that one does not begin the job anew."""


@dataclass(slots=True)
class _Step:
    """What one call changes: written in one transaction, published after it."""

    session: Session
    job: Job
    now: float
    changed: list[Attempt] = field(default_factory=list)

    def save(self, attempt: Attempt) -> Attempt:
        save_attempt(self.session, attempt)
        self.changed = [other for other in self.changed if (other.task, other.number) != (attempt.task, attempt.number)]
        self.changed.append(attempt)
        return attempt


class Coordinator:
    """The one place where an attempt changes its state.

    Raises (every method with a job_id): JobNotFound.
    """

    def __init__(self, database: Database, links: Links, board: AttemptBoard, locks: JobLocks) -> None:
        self._database, self._links, self._board, self._locks = database, links, board, locks

    async def update_presence(self, update: PresenceUpdate) -> Attempt:
        """A party tells where it stands.

        Raises:
            JobError: the party or the component's participants are not of this job.
            AttemptEnded: the job is over, and this party is not to begin it anew.
        """

        def work(step: _Step) -> Attempt:
            if step.job.initiator != update.initiator:
                raise AccessDenied(f"{update.initiator} is not the initiator of job {step.job.job_id}.")
            if update.presence.party not in _parties(step.job):
                raise JobError(f"{update.presence.party} does not take part in job {step.job.job_id}.")
            if update.presence.presence is Presence.JOINED:
                return _join(step, update)
            return _stand(step, update)

        return await self._in_turn(update.task.job_id, work)

    async def report_job(self, report: JobReport) -> JobVerdict:
        """A party's run has ended; the initiator's ends the job."""

        def work(step: _Step) -> JobVerdict:
            job = set_party(step.session, report.job_id, report.party, report.status)
            if report.party != job.initiator:
                detail = f"{report.party}: its run of the job has ended ({report.status})"
                for attempt in newest_attempts(step.session, job.job_id):
                    seat = attempt.seat(report.party)
                    waits = seat is not None and seat.participates and seat.presence is Presence.ABSENT
                    if waits and not attempt.decided and not attempt.rerun:
                        step.save(rules.failed(attempt, detail, step.now))
                return JobVerdict(job.status, job.detail)
            if job.status is not JobStatus.CANCELED:
                status = report.status if report.status.ended else JobStatus.FAILED
                job = set_job(step.session, job.job_id, status, report.detail, step.now)
            detail = f"{report.party}: its run of the job has ended ({report.status})"
            _decide_all(step, lambda attempt: rules.failed(attempt, detail, step.now))
            return JobVerdict(job.status, job.detail)

        return await self._in_turn(report.job_id, work)

    async def cancel(self, job_id: str, detail: str) -> JobVerdict:
        """A person stops the job. One that has ended stays as it is."""

        def work(step: _Step) -> JobVerdict:
            job = step.job
            if not job.status.ended:
                job = set_job(step.session, job_id, JobStatus.CANCELED, detail, step.now)
            _decide_all(step, lambda attempt: rules.canceled(attempt, detail, step.now))
            return JobVerdict(job.status, job.detail)

        return await self._in_turn(job_id, work)

    async def silence(self, parties: Sequence[Party], detail: str) -> None:
        """The gateway of these parties does not answer: the running attempts that need them fail."""
        for running in self._board.running():
            concerned = set(parties) & set(running.participants)
            if concerned and self._coordinates(await self._job(running.task.job_id)):
                await self._in_turn(running.task.job_id, partial(_silence, running, parties, detail))

    async def resume(self) -> None:
        """After a restart, tell the sites how the newest attempts stand: some news may not have got out."""
        for attempt in await self._board.resume():
            job = await self._job(attempt.task.job_id)
            if self._coordinates(job):
                self._publish(job, attempt)

    async def _job(self, job_id: str) -> Job:
        return await self._database.run(lambda session: load_job(session, job_id))

    def _coordinates(self, job: Job) -> bool:
        return self._links.is_local(job.initiator)

    async def _in_turn(self, job_id: str, work: Callable[[_Step], T]) -> T:
        """One transaction on a job at a time; what it changed is published when it is in the database."""

        def transaction(session: Session) -> tuple[T, _Step]:
            step = _Step(session, load_job(session, job_id), time.time())
            if not self._coordinates(step.job):
                raise AccessDenied(f"Job {job_id} is coordinated by the site of {step.job.initiator}, not by this one.")
            return work(step), step

        async with self._locks.hold(job_id):
            answer, step = await self._database.run(transaction)
            for attempt in step.changed:
                self._publish(step.job, attempt)
        return answer

    def _publish(self, job: Job, attempt: Attempt) -> None:
        for site in self._links.sites(_parties(job)):
            site.publish_attempt(attempt)


def _parties(job: Job) -> tuple[Party, ...]:
    return tuple(at.party for at in job.parties)


def _decide_all(step: _Step, decide: Callable[[Attempt], Attempt]) -> None:
    for attempt in newest_attempts(step.session, step.job.job_id):
        if not attempt.decided:
            step.save(decide(attempt))


def _silence(running: Attempt, parties: Sequence[Party], detail: str, step: _Step) -> None:
    for attempt in load_attempts(step.session, running.task):
        if attempt.number == running.number:
            after = rules.silenced(attempt, parties, detail, step.now)
            if after is not attempt:
                step.save(after)


def _stand(step: _Step, update: PresenceUpdate) -> Attempt:
    """A party parks, reports, or is lost."""
    seat = update.presence
    attempts = load_attempts(step.session, update.task)
    attempt = _attended(attempts, update)
    if attempt is None:
        raise JobError(f"{seat.party} attends no attempt of {update.task}.")
    if seat.presence is Presence.PARKED:
        after = rules.parked(attempt, seat.party, seat.instance, step.now)
    elif seat.presence.reported:
        after = rules.reported(attempt, seat.party, seat.instance, seat.presence, seat.detail, step.now)
    else:
        raise JobError(f"A party cannot become {seat.presence}.")
    return attempt if after is attempt else step.save(after)


def _attended(attempts: Sequence[Attempt], update: PresenceUpdate) -> Attempt | None:
    """The attempt that an update is about: the one it names, else the newest in which its instance has a seat."""
    for attempt in reversed(attempts):
        seat = attempt.seat(update.presence.party)
        named = update.attempt == attempt.number
        mine = update.attempt == 0 and seat is not None and seat.instance == update.presence.instance
        if named or mine:
            return attempt
    return None


def _join(step: _Step, update: PresenceUpdate) -> Attempt:
    """A party's task comes: into the attempt that it knows, the one that waits, or a new one."""
    party, instance = update.presence.party, update.presence.instance
    if any(at.party == party and at.status is JobStatus.WAITING for at in step.job.parties):
        step.job = set_party(step.session, step.job.job_id, party, JobStatus.RUNNING)
    attempts = load_attempts(step.session, update.task)
    attended = _attended(attempts, update)
    if attended is not None and attended.decided:
        return attended
    attempt = attended or (attempts[-1] if attempts else None)
    if attempt is not None and attempt.decided and _never_came(attempt, party):
        # Decided before this party's task came: without it, or only by what others did. It ends as they did.
        return step.save(rules.joined(attempt, party, instance, step.now))
    if attempt is None or attempt.decided:
        return _join_new(step, update, len(attempts) + 1)
    if set(attempt.participants) != set(update.participants):
        return step.save(rules.failed(attempt, _disagreement(attempt, update), step.now))
    after = rules.joined(attempt, party, instance, step.now)
    if after.decided:
        # Its former task still counted as running.
        step.save(after)
        return _join_new(step, update, attempt.number + 1)
    if party == step.job.initiator and _may_have_ended(step, attempt.number):
        after = rules.rerun(after)
    return attempt if after is attempt else step.save(after)


def _never_came(attempt: Attempt, party: Party) -> bool:
    seat = attempt.seat(party)
    return seat is not None and seat.presence is Presence.ABSENT


def _join_new(step: _Step, update: PresenceUpdate, number: int) -> Attempt:
    party, participants = update.presence.party, update.participants
    if not participants or not set(participants) <= set(_parties(step.job)):
        raise JobError(f"The participants that {party} names for {update.task} are not parties of the job.")
    _reopen(step, party)
    attempt = rules.opened(update.task, number, _parties(step.job), participants, step.now)
    if party == step.job.initiator and _may_have_ended(step, number):
        attempt = rules.rerun(attempt)
    log.info("attempt %d of %s opened by %s", number, update.task, party)
    return step.save(rules.joined(attempt, party, update.presence.instance, step.now))


def _may_have_ended(step: _Step, number: int) -> bool:
    """Whether parties may have ended their tasks of this component: in an earlier attempt of it, or without any
    because a component before it failed and is run again now."""
    return number > 1 or has_later_attempts(step.session, step.job.job_id)


def _reopen(step: _Step, party: Party) -> None:
    """A new attempt in a job that has ended: the initiator begins it anew, nobody else does."""
    job = step.job
    if not job.status.ended:
        return
    if party != job.initiator:
        raise AttemptFailed(
            f"Job {job.job_id} has ended ({job.status}). To run a part of it again, clear the task at {job.initiator}."
        )
    if job.status is JobStatus.CANCELED and step.now - job.ended_at < STOP_SETTLES_SECONDS:
        raise AttemptCanceled(f"Job {job.job_id} was stopped: {job.detail}")
    for at in job.parties:
        set_party(step.session, job.job_id, at.party, JobStatus.RUNNING)
    step.job = set_job(step.session, job.job_id, JobStatus.RUNNING, "", 0.0)
    log.info("job %s runs again", job.job_id)


def _disagreement(attempt: Attempt, update: PresenceUpdate) -> str:
    theirs = ", ".join(map(str, attempt.participants)) or "nobody"
    ours = ", ".join(map(str, update.participants)) or "nobody"
    return (
        f"{update.presence.party}: it takes {ours} for the participants of {attempt.task.component}, "
        f"the others take {theirs}: their DAGs are not of the same dsl and conf"
    )
