"""Jobs: started by the initiator's site at all sites or at none, and ended everywhere."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from fate_federated.dsl.document import read_json
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.parties import read_initiator, read_parties
from fate_federated.errors import DslError, FateFederatedError, JobError, JobNotFound
from fate_federated.gateway.airflow_api import created_run_id
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.coordinator import Coordinator
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import (
    add_job,
    find_run,
    list_jobs,
    load_job,
    load_whole_job,
    run_of,
    set_job,
    set_party,
)
from fate_federated.gateway.links import Links, SiteLink, with_patience
from fate_federated.gateway.locks import JobLocks
from fate_federated.gateway.mailbox import Mailbox
from fate_federated.gateway.policy import check_files, check_order
from fate_federated.gateway.runs import Runs
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.status import JobStatus
from fate_federated.wire.records import Attempt, Job, JobEnd, JobFiles, JobOrder, JobParty, JobReport, JobVerdict

log = logging.getLogger(__name__)

REACH_SECONDS = 30.0
"""How long a site that does not answer is tried again while a job starts."""

TELL_SECONDS = 600.0
"""The same when a job ends; a site that comes back later asks by itself."""


class Jobs:
    """The jobs of this site: those its parties initiated and those it takes part in."""

    def __init__(
        self,
        site: SiteSettings,
        database: Database,
        links: Links,
        board: AttemptBoard,
        mailbox: Mailbox,
        runs: Runs,
        coordinator: Coordinator,
    ) -> None:
        self._site, self._database, self._links = site, database, links
        self._board, self._mailbox, self._runs, self._coordinator = board, mailbox, runs, coordinator
        self._starting = JobLocks()
        self._last_id = 0
        self._parties: dict[str, frozenset[Party]] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, party: Party, dag_id: str, run_id: str, files: JobFiles) -> Job:
        """The job of a run; at the initiator, it is created at every party first.

        Raises:
            JobError: a party refused it or cannot be reached; or this party is not the one that starts it.
        """
        check_files(files)
        initiator, parties = read_parties_of(files)
        if dag_id != f"{files.name}.{party}":
            raise JobError(f"{dag_id} is not the DAG of {files.name} at {party}.")
        async with self._starting.hold(f"{dag_id} {run_id}"):
            job = await self._database.run(lambda session: find_run(session, dag_id, run_id))
            if party != initiator:
                return await self._take_up(job, party, dag_id, f"{files.name}.{initiator}")
            if job is None or _is_waiting(job, party):
                job = await self._create(job, initiator, parties, run_id, files)
            return job

    async def finish(self, report: JobReport) -> Job:
        """The last word of a party's run."""
        job = await self._database.run(lambda session: set_party(session, report.job_id, report.party, report.status))
        log.info("job %s ended at %s: %s %s", report.job_id, report.party, report.status, report.detail)
        telling = self._hear(self._links.of(job.initiator), report)
        if self._links.is_local(job.initiator):
            await telling
        else:
            self._spawn(telling)
        return await self.get(report.job_id)

    async def report(self, report: JobReport) -> JobVerdict:
        """As the coordinator: a party's run has ended; when it is the initiator's, the job has."""
        verdict = await self._coordinator.report_job(report)
        job = await self.get(report.job_id)
        if report.party == job.initiator and verdict.status.ended:
            log.info("job %s ended: %s %s", job.job_id, verdict.status, verdict.detail)
            self._end_everywhere(job, JobEnd(job.job_id, job.initiator, verdict.status, verdict.detail, stop=False))
        return verdict

    async def stop(self, job_id: str, detail: str) -> Job:
        """Ask the coordinator to stop a job at all parties.

        Raises:
            PartyUnreachable: the coordinator does not answer.
        """
        job = await self.get(job_id)
        await self._links.of(job.initiator).end_job(
            JobEnd(job_id, job.initiator, JobStatus.CANCELED, detail, stop=True)
        )
        return await self.get(job_id)

    async def cancel(self, end: JobEnd) -> None:
        """As the coordinator: a person has stopped the job."""
        log.info("job %s is stopped: %s", end.job_id, end.detail)
        verdict = await self._coordinator.cancel(end.job_id, end.detail)
        job = await self.get(end.job_id)
        if verdict.status is JobStatus.CANCELED:
            self._end_everywhere(job, JobEnd(job.job_id, job.initiator, verdict.status, verdict.detail, stop=True))

    async def create(self, order: JobOrder) -> None:
        """As a site that takes part: check the order, keep the files, create the runs.

        Raises:
            AccessDenied: the site's policy does not allow it.
            JobError: it cannot be.
        """
        pipeline = await asyncio.to_thread(check_order, order, self._site)
        hosted = [party for party in pipeline.parties if party in self._site.hosted]
        automatic = self._site.policy.consent == "automatic"
        async with self._starting.hold(order.job_id):
            changed = await self._runs.receive(order.initiator, order.files)
            job = _new_job(order.job_id, order.files.name, order.run_id, order.initiator, pipeline.parties, time.time())
            if not await self._is_known(job, hosted):
                await self._add(job, order.files)
            log.info("job %s (%s) received from %s", job.job_id, job.name, job.initiator)
            for party in hosted:
                await self._runs.create(
                    party, order.files, order.run_id, unpause=automatic, pause=changed and not automatic
                )
            await self._database.run(lambda session: set_job(session, order.job_id, JobStatus.RUNNING, "", 0.0))

    async def end(self, end: JobEnd) -> None:
        """As a site that takes part: the job is over."""

        def work(session: Session) -> list[tuple[str, str]]:
            job = set_job(session, end.job_id, end.status, end.detail, time.time())
            for at in job.parties:
                # A run of this site that has not begun yet is told so when it does.
                hosted = at.party in self._site.hosted
                if not at.status.ended and not (hosted and at.status is JobStatus.WAITING):
                    set_party(session, job.job_id, at.party, end.status)
            return [run_of(session, job.job_id, at.party) for at in job.parties if at.party in self._site.hosted]

        runs = await self._database.run(work)
        await self._mailbox.drop_job(end.job_id)
        self._board.forget(end.job_id)
        self._parties.pop(end.job_id, None)
        if end.stop:
            await self._runs.stop(runs)

    async def get(self, job_id: str) -> Job:
        """A job without tasks and files."""
        return await self._database.run(lambda session: load_job(session, job_id))

    async def parties_of(self, job_id: str) -> frozenset[Party]:
        """Who takes part in a job: asked for with every message, and never changing."""
        parties = self._parties.get(job_id)
        if parties is None:
            parties = self._parties[job_id] = frozenset(at.party for at in (await self.get(job_id)).parties)
        return parties

    async def get_whole(self, job_id: str) -> Job:
        """A job with its tasks and files."""
        return await self._database.run(lambda session: load_whole_job(session, job_id))

    async def list(self, limit: int, status: JobStatus | None) -> list[Job]:
        """The newest jobs, newest first."""
        return await self._database.run(lambda session: list_jobs(session, min(limit or 20, 1000), status))

    async def run_of(self, job_id: str, party: Party) -> tuple[str, str]:
        """dag_id and run_id of one party's Airflow run."""
        return await self._database.run(lambda session: run_of(session, job_id, party))

    def tidy(self, attempt: Attempt) -> None:
        """Once an attempt is decided, nobody takes its messages any more."""
        if attempt.decided:
            self._spawn(self._mailbox.drop_attempt(attempt.task, attempt.number))

    async def reopen(self, attempt: Attempt) -> None:
        """A site hears of a new attempt in a job that had ended: the initiator began it anew."""

        def work(session: Session) -> None:
            job = load_job(session, attempt.task.job_id)
            if job.status.ended and not attempt.decided:
                set_job(session, job.job_id, JobStatus.RUNNING, "", 0.0)
                for at in job.parties:
                    set_party(session, job.job_id, at.party, JobStatus.RUNNING)

        await self._database.run(work)

    async def resume(self) -> None:
        """After a restart: ask how the jobs stand whose runs have ended here; and clear away spools of ended jobs."""
        jobs = await self._database.run(lambda session: list_jobs(session, 1000, JobStatus.RUNNING))
        for job in jobs:
            for at in job.parties:
                if at.party in self._site.hosted and at.status.ended and not self._links.is_local(job.initiator):
                    report = JobReport(job.job_id, at.party, at.status, "")
                    self._spawn(self._hear(self._links.of(job.initiator), report))
        running = {job.job_id for job in jobs}
        for job_id in self._mailbox.jobs():
            if job_id not in running:
                await self._mailbox.drop_job(job_id)

    async def close(self) -> None:
        """Leave off telling other sites."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _take_up(self, job: Job | None, party: Party, dag_id: str, initiators_dag: str) -> Job:
        if job is None:
            raise JobError(
                f"{dag_id} is started by {initiators_dag.rpartition('.')[2]}: trigger {initiators_dag} there."
            )
        if job.status.ended and _is_waiting(job, party):
            raise JobError(f"Job {job.job_id} ended before {party} began it ({job.status} {job.detail}).")
        return await self._database.run(lambda session: set_party(session, job.job_id, party, JobStatus.RUNNING))

    async def _create(
        self, known: Job | None, initiator: Party, parties: Sequence[Party], run_id: str, files: JobFiles
    ) -> Job:
        """Create a job at all sites or at none."""
        job_id = known.job_id if known else self._new_id()
        sites = dict.fromkeys(self._links.of(party) for party in parties)
        job = _new_job(job_id, files.name, run_id, initiator, parties, time.time())
        await self._add(job, files)
        log.info("job %s (%s) started by %s with %s", job_id, files.name, initiator, ", ".join(map(str, parties)))
        order = JobOrder(job_id, run_id, initiator, files)
        problems = [
            problem
            for problem in await asyncio.gather(*(self._create_at(site, order, parties) for site in sites))
            if problem
        ]
        if problems:
            detail = " ".join(problems)
            log.warning("job %s is not started: %s", job_id, detail)
            end = JobEnd(job_id, initiator, JobStatus.FAILED, detail, stop=True)
            for site in sites:
                if not self._links.is_local(site.parties[0]):
                    self._spawn(self._tell_end(site, end))
            others = [party for party in parties if self._links.is_local(party) and party != initiator]
            await self._runs.stop([await self.run_of(job_id, party) for party in others])
            await self._database.run(lambda session: set_job(session, job_id, JobStatus.FAILED, detail, time.time()))
            raise JobError(detail)

        def work(session: Session) -> Job:
            set_party(session, job_id, initiator, JobStatus.RUNNING)
            return set_job(session, job_id, JobStatus.RUNNING, "", 0.0)

        return await self._database.run(work)

    async def _create_at(self, site: SiteLink, order: JobOrder, parties: Sequence[Party]) -> str:
        """Create a job at one site; gives what went wrong, naming the party."""
        theirs = [party for party in parties if party in site.parties]
        try:
            if self._links.is_local(theirs[0]):
                for party in theirs:
                    if party != order.initiator:
                        await self._runs.create(party, order.files, order.run_id, unpause=True)
            else:
                await with_patience(lambda: site.create_job(order), REACH_SECONDS)
        except FateFederatedError as error:
            return f"{', '.join(map(str, theirs))}: {error}"
        return ""

    async def _is_known(self, job: Job, hosted: Sequence[Party]) -> bool:
        """Whether an order is a repetition.

        Raises:
            JobError: its id or one of its runs is another job's.
        """

        def work(session: Session) -> bool:
            runs = [find_run(session, f"{job.name}.{party}", created_run_id(job.run_id)) for party in hosted]
            try:
                there = load_job(session, job.job_id)
            except JobNotFound:
                there = None
            for other in (there, *runs):
                if other and (other.job_id, other.initiator) != (job.job_id, job.initiator):
                    raise JobError(
                        f"Run {job.run_id} of {job.name}, job {job.job_id}, meets another job {other.job_id}."
                    )
            return there is not None and not there.status.ended

        return await self._database.run(work)

    async def _add(self, job: Job, files: JobFiles) -> None:
        run_ids = {
            at.party: job.run_id if at.party == job.initiator else created_run_id(job.run_id) for at in job.parties
        }
        await self._database.run(lambda session: add_job(session, job, files, run_ids))

    async def _hear(self, coordinator: SiteLink, report: JobReport) -> None:
        """Tell the coordinator, and hear how the job stands."""
        try:
            verdict = await with_patience(lambda: coordinator.report_job(report), TELL_SECONDS)
        except FateFederatedError as error:
            log.warning("the end of job %s at %s could not be told: %s", report.job_id, report.party, error)
            return
        job = await self.get(report.job_id)
        if verdict.status.ended and not job.status.ended:
            await self.end(JobEnd(job.job_id, job.initiator, verdict.status, verdict.detail, stop=False))

    def _end_everywhere(self, job: Job, end: JobEnd) -> None:
        for site in self._links.sites(at.party for at in job.parties):
            self._spawn(self._tell_end(site, end))

    async def _tell_end(self, site: SiteLink, end: JobEnd) -> None:
        try:
            if self._links.is_local(site.parties[0]):
                await self.end(end)
            else:
                await with_patience(lambda: site.end_job(end), TELL_SECONDS)
        except JobNotFound:
            pass  # it never took part
        except FateFederatedError as error:
            parties = ", ".join(map(str, site.parties))
            log.warning("the end of job %s could not be told to %s: %s", end.job_id, parties, error)

    def _new_id(self) -> str:
        """Digits of the time, as FATE's job ids: YYYYmmddHHMMSSffffff and 0; each is later than the last."""
        now = int(datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")) * 10
        self._last_id = max(now, self._last_id + 1)
        return str(self._last_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def read_parties_of(files: JobFiles) -> tuple[Party, tuple[Party, ...]]:
    """The initiator and the parties of a conf, whichever its dialect.

    Raises:
        JobError: it does not say.
    """
    findings = Findings()
    try:
        conf = read_json(files.conf, f"{files.name}_conf.json")
        if not isinstance(conf.value, dict):
            raise JobError(f"The conf of {files.name} is not a JSON object.")
        parties = read_parties(conf, findings)
        initiator = read_initiator(conf, parties, findings)
        if initiator is None or findings.errors:
            raise DslError(findings.errors)
    except DslError as error:
        raise JobError(str(error)) from error
    return initiator, parties


def _new_job(job_id: str, name: str, run_id: str, initiator: Party, parties: Sequence[Party], now: float) -> Job:
    return Job(
        job_id=job_id,
        name=name,
        run_id=run_id,
        initiator=initiator,
        parties=tuple(JobParty(party, f"{name}.{party}", JobStatus.WAITING) for party in parties),
        status=JobStatus.WAITING,
        detail="",
        created_at=now,
        ended_at=0.0,
    )


def _is_waiting(job: Job, party: Party) -> bool:
    return any(at.party == party and at.status is JobStatus.WAITING for at in job.parties)
