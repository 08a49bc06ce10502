"""The start of jobs: at all sites or at none."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from fate_federated.dsl.document import read_json
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.parties import read_initiator, read_parties
from fate_federated.dsl.pipeline import Mode
from fate_federated.dsl.run_conf import MODEL_VERSION
from fate_federated.errors import DslError, FateFederatedError, JobError, JobNotFound
from fate_federated.gateway.background import Background
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import add_job, find_run, list_jobs, load_job, run_of, set_job, set_party
from fate_federated.gateway.jobs import Jobs
from fate_federated.gateway.links import Links, SiteLink, with_patience
from fate_federated.gateway.locks import JobLocks
from fate_federated.gateway.model_jobs import branch_of
from fate_federated.gateway.model_store import resolve
from fate_federated.gateway.policy import check_files, check_order, compile_job, read_overrides
from fate_federated.gateway.roster import Roster
from fate_federated.gateway.runs import Runs
from fate_federated.gateway.schema import ModelVersionRow
from fate_federated.gateway.tables import Tables
from fate_federated.gateway.tables_of_job import check_tables_exist
from fate_federated.party import Party
from fate_federated.run_id import created_run_id
from fate_federated.settings import SiteSettings
from fate_federated.status import JobStatus
from fate_federated.trained_jobs import TrainedJobs
from fate_federated.wire.records import Job, JobEnd, JobFiles, JobOrder, JobParty

log = logging.getLogger(__name__)

REACH_SECONDS = 30.0
"""How long a site that does not answer is tried again while a job starts."""


class JobStart:
    """Starts jobs that this site's parties initiate, and takes part in those of others."""

    def __init__(
        self, site: SiteSettings, database: Database, roster: Roster, links: Links, runs: Runs, jobs: Jobs,
        tables: Tables,
    ) -> None:  # fmt: skip
        self._site, self._database, self._roster, self._links = site, database, roster, links
        self._runs, self._jobs, self._tables = runs, jobs, tables
        self._locks = JobLocks()
        self._last_id = 0
        self._background = Background()
        self._taking_back: dict[str, list[asyncio.Task[None]]] = {}

    async def start(self, party: Party, dag_id: str, run_id: str, files: JobFiles) -> Job:
        """The job of a run; at the initiator, it is created at every party first.

        Raises:
            JobError: a party refused it, lacks a table that it names, or cannot be reached; or this party is not the
                one that starts it.
        """
        check_files(files)
        initiator, parties = read_parties_of(files)
        if dag_id != f"{files.name}.{party}":
            raise JobError(f"{dag_id} is not the DAG of {files.name} at {party}.")
        async with self._locks.hold(f"{dag_id} {run_id}"):
            job = await self._database.run(lambda session: find_run(session, dag_id, run_id))
            if party != initiator:
                return await self._take_up(job, party, dag_id, f"{files.name}.{initiator}")
            if job is None or _is_waiting(job, party):
                await self._check_own(files, parties)
                files = await self._name_version(files)
                job = await self._create(job, initiator, parties, run_id, files)
            return job

    async def create(self, order: JobOrder) -> None:
        """As a site that takes part: check the order, keep the files, create the runs.

        Raises:
            AccessDenied: the site's policy does not allow it.
            JobError: it cannot be, or names a table that is not here.
        """
        pipeline = await asyncio.to_thread(check_order, order, self._site)
        hosted = [party for party in pipeline.parties if party in self._site.hosted]
        await check_tables_exist(order.files, pipeline, hosted, self._tables)
        automatic = self._site.policy.consent == "automatic"
        # Of jobs of one name, which may differ, the files are here for one at a time.
        async with self._locks.hold(f"files of {order.files.name}"), self._locks.hold(order.job_id):
            changed = await self._runs.receive(order.initiator, order.files)
            job = _new_job(order.job_id, order.files.name, order.run_id, order.initiator, pipeline.parties, time.time())
            if not await self._is_known(job, hosted):
                await self._add(job, order.files)
            log.info("job %s (%s) received from %s", job.job_id, job.name, job.initiator)
            for party in hosted:
                await self._runs.create(
                    party, order.files, order.run_id, unpause=automatic, pause=changed and not automatic
                )
            await self._database.run(lambda session: _begin(session, order.job_id))

    async def _check_own(self, files: JobFiles, parties: Sequence[Party]) -> None:
        """Before other sites hear of a job: whether the tables of this site's parties are there, and a training's
        version can go to the branch that it names.
        """
        hosted = [party for party in parties if self._links.is_local(party)]
        pipeline = await asyncio.to_thread(compile_job, files, self._site)
        if pipeline.mode is Mode.TRAIN:
            branch_of(files, pipeline)
        await check_tables_exist(files, pipeline, hosted, self._tables)

    async def _name_version(self, files: JobFiles) -> JobFiles:
        """Where a job predicts with a branch or tag: the version that it points to now, for the parties of this run."""
        pipeline = await asyncio.to_thread(compile_job, files, self._site)
        overrides = read_overrides(files)
        text = overrides.get(MODEL_VERSION, pipeline.job_parameters.model_version)
        if pipeline.mode is not Mode.PREDICT or not isinstance(text, str):
            return files
        own = [node for node in pipeline.nodes if pipeline.initiator in node.participants]
        needed = {edge.source for node in own for edge in node.inputs if edge.trained}
        version = await self._database.run(lambda session: _version_for(session, text, needed))
        if not version:
            return files
        return replace(files, overrides=json.dumps({**overrides, MODEL_VERSION: version}))

    async def resume(self) -> None:
        """After a restart: take back the jobs whose start it cut short. Starting such a run again begins anew."""
        for job in await self._database.run(lambda session: list_jobs(session, 1000, JobStatus.WAITING)):
            if self._links.is_local(job.initiator):
                await self._take_back(job, "The initiator's gateway was restarted while the job started.")

    async def close(self) -> None:
        """Leave off telling other sites."""
        await self._background.close()

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
        await self._leave_off(job_id)
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
            await self._take_back(job, detail)
            raise JobError(detail)

        def work(session: Session) -> Job:
            set_party(session, job_id, initiator, JobStatus.RUNNING)
            return _begin(session, job_id)

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

    async def _take_back(self, job: Job, detail: str) -> None:
        """A job does not start: the sites that have it already are told so, and its runs are stopped."""
        log.warning("job %s is not started: %s", job.job_id, detail)
        parties = [at.party for at in job.parties]
        others = [party for party in parties if not self._links.is_local(party)]

        def work(session: Session) -> tuple[Job, list[tuple[str, str]]]:
            now = load_job(session, job.job_id)
            if not now.status.ended:  # by a person who stopped it
                now = set_job(session, job.job_id, JobStatus.FAILED, detail, time.time())
            own = [party for party in parties if party not in others and party != job.initiator]
            return now, [run_of(session, job.job_id, party) for party in own]

        now, runs = await self._database.run(work)
        end = JobEnd(now.job_id, now.initiator, now.status, now.detail, stop=True)
        self._taking_back[job.job_id] = [
            self._background.spawn(self._jobs.tell_end(site, end)) for site in self._links.sites(others)
        ]
        await self._runs.stop(runs)

    async def _leave_off(self, job_id: str) -> None:
        """The job is to start after all."""
        tasks = self._taking_back.pop(job_id, [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        await asyncio.to_thread(TrainedJobs(self._site.trained_jobs).keep, job.job_id, files)
        await self._database.run(lambda session: add_job(session, job, files, run_ids))
        self._roster.forget(job.job_id)

    def _new_id(self) -> str:
        """Digits of the time, as FATE's job ids: YYYYmmddHHMMSSffffff and 0; each is later than the last."""
        now = int(datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")) * 10
        self._last_id = max(now, self._last_id + 1)
        return str(self._last_id)


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
        parties, _ = read_parties(conf, findings)
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


def _begin(session: Session, job_id: str) -> Job:
    """All runs of a job are there.

    Raises:
        JobError: it was ended in the meantime.
    """
    job = load_job(session, job_id)
    if job.status.ended:
        raise JobError(f"Job {job_id} was ended before it began: {job.status} {job.detail}")
    return set_job(session, job_id, JobStatus.RUNNING, "", 0.0)


def _version_for(session: Session, text: str, needed: set[str]) -> str:
    """The version to predict with; empty where the registry does not know it, and the job's own outputs are used.

    Raises:
        JobError: it cannot be used.
        ModelNotFound: a branch or tag is not there.
    """
    if text.isdecimal() and session.get(ModelVersionRow, text) is None:
        return ""
    row = resolve(session, "", text)
    if row.retired:
        raise JobError(f"Version {row.version} is retired. `fate model unretire {row.version}` makes it usable again.")
    missing = sorted(needed - {component for component, _, _ in row.models})
    if missing and row.models:
        raise JobError(
            f"{text} is version {row.version}, which has no model of {', '.join(missing)}, and this job's dsl was made "
            "for one that has. Save the job's conf again, or name another version."
        )
    return row.version


def _is_waiting(job: Job, party: Party) -> bool:
    return any(at.party == party and at.status is JobStatus.WAITING for at in job.parties)
