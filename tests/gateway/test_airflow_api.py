"""The site's own Airflow: its token, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.gateway import airflow_server
from tests.gateway.airflow_server import PASSWORD, AirflowServer

from fate_federated.errors import JobError, SiteError
from fate_federated.gateway import airflow_api
from fate_federated.gateway.airflow_api import Airflow
from fate_federated.run_id import created_run_id


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[AirflowServer]:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    server = AirflowServer([tmp_path], ("guest-1",))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def airflow(server: AirflowServer, tmp_path: Path) -> AsyncIterator[Airflow]:
    airflow = Airflow(server.url, "gateway", tmp_path / "password")
    yield airflow
    await airflow.close()


async def test_a_token_that_is_no_longer_taken_is_renewed(
    server: AirflowServer, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tasks["demo", "run", "a"] = "success"
    assert await airflow.task_state("demo", "run", "a") == "success"
    monkeypatch.setattr(airflow_server, "TOKEN", "another")
    assert await airflow.task_state("demo", "run", "a") == "success"
    assert await airflow.task_state("demo", "run", "b") is None


async def test_a_call_that_finds_the_database_locked_is_made_again(server: AirflowServer, airflow: Airflow) -> None:
    server.tasks["demo", "run", "a"] = "success"
    server.locked = 2
    assert await airflow.task_state("demo", "run", "a") == "success"
    server.locked = airflow_api.TRIES
    with pytest.raises(SiteError, match=r"500.*Database error"):
        await airflow.task_state("demo", "run", "a")


async def test_a_wrong_password_is_said_so(server: AirflowServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    airflow = Airflow(server.url, "gateway", tmp_path / "password")
    with pytest.raises(SiteError, match=r"refused POST /auth/token: 401"):
        await airflow.task_state("demo", "run", "a")
    (tmp_path / "password").unlink()
    with pytest.raises(SiteError, match="password cannot be read"):
        await airflow.task_state("demo", "run", "a")
    await airflow.close()


async def test_a_dag_that_never_comes_is_said_so(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "DAG_SECONDS", 0.1)
    with pytest.raises(JobError, match=r"no DAG demo.guest-1 of this run's files \(dsl 0123\)"):
        await airflow.wait_for_dag("demo.guest-1", "demo", "0123")


async def test_an_old_import_error_does_not_count(
    server: AirflowServer, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_api, "DAG_SECONDS", 0.1)
    server.broken["demo"] = "an old problem"
    server.problems_age_seconds = 60.0
    with pytest.raises(JobError, match="no DAG"):
        await airflow.wait_for_dag("demo.guest-1", "demo", "0123")
    server.problems_age_seconds = -1.0
    with pytest.raises(JobError, match=r"cannot compile demo.guest-1: an old problem"):
        await airflow.wait_for_dag("demo.guest-1", "demo", "0123")


async def test_a_run_that_has_ended_is_not_stopped(server: AirflowServer, airflow: Airflow) -> None:
    server.runs = {("demo", "a"): "success", ("demo", "b"): "running"}
    for run in ("a", "b", "c"):
        await airflow.fail_run("demo", run)
    assert server.runs == {("demo", "a"): "success", ("demo", "b"): "failed"}


@pytest.mark.parametrize(
    ("run_id", "created"),
    [
        ("manual__2026-01-01T00:00:00+00:00", "manual__2026-01-01T00:00:00+00:00"),
        ("my own", "my own"),
        ("scheduled__2026-01-01", "fate__scheduled__2026-01-01"),
        ("asset_triggered__2026-01-01", "fate__asset_triggered__2026-01-01"),
        ("backfill__2026-01-01", "fate__backfill__2026-01-01"),
    ],
)
def test_a_run_is_created_under_an_id_that_airflow_takes(run_id: str, created: str) -> None:
    assert created_run_id(run_id) == created
