"""Jobs once they have started: how they stand, and their end everywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from fate_federated.errors import FateFederatedError, JobNotFound
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.background import Background
from fate_federated.gateway.coordinator import Coordinator
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import list_jobs, load_job, load_whole_job, run_of, set_job, set_party
from fate_federated.gateway.links import Links, SiteLink, with_patience
from fate_federated.gateway.mailbox import Mailbox
from fate_federated.gateway.roster import Roster
from fate_federated.gateway.runs import Runs
from fate_federated.party import Party
from fate_federated.status import JobStatus
from fate_federated.wire.records import Attempt, Job, JobEnd, JobReport, JobVerdict

log = logging.getLogger(__name__)

TELL_SECONDS = 600.0
"""How long a site that does not answer is told the end of a job; one that comes back later asks by itself."""


class Jobs:
    """The jobs of this site: those its parties initiated and those it takes part in."""

    def __init__(
        self,
        hosted: tuple[Party, ...],
        database: Database,
        roster: Roster,
        links: Links,
        board: AttemptBoard,
        mailbox: Mailbox,
        runs: Runs,
        coordinator: Coordinator,
    ) -> None:
        self._hosted, self._database, self._roster, self._links = hosted, database, roster, links
        self._board, self._mailbox, self._runs, self._coordinator = board, mailbox, runs, coordinator
        self._background = Background()
        self._ended: list[Callable[[Job], None]] = []

    def on_end(self, call: Callable[[Job], None]) -> None:
        """Have ``call`` called with each job that has ended and that this site coordinates."""
        self._ended.append(call)

    async def finish(self, report: JobReport) -> Job:
        """The last word of a party's run."""
        job = await self._database.run(lambda session: set_party(session, report.job_id, report.party, report.status))
        log.info("job %s ended at %s: %s %s", report.job_id, report.party, report.status, report.detail)
        telling = self._hear(self._links.of(job.initiator), report)
        if self._links.is_local(job.initiator):
            await telling
        else:
            self._background.spawn(telling)
        return await self.get(report.job_id)

    async def report(self, report: JobReport) -> JobVerdict:
        """As the coordinator: a party's run has ended; when it is the initiator's, the job has."""
        verdict = await self._coordinator.report_job(report)
        job = await self.get(report.job_id)
        if report.party == job.initiator and verdict.status.ended:
            log.info("job %s ended: %s %s", job.job_id, verdict.status, verdict.detail)
            self._end_everywhere(job, JobEnd(job.job_id, job.initiator, verdict.status, verdict.detail, stop=False))
            for call in self._ended:
                call(job)
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

    async def end(self, end: JobEnd) -> None:
        """As a site that takes part: the job is over."""

        def work(session: Session) -> list[tuple[str, str]]:
            job = set_job(session, end.job_id, end.status, end.detail, time.time())
            for at in job.parties:
                # A run of this site that has not begun yet is told so when it does.
                hosted = at.party in self._hosted
                if not at.status.ended and not (hosted and at.status is JobStatus.WAITING):
                    set_party(session, job.job_id, at.party, end.status)
            return [run_of(session, job.job_id, at.party) for at in job.parties if at.party in self._hosted]

        runs = await self._database.run(work)
        await self._mailbox.drop_job(end.job_id)
        self._board.forget(end.job_id)
        self._roster.forget(end.job_id)
        if end.stop:
            self._background.spawn(self._runs.wind_down(runs))

    async def get(self, job_id: str) -> Job:
        """A job without tasks and files."""
        return await self._database.run(lambda session: load_job(session, job_id))

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
            self._background.spawn(self._mailbox.drop_attempt(attempt.task, attempt.number))

    async def reopen(self, job_id: str) -> None:
        """A site hears of a new attempt in a job that had ended: the initiator began it anew."""

        def work(session: Session) -> None:
            job = load_job(session, job_id)
            if job.status.ended:
                set_job(session, job_id, JobStatus.RUNNING, "", 0.0)
                for at in job.parties:
                    set_party(session, job_id, at.party, JobStatus.RUNNING)

        await self._database.run(work)

    async def resume(self) -> None:
        """After a restart: ask how the jobs stand whose runs have ended here; and clear away spools of ended jobs."""
        jobs = await self._database.run(lambda session: list_jobs(session, 1000, JobStatus.RUNNING))
        for job in jobs:
            for at in job.parties:
                if at.party in self._hosted and at.status.ended and not self._links.is_local(job.initiator):
                    report = JobReport(job.job_id, at.party, at.status, "")
                    self._background.spawn(self._hear(self._links.of(job.initiator), report))
        running = {job.job_id for job in jobs}
        for job_id in self._mailbox.jobs():
            if job_id not in running:
                await self._mailbox.drop_job(job_id)

    async def close(self) -> None:
        """Leave off telling other sites."""
        await self._background.close()

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
            self._background.spawn(self.tell_end(site, end))

    async def tell_end(self, site: SiteLink, end: JobEnd) -> None:
        """As the coordinator: tell one site that a job is over, whenever that can be reached again."""
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
