"""Attempts and attendances in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.gateway.schema import AttemptRow, AttendanceRow, JobRow
from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import Attempt, PartyPresence, TaskRef

UNDECIDED = tuple(state for state in AttemptState if not state.decided)


def save_attempt(session: Session, attempt: Attempt) -> None:
    """Write an attempt, unless a later revision of it is there."""
    row = session.get(AttemptRow, (attempt.task.job_id, attempt.task.component, attempt.number))
    if row is None:
        row = AttemptRow(job_id=attempt.task.job_id, component=attempt.task.component, number=attempt.number)
        session.add(row)
    elif row.revision >= attempt.revision:
        return
    row.state = attempt.state
    row.detail = attempt.detail
    row.revision = attempt.revision
    row.opened_at = attempt.opened_at
    row.started_at = attempt.started_at
    row.decided_at = attempt.decided_at
    row.rerun = attempt.rerun
    row.seats = [
        [str(seat.party), seat.participates, seat.presence, seat.detail, seat.instance] for seat in attempt.parties
    ]


def load_attempts(session: Session, task: TaskRef) -> list[Attempt]:
    """All attempts of a component, oldest first."""
    rows = session.scalars(
        select(AttemptRow)
        .where(AttemptRow.job_id == task.job_id, AttemptRow.component == task.component)
        .order_by(AttemptRow.number)
    )
    return list(map(_attempt, rows))


def newest_attempts(session: Session, job_id: str) -> list[Attempt]:
    """The newest attempt of each component that has one, in the order of their first ones."""
    rows = session.scalars(select(AttemptRow).where(AttemptRow.job_id == job_id).order_by(AttemptRow.number))
    first: dict[str, float] = {}
    newest: dict[str, AttemptRow] = {}
    for row in rows:
        first.setdefault(row.component, row.opened_at)
        newest[row.component] = row
    return [_attempt(newest[component]) for component in sorted(first, key=first.__getitem__)]


def has_later_attempts(session: Session, job_id: str) -> bool:
    """Whether any component of a job was tried more than once."""
    later = select(AttemptRow.number).where(AttemptRow.job_id == job_id, AttemptRow.number > 1).limit(1)
    return session.scalar(later) is not None


def open_jobs(session: Session) -> list[str]:
    """Ids of the jobs that have not ended."""
    ended = [status for status in JobStatus if status.ended]
    return list(session.scalars(select(JobRow.job_id).where(JobRow.status.not_in(ended))))


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        task=TaskRef(row.job_id, row.component),
        number=row.number,
        state=AttemptState(row.state),
        detail=row.detail,
        parties=tuple(
            PartyPresence(Party.parse(party), participates, Presence(presence), detail, instance)
            for party, participates, presence, detail, instance in row.seats
        ),
        revision=row.revision,
        opened_at=row.opened_at,
        started_at=row.started_at,
        decided_at=row.decided_at,
        rerun=row.rerun,
    )


def save_attendance(session: Session, task: TaskRef, attempt: int, seat: PartyPresence) -> None:
    """Where a party of this site stands; replaces what was known of it in this component."""
    session.merge(
        AttendanceRow(
            job_id=task.job_id,
            component=task.component,
            party=str(seat.party),
            attempt=attempt,
            instance=seat.instance,
            participates=seat.participates,
            presence=seat.presence,
            detail=seat.detail,
        )
    )


def load_attendance(session: Session, task: TaskRef, party: Party) -> tuple[int, PartyPresence] | None:
    """The attempt that a party of this site attends, or attended last, and where it stands there."""
    row = session.get(AttendanceRow, (task.job_id, task.component, str(party)))
    return None if row is None else (row.attempt, _seat(row))


def load_attendances(session: Session, jobs: Sequence[str]) -> list[tuple[TaskRef, int, PartyPresence]]:
    """All of some jobs."""
    rows = session.scalars(select(AttendanceRow).where(AttendanceRow.job_id.in_(jobs)))
    return [(TaskRef(row.job_id, row.component), row.attempt, _seat(row)) for row in rows]


def _seat(row: AttendanceRow) -> PartyPresence:
    return PartyPresence(Party.parse(row.party), row.participates, Presence(row.presence), row.detail, row.instance)
