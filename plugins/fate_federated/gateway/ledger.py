"""The egress ledger: what left a party of this site for another party."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from fate_federated.errors import MessageRejected
from fate_federated.gateway.database import Database
from fate_federated.gateway.schema import EgressRow
from fate_federated.party import Party
from fate_federated.wire.records import EgressRecord, Header, TaskRef

MAX_RECORDS = 100_000
MAX_SHAPE = 4096


class Ledger:
    """Written before the first byte of a message leaves; kept when its job is over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, header: Header, *, left_site: bool) -> None:
        """Enter a message. A repetition of one that was entered before is no new one.

        Raises:
            MessageRejected: another message was sent under this tag.
        """

        row = _row(header, left_site, time.time())

        def work(session: Session) -> None:
            insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
            # On the connection: what the session adds to an insert takes longer than all the rest.
            entered = session.connection().execute(insert(EgressRow).values(**row).on_conflict_do_nothing())
            if entered.rowcount == 0 and bytes(session.scalars(_known(row)).one().digest) != header.digest:
                raise MessageRejected(f"Another message was sent before under the tag {header.tag!r}.")

        await self._database.run(work)

    async def list(self, job_id: str, component: str, limit: int) -> list[EgressRecord]:
        """The newest entries, oldest first.

        Args:
            job_id, component: empty for all.
        """
        query = select(EgressRow).order_by(EgressRow.number.desc()).limit(min(limit or 1000, MAX_RECORDS))
        if job_id:
            query = query.where(EgressRow.job_id == job_id)
        if component:
            query = query.where(EgressRow.component == component)
        return await self._database.run(lambda session: [_record(row) for row in session.scalars(query)][::-1])


def _row(header: Header, left_site: bool, now: float) -> dict[str, Any]:
    return {
        "job_id": header.task.job_id,
        "component": header.task.component,
        "attempt": header.attempt,
        "sender": str(header.sender),
        "receiver": str(header.receiver),
        "tag": header.tag,
        "kind": header.kind,
        "shape": header.shape[:MAX_SHAPE],
        "bytes": header.bytes,
        "digest": header.digest,
        "sent_at": now,
        "left_site": left_site,
    }


def _known(row: dict[str, Any]) -> Select[EgressRow]:
    """Query for the message that was entered before."""
    names = ("job_id", "component", "attempt", "sender", "receiver", "tag")
    return select(EgressRow).filter_by(**{name: row[name] for name in names})


def _record(row: EgressRow) -> EgressRecord:
    return EgressRecord(
        number=row.number,
        task=TaskRef(row.job_id, row.component),
        attempt=row.attempt,
        sender=Party.parse(row.sender),
        receiver=Party.parse(row.receiver),
        tag=row.tag,
        kind=row.kind,
        shape=row.shape,
        bytes=row.bytes,
        digest=bytes(row.digest),
        sent_at=row.sent_at,
        left_site=row.left_site,
    )
