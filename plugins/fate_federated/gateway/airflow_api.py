"""The site's own Airflow, through its public REST API (``/api/v2``)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from fate_federated.errors import JobError, SiteError

log = logging.getLogger(__name__)

CALL_SECONDS = 20.0
TRIES = 4
DAG_SECONDS = 60.0
POLL_SECONDS = 0.3
UNENDED_RUN_STATES = frozenset({"queued", "running"})
ENDED_RUN_STATES = frozenset({"success", "failed"})
ENDED_TASK_STATES = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


class Airflow:
    """Creates, clears and stops runs in the site's Airflow.

    Raises (every method):
        SiteError: Airflow does not answer, does not know the gateway, or answers with an error of its own.
    """

    def __init__(self, url: str, username: str, password_file: Path) -> None:
        self._url, self._username, self._password_file = url.rstrip("/"), username, password_file
        self._http = httpx.AsyncClient(base_url=self._url, timeout=CALL_SECONDS, trust_env=False)
        self._token = ""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def wait_for_dag(self, dag_id: str, job_name: str, content: str) -> bool:
        """Wait until Airflow has compiled a DAG from certain contents.

        Args:
            job_name: stem of the job's files, by which its import errors are known.
            content: a word of the DAG's description that tells its contents.

        Returns:
            whether it is paused.

        Raises:
            JobError: it cannot be compiled, or is not there after a minute.
        """
        begun = datetime.now(UTC)
        deadline = time.monotonic() + DAG_SECONDS
        while True:
            dag = await self._get(f"/dags/{_part(dag_id)}")
            if dag is not None and content in (dag["description"] or "").split() and not dag["is_stale"]:
                return bool(dag["is_paused"])
            if problem := await self._import_error(job_name, begun):
                raise JobError(f"Airflow cannot compile {dag_id}: {problem}")
            if time.monotonic() > deadline:
                raise JobError(
                    f"Airflow has no DAG {dag_id} of this run's files (dsl {content}) after {DAG_SECONDS:.0f} s. "
                    "Check that its dag processor runs, and look at its import errors."
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _import_error(self, job_name: str, since: datetime) -> str:
        """What went wrong with a job's files when they were parsed last, empty when nothing did."""
        found = await self._get("/importErrors", {"filename_pattern": f"%{job_name}%", "limit": "50"})
        for problem in (found or {}).get("import_errors", []):
            name = Path(problem["filename"]).name
            of_job = name == f"{job_name}.py" or name.startswith((f"{job_name}_dsl.json.", f"{job_name}_conf.json."))
            if of_job and datetime.fromisoformat(problem["timestamp"]) >= since:
                return str(problem["stack_trace"]).strip()[-2000:]
        return ""

    async def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        await self._call("PATCH", f"/dags/{_part(dag_id)}", {"is_paused": paused})

    async def create_run(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Create a run; one that is there already is left as it is, or cleared if it has failed."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        reply = await self._request("POST", f"/dags/{_part(dag_id)}/dagRuns", body)
        if reply.status_code != httpx.codes.CONFLICT:
            self._checked(reply)
            return
        path = f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}"
        there = await self._get(path)
        if there is not None and there["state"] == "failed":
            await self._call("POST", f"{path}/clear", {"dry_run": False})

    async def run_state(self, dag_id: str, run_id: str) -> str | None:
        """State of a run: queued, running, success or failed; None where there is none."""
        run = await self._get(f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}")
        return None if run is None else run["state"]

    async def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run failed if it has not ended, so that Airflow stops what still runs of it."""
        if await self.run_state(dag_id, run_id) in UNENDED_RUN_STATES:
            await self._call("PATCH", f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}", {"state": "failed"})

    async def task_state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """State of a task instance; None before it has one."""
        path = f"/dags/{_part(dag_id)}/dagRuns/{_part(run_id)}/taskInstances/{_part(task_id)}"
        instance = await self._get(path)
        return None if instance is None else instance["state"]

    async def clear_task(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Have exactly this task of this run run again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "only_failed": False,
            "include_downstream": False,
            "include_upstream": False,
            "reset_dag_runs": True,
        }
        await self._call("POST", f"/dags/{_part(dag_id)}/clearTaskInstances", body)

    async def change_asset(self, uri: str, extra: Mapping[str, Any]) -> bool:
        """Tell Airflow that an asset has changed; False where none of its DAGs knows the asset."""
        found = await self._get("/assets", {"uri_pattern": uri, "limit": "100"})
        asset = next((asset for asset in (found or {}).get("assets", []) if asset["uri"] == uri), None)
        if asset is not None:
            await self._call("POST", "/assets/events", {"asset_id": asset["id"], "extra": dict(extra)})
        return asset is not None

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        reply = await self._request("GET", path, query=query)
        return None if reply.status_code == httpx.codes.NOT_FOUND else self._checked(reply).json()

    async def _call(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        self._checked(await self._request(method, path, body))

    async def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for _ in range(TRIES):
            if not self._token:
                self._token = await self._new_token()
            headers = {"Authorization": f"Bearer {self._token}"}
            reply = await self._send(method, f"/api/v2{path}", json=body, params=query, headers=headers)
            if reply.status_code == httpx.codes.UNAUTHORIZED:
                # Tokens live for a day.
                self._token = ""
            elif not found_database_locked(reply):
                break
        return reply

    async def _new_token(self) -> str:
        try:
            password = self._password_file.read_text().strip()
        except OSError as error:
            raise SiteError(f"The gateway's Airflow password cannot be read: {error}.") from error
        reply = await self._send("POST", "/auth/token", json={"username": self._username, "password": password})
        token: str = self._checked(reply).json()["access_token"]
        return token

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise SiteError(
                f"Airflow did not answer at {self._url} ({type(error).__name__}). Check that its api-server runs."
            ) from error

    def _checked(self, reply: httpx.Response) -> httpx.Response:
        if reply.is_success:
            return reply
        request = f"{reply.request.method} {reply.request.url.path}"
        raise SiteError(f"Airflow at {self._url} refused {request}: {reply.status_code} {reply.text[:500]}")


def found_database_locked(reply: httpx.Response) -> bool:
    """Whether a call did nothing because another held the lock of Airflow's SQLite.

    Airflow 3.3 waits for the lock, to write its audit log, on the thread on which the lock's holder would go on:
    neither does until the one that waits gives up, after SQLite's five seconds.
    """
    if reply.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
        return False
    try:
        return bool(reply.json()["detail"]["reason"] == "Database error")
    except (ValueError, KeyError, TypeError):
        return False


def _part(text: str) -> str:
    return quote(text, safe="")
