"""Trainings that have kept checkpoints and are no versions yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.errors import FateFederatedError
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import load_whole_job
from fate_federated.gateway.model_jobs import TrainedModel, trained_model
from fate_federated.gateway.model_store import find_model
from fate_federated.gateway.policy import compile_job
from fate_federated.gateway.schema import JobRow, ModelVersionRow, OutputRow
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.wire.model_records import Checkpoint, VersionInProgress, VersionKind
from fate_federated.wire.records import Job

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"
NEWEST_JOBS = 200
"""A training that so many jobs came after, and that is no version, is not gone on with."""


class ModelProgress:
    """Finds what this site's parties have kept of trainings that run, failed, or wait for their commit."""

    def __init__(self, site: SiteSettings, database: Database) -> None:
        self._site, self._database = site, database
        # What a job trains takes a compilation to know, and never changes.
        self._trained: dict[str, TrainedModel | None] = {}

    async def find(self, name: str) -> list[VersionInProgress]:
        """Those of a model, by its id or name, newest first; also of a model that has no version yet."""

        def kept(session: Session) -> tuple[str, dict[str, list[Checkpoint]]]:
            known = find_model(session, name)
            found: dict[str, list[Checkpoint]] = {}
            for row in session.scalars(_UNFINISHED):
                found.setdefault(row.job_id, []).append(_checkpoint(row))
            return known.model_id if known is not None else "", found

        model_id, found = await self._database.run(kept)
        self._trained = {job_id: trained for job_id, trained in self._trained.items() if job_id in found}
        versions = []
        for job_id, checkpoints in found.items():
            job = await self._database.run(partial(load_whole_job, job_id=job_id))
            trained = await self._what(job)
            if trained is None or (model_id or name) not in (trained.model_id, "" if model_id else trained.name):
                continue
            versions.append(
                VersionInProgress(
                    model_id=trained.model_id,
                    name=trained.name,
                    version=job_id,
                    branch=trained.branch,
                    status=job.status,
                    message=trained.message,
                    author=trained.author,
                    started_at=job.created_at,
                    checkpoints=_newest(checkpoints),
                )
            )
        return sorted(versions, key=lambda version: version.started_at, reverse=True)

    async def _what(self, job: Job) -> TrainedModel | None:
        if job.job_id not in self._trained and job.files is not None:
            try:
                pipeline = await asyncio.to_thread(compile_job, job.files, self._site)
                self._trained[job.job_id] = trained_model(job, job.files, pipeline)
            except FateFederatedError as error:
                log.warning("what job %s trains cannot be told: %s", job.job_id, error)
                self._trained[job.job_id] = None
        return self._trained.get(job.job_id)


# Ids of jobs are digits of their time: the newest are found by the primary key.
_UNFINISHED = select(OutputRow).where(
    OutputRow.kind == CHECKPOINT,
    OutputRow.job_id.in_(select(JobRow.job_id).order_by(JobRow.job_id.desc()).limit(NEWEST_JOBS)),
    ~select(ModelVersionRow.version)
    .where(ModelVersionRow.job_id == OutputRow.job_id, ModelVersionRow.kind == VersionKind.TRAINED)
    .exists(),
)


def _checkpoint(row: OutputRow) -> Checkpoint:
    alias, _, step = row.name.rpartition("@")
    return Checkpoint(row.component, alias, Party.parse(row.party), row.attempt, int(step))


def _newest(checkpoints: Sequence[Checkpoint]) -> tuple[Checkpoint, ...]:
    """The last of each component and party."""
    last: dict[tuple[str, str, Party], Checkpoint] = {}
    for each in sorted(checkpoints, key=lambda each: (each.attempt, each.step)):
        last[each.component, each.alias, each.party] = each
    return tuple(last.values())
