"""The versions that jobs make: a job that trains and succeeds is committed at all its parties."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.dsl.pipeline import Mode, Pipeline
from fate_federated.errors import FateFederatedError, RegistryError
from fate_federated.gateway.attempt_store import newest_attempts
from fate_federated.gateway.background import Background
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import list_jobs, load_whole_job
from fate_federated.gateway.model_coordinator import ModelCoordinator
from fate_federated.gateway.model_requests import head
from fate_federated.gateway.model_store import find_model, operation_row, version_of_job
from fate_federated.gateway.policy import compile_job, read_overrides
from fate_federated.gateway.schema import ModelOperationRow, ModelVersionRow, SummaryRow
from fate_federated.registry.names import DEFAULT_BRANCH, check_ref_name, model_key
from fate_federated.settings import SiteSettings
from fate_federated.status import JobStatus
from fate_federated.wire.model_records import Action, ModelChange, NewVersion, RefKind, RefMove, VersionKind
from fate_federated.wire.records import Job, JobFiles

log = logging.getLogger(__name__)

RESUME_SECONDS = 24 * 3600.0
"""Jobs that ended so long before a restart have been committed, or somebody has seen that they were not."""

BRANCH, MESSAGE, AUTHOR = "model_branch", "model_message", "model_author"
"""What a conf's job parameters, or a run's conf, may say of the version that a training makes."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a job trains: which model, and what is said of its version.

    Attributes:
        loaders: components that hand on a model of an earlier version.
    """

    model_id: str
    name: str
    branch: str
    message: str
    author: str
    loaders: tuple[str, ...]


def trained_model(job: Job, files: JobFiles, pipeline: Pipeline) -> TrainedModel | None:
    """What a job leaves in the registry; None for one that trains nothing.

    Raises:
        RegistryError: the branch that it names cannot be one.
    """
    if pipeline.mode is not Mode.TRAIN or not any(node.model_outputs for node in pipeline.nodes):
        return None
    given = pipeline.job_parameters.model_id
    owners = pipeline.model_id.rpartition("#")[0]
    return TrainedModel(
        model_id=given or f"{owners}#{job.name}",
        name=model_key(given) if given and model_key(given) != "model" else job.name,
        branch=branch_of(files, pipeline),
        message=_said(files, pipeline, MESSAGE) or f"Train {job.name}, run {job.run_id}",
        author=_said(files, pipeline, AUTHOR) or str(job.initiator),
        loaders=tuple(node.name for node in pipeline.nodes if node.module == "ModelLoader"),
    )


def branch_of(files: JobFiles, pipeline: Pipeline) -> str:
    """The branch that a training's version goes to.

    Raises:
        RegistryError: it cannot be one.
    """
    return check_ref_name(_said(files, pipeline, BRANCH) or DEFAULT_BRANCH)


def _said(files: JobFiles, pipeline: Pipeline, key: str) -> str:
    """What a run's conf, or else the job's, says of its version; empty for nothing."""
    value = read_overrides(files).get(key, pipeline.job_parameters.settings.get(key))
    return value if isinstance(value, str) else ""


def _loaded(session: Session, job_id: str, loaders: Sequence[str]) -> str:
    """The version that a job's training began with, as its ModelLoader told; empty where there is none here."""
    query = select(SummaryRow).where(SummaryRow.job_id == job_id, SummaryRow.component.in_(loaders))
    for row in session.scalars(query.order_by(SummaryRow.attempt.desc())):
        version = json.loads(row.summary).get("model_version")
        if isinstance(version, str) and session.get(ModelVersionRow, version) is not None:
            return version
    return ""


class ModelJobs:
    """Commits what the jobs of this site's initiators trained."""

    def __init__(self, site: SiteSettings, database: Database, coordinator: ModelCoordinator) -> None:
        self._site, self._database, self._coordinator = site, database, coordinator
        self._background = Background()

    def ended(self, job: Job) -> None:
        """As the coordinator of a job that has ended."""
        if job.status is JobStatus.SUCCESS:
            self._background.spawn(self._try_commit(job.job_id))

    async def commit(self, job_id: str, *, again: bool = False) -> str:
        """Queue the version of a job that succeeded.

        Args:
            again: a former try was given up.

        Returns:
            id of the change; empty for a job that trains nothing.

        Raises:
            JobNotFound: there is none.
            RegistryError: it has not succeeded, or is coordinated elsewhere.
        """
        job = await self._database.run(lambda session: load_whole_job(session, job_id))
        if job.initiator not in self._site.hosted:
            raise RegistryError(f"Job {job_id} is coordinated by {job.initiator}: ask there.")
        if job.status is not JobStatus.SUCCESS or job.files is None:
            raise RegistryError(f"Job {job_id} is {job.status}: only what succeeded becomes a version.")
        pipeline = await asyncio.to_thread(compile_job, job.files, self._site)
        model = trained_model(job, job.files, pipeline)
        if model is None:
            return ""

        def plan(session: Session) -> ModelChange:
            return _plan(session, job, model, self._coordinator.new_version(), again=again)

        change = await self._database.run(plan)
        await self._coordinator.commit(change)
        return change.change_id

    async def resume(self) -> None:
        """After a restart: commit what had ended and was not queued."""

        def missed(session: Session) -> list[str]:
            since = time.time() - RESUME_SECONDS
            jobs = [job for job in list_jobs(session, 1000, JobStatus.SUCCESS) if job.ended_at > since]
            jobs = [job for job in jobs if job.initiator in self._site.hosted]
            return [job.job_id for job in jobs if operation_row(session, _change_id(session, job.job_id)) is None]

        for job_id in await self._database.run(missed):
            self._background.spawn(self._try_commit(job_id))

    async def close(self) -> None:
        await self._background.close()

    async def _try_commit(self, job_id: str) -> None:
        try:
            await self.commit(job_id)
        except FateFederatedError as error:
            log.error("job %s makes no version: %s", job_id, error)


def _plan(session: Session, job: Job, model: TrainedModel, new_version: str, *, again: bool) -> ModelChange:
    change_id = _change_id(session, job.job_id)
    if again:
        tries = session.scalars(
            select(ModelOperationRow.change_id).where(ModelOperationRow.change_id.startswith(change_id))
        ).all()
        change_id = f"{change_id}.{len(tries)}"
    # A job that is run again after its end makes a second version.
    version = job.job_id if session.get(ModelVersionRow, job.job_id) is None else new_version
    before = version_of_job(session, job.job_id)
    parent = head(session, model.model_id, model.branch)
    known = find_model(session, model.model_id)
    return ModelChange(
        change_id=change_id,
        action=Action.COMMIT,
        model_id=model.model_id,
        name=known.name if known is not None else model.name,
        initiator=job.initiator,
        parties=tuple(at.party for at in job.parties),
        by=job.initiator,
        author=model.author,
        message=model.message if before is None else f"{model.message}, again",
        created_at=time.time(),
        version=NewVersion(
            version, parent, _loaded(session, job.job_id, model.loaders), VersionKind.TRAINED, job.job_id
        ),
        moves=(RefMove(RefKind.BRANCH, model.branch, parent, version),),
    )


def _change_id(session: Session, job_id: str) -> str:
    """Of the version that a job made with its newest attempts."""
    attempts = [[attempt.task.component, attempt.number] for attempt in newest_attempts(session, job_id)]
    return f"{job_id}-{hashlib.sha256(json.dumps(attempts).encode()).hexdigest()[:12]}"
