"""The site's table catalogue."""

from __future__ import annotations

import time
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.errors import DataError, TableNotFound
from fate_federated.gateway.database import Database
from fate_federated.gateway.schema import TableRow
from fate_federated.wire.records import Column, TableRecord


class Tables:
    """What tables there are and where their files lie."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, table: TableRecord, *, replace_existing: bool) -> TableRecord:
        """Add a table.

        Raises:
            DataError: there is another of that name, and it is not to be replaced.
        """
        dated = replace(table, created_at=time.time())

        def work(session: Session) -> TableRecord:
            row = session.get(TableRow, (table.namespace, table.name))
            if row is not None and not replace_existing:
                there = _record(row)
                if replace(there, created_at=table.created_at) == table:
                    return there
                raise DataError(
                    f"There is a table {table.namespace}.{table.name} already. "
                    "Give the new one another name, or say that it replaces the old one."
                )
            session.merge(_row(dated))
            return dated

        return await self._database.run(work)

    async def get(self, namespace: str, name: str) -> TableRecord:
        """A table.

        Raises:
            TableNotFound: there is none.
        """
        return await self._database.run(lambda session: _record(_find(session, namespace, name)))

    async def list(self, namespace: str) -> list[TableRecord]:
        """By namespace and name; all namespaces if none is given."""
        query = select(TableRow).order_by(TableRow.namespace, TableRow.name)
        if namespace:
            query = query.where(TableRow.namespace == namespace)
        return await self._database.run(lambda session: list(map(_record, session.scalars(query))))

    async def delete(self, namespace: str, name: str) -> TableRecord:
        """Forget a table.

        Raises:
            TableNotFound: there is none.
        """

        def work(session: Session) -> TableRecord:
            row = _find(session, namespace, name)
            session.delete(row)
            return _record(row)

        return await self._database.run(work)


def _find(session: Session, namespace: str, name: str) -> TableRow:
    row = session.get(TableRow, (namespace, name))
    if row is None:
        raise TableNotFound(namespace, name)
    return row


def _row(table: TableRecord) -> TableRow:
    return TableRow(
        namespace=table.namespace,
        name=table.name,
        location=table.location,
        rows=table.rows,
        id_column=table.id_column,
        columns=[[column.name, column.type] for column in table.columns],
        bytes=table.bytes,
        created_at=table.created_at,
    )


def _record(row: TableRow) -> TableRecord:
    return TableRecord(
        namespace=row.namespace,
        name=row.name,
        location=row.location,
        rows=row.rows,
        id_column=row.id_column,
        columns=tuple(Column(name, kind) for name, kind in row.columns),
        bytes=row.bytes,
        created_at=row.created_at,
    )
