"""Jobs in the database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, undefer

from fate_federated.errors import JobNotFound
from fate_federated.gateway.attempt_store import newest_attempts
from fate_federated.gateway.schema import AppliedRequestRow, JobPartyRow, JobRow
from fate_federated.party import Party
from fate_federated.status import JobStatus
from fate_federated.wire.records import Job, JobFiles, JobParty, TaskState


def add_job(session: Session, job: Job, files: JobFiles, run_ids: Mapping[Party, str]) -> None:
    """Write a new job, or anew one of the same id.

    Args:
        run_ids: of each party's own Airflow run.
    """
    row = session.get(JobRow, job.job_id) or JobRow(job_id=job.job_id)
    session.add(row)
    row.name, row.run_id, row.initiator = job.name, job.run_id, str(job.initiator)
    row.status, row.detail, row.created_at, row.ended_at = job.status, job.detail, job.created_at, job.ended_at
    row.dsl, row.conf, row.overrides = files.dsl, files.conf, files.overrides
    row.parties = [
        session.merge(
            JobPartyRow(
                job_id=job.job_id,
                party=str(at.party),
                position=position,
                dag_id=at.dag_id,
                run_id=run_ids[at.party],
                status=at.status,
            )
        )
        for position, at in enumerate(job.parties)
    ]


def load_job(session: Session, job_id: str) -> Job:
    """A job without its tasks and files.

    Raises:
        JobNotFound: there is none.
    """
    return _job(_row(session, job_id))


def load_whole_job(session: Session, job_id: str) -> Job:
    """A job with its tasks and files.

    Raises:
        JobNotFound: there is none.
    """
    row = session.get(JobRow, job_id, options=[undefer(JobRow.dsl), undefer(JobRow.conf), undefer(JobRow.overrides)])
    if row is None:
        raise JobNotFound(job_id)
    tasks = tuple(
        TaskState(
            component=attempt.task.component,
            attempt=attempt.number,
            state=attempt.state,
            detail=attempt.detail,
            opened_at=attempt.opened_at,
            started_at=attempt.started_at,
            decided_at=attempt.decided_at,
        )
        for attempt in newest_attempts(session, job_id)
    )
    return _job(row, tasks, JobFiles(row.name, row.dsl, row.conf, row.overrides))


def list_jobs(session: Session, limit: int, status: JobStatus | None) -> list[Job]:
    """The newest jobs, newest first."""
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.job_id.desc()).limit(limit)
    if status is not None:
        query = query.where(JobRow.status == status)
    return list(map(_job, session.scalars(query)))


def find_run(session: Session, dag_id: str, run_id: str) -> Job | None:
    """The job that an Airflow run belongs to."""
    row = session.scalar(
        select(JobRow).join(JobPartyRow).where(JobPartyRow.dag_id == dag_id, JobPartyRow.run_id == run_id)
    )
    return None if row is None else _job(row)


def run_of(session: Session, job_id: str, party: Party) -> tuple[str, str]:
    """dag_id and run_id of one party's Airflow run.

    Raises:
        JobNotFound: the party has none in this job.
    """
    row = session.get(JobPartyRow, (job_id, str(party)))
    if row is None:
        raise JobNotFound(job_id)
    return row.dag_id, row.run_id


def set_job(session: Session, job_id: str, status: JobStatus, detail: str, ended_at: float) -> Job:
    """Change a job's status. What its applied requests were is forgotten when it ends.

    Raises:
        JobNotFound: there is none.
    """
    row = _row(session, job_id)
    row.status, row.detail, row.ended_at = status, detail, ended_at
    if status.ended:
        session.execute(delete(AppliedRequestRow).where(AppliedRequestRow.job_id == job_id))
    return _job(row)


def set_party(session: Session, job_id: str, party: Party, status: JobStatus) -> Job:
    """Change a job's status at one party.

    Raises:
        JobNotFound: there is none, or the party is not of it.
    """
    row = session.get(JobPartyRow, (job_id, str(party)))
    if row is None:
        raise JobNotFound(job_id)
    row.status = status
    return _job(_row(session, job_id))


def _row(session: Session, job_id: str) -> JobRow:
    row = session.get(JobRow, job_id)
    if row is None:
        raise JobNotFound(job_id)
    return row


def _job(row: JobRow, tasks: tuple[TaskState, ...] = (), files: JobFiles | None = None) -> Job:
    return Job(
        job_id=row.job_id,
        name=row.name,
        run_id=row.run_id,
        initiator=Party.parse(row.initiator),
        parties=tuple(JobParty(Party.parse(at.party), at.dag_id, JobStatus(at.status)) for at in row.parties),
        status=JobStatus(row.status),
        detail=row.detail,
        created_at=row.created_at,
        ended_at=row.ended_at,
        tasks=tasks,
        files=files,
    )
