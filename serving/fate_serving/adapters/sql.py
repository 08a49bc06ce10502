"""Features in a table of a database that SQLAlchemy knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fate_serving.adapters import Found
from fate_serving.adapters.table import row_id
from fate_serving.codes import Code, ServingError


class SqlAdapter:
    """A table, or a view, with a row for each id; one query for all rows of a request.

    Args:
        url: SQLAlchemy's. ``sqlite:///file.db`` is relative to the folder of the process.
        columns: the features; all but the id if not given.
        request_key: the member of a request that holds the id; the first one if not given.
        connections: open at once, each for one query.
    """

    def __init__(
        self,
        *,
        home: Path,
        url: str,
        table: str,
        id_column: str,
        columns: Sequence[str] = (),
        schema: str = "",
        request_key: str = "",
        connections: int = 8,
    ) -> None:
        try:
            self._engine = sa.create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise ValueError(str(error)) from error
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="features")
        self._name, self._schema = table, schema or None
        self._id_column, self._columns, self._key = id_column, tuple(columns), request_key
        self._table: sa.Table | None = None

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        """See :class:`~fate_serving.adapters.Adapter`."""
        wanted = [row_id(row, self._key) for row in rows]
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._select, wanted)
        return [found.get(each) for each in wanted]

    async def close(self) -> None:
        """See :class:`~fate_serving.adapters.Adapter`."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _select(self, wanted: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        try:
            table = self._known_table()
            id_column = table.c[self._id_column]
            columns = [table.c[name] for name in self._columns] or [each for each in table.c if each is not id_column]
            ids = _typed(set(wanted), id_column)
            query = sa.select(id_column.label("fate_id"), *columns).where(id_column.in_(ids))
            with self._engine.connect() as connection:
                return {
                    str(row.pop("fate_id")): row for row in ({**each} for each in connection.execute(query).mappings())
                }
        except KeyError as error:
            raise ServingError(Code.ADAPTER, f"The host's table {self._name} has no column {error}.") from None
        except sa.exc.SQLAlchemyError as error:
            raise ServingError(Code.ADAPTER, f"The host's database does not answer: {type(error).__name__}.") from error

    def _known_table(self) -> sa.Table:
        if self._table is None:
            self._table = sa.Table(self._name, sa.MetaData(), schema=self._schema, autoload_with=self._engine)
        return self._table


def _typed(ids: set[str], column: sa.Column[Any]) -> list[Any]:
    """Ids of the column's type; those that cannot be are nobody's."""
    if not isinstance(column.type, sa.Integer):
        return sorted(ids)
    return sorted(int(each) for each in ids if each.lstrip("-").isdecimal() and len(each) < 19)
