"""The schema and its history."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from tests.gateway.conftest import on_both_databases

from fate_federated.gateway.database import MIGRATIONS, open_database
from fate_federated.gateway.schema import Row


@pytest.fixture
def url(databases: Callable[[str], str], tmp_path: Path) -> str:
    return databases("schema") or f"sqlite:///{tmp_path}/folder/gateway.db"


@on_both_databases
def test_the_migrations_make_what_the_models_say(url: str) -> None:
    database = open_database(url)
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Row.metadata)
        assert differences == []
        assert set(inspect(connection).get_table_names()) == {*Row.metadata.tables, "alembic_version"}
    database.close()


@on_both_databases
def test_opening_it_again_changes_nothing(url: str) -> None:
    for _ in range(2):
        open_database(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1
    engine.dispose()


def test_every_change_of_the_schema_has_one_parent() -> None:
    parents = [
        re.search(r"^down_revision = (.*)$", file.read_text(), re.MULTILINE)[1]
        for file in (MIGRATIONS / "versions").glob("m*.py")
    ]
    assert parents
    assert len(parents) == len(set(parents)) == 1 + sum(parent != "None" for parent in parents)


@on_both_databases
async def test_a_transaction_is_whole_or_not_at_all(url: str) -> None:
    from fate_federated.gateway.schema import TableRow

    database = open_database(url)

    def work(session) -> None:
        session.add(
            TableRow(
                namespace="a", name="b", location="", rows=1, id_column="", columns=[], bytes=1 << 40, created_at=0.0
            )
        )
        session.flush()
        raise ValueError("after the row was written")

    with pytest.raises(ValueError, match="after the row"):
        await database.run(work)
    assert await database.run(lambda session: session.query(TableRow).count()) == 0
    database.close()


def test_sqlite_does_not_wait_for_the_disk_at_each_commit(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/gateway.db")
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()
