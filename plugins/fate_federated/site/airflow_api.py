"""The REST API of a site's own Airflow, called as its admin."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from fate_federated.errors import SiteError
from fate_federated.gateway.airflow_api import TRIES, found_database_locked

CALL_SECONDS = 30.0
EXECUTION_PING = "/execution/health/ping"


class AirflowApi:
    """Calls of one Airflow. Every method raises SiteError when it does not answer or refuses.

    Args:
        url: such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._account = {"username": username, "password": password}
        self._http = httpx.Client(base_url=url, timeout=CALL_SECONDS, trust_env=False)
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """One call under ``/api/v2``; its JSON answer, None for an empty one.

        Raises:
            SiteError: no answer, or a refusal; the text has Airflow's reason.
        """
        response = self.send(method, path, json=json, params=params)
        if response.is_error:
            raise SiteError(f"Airflow at {self.url} refused {method} {path}: {_reason(response)}")
        return response.json() if response.content else None

    def find(self, path: str) -> Any:
        """The JSON at a path, or None where Airflow has nothing there."""
        response = self.send("GET", path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if response.is_error:
            raise SiteError(f"Airflow at {self.url} refused GET {path}: {_reason(response)}")
        return response.json()

    def send(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """One call under ``/api/v2``, whatever its status; again where Airflow found its SQLite locked."""
        for _ in range(TRIES):
            if not self._token:
                self._token = self._log_in()
            headers = {"Authorization": f"Bearer {self._token}"}
            response = self._request(method, f"/api/v2/{path}", json, params, headers)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._token = ""
            if not found_database_locked(response):
                break
        return response

    def _log_in(self) -> str:
        response = self._request("POST", "/auth/token", self._account, None, {})
        if response.is_error:
            raise SiteError(
                f"Airflow at {self.url} refused the login of {self._account['username']}: {_reason(response)}"
            )
        return str(response.json()["access_token"])

    def _request(
        self,
        method: str,
        path: str,
        json: Any,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        timeout_seconds: float = CALL_SECONDS,
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=json, params=params, headers=headers, timeout=timeout_seconds)
        except httpx.HTTPError as error:
            raise SiteError(
                f"Airflow at {self.url} did not answer ({error}). Start the site with `fate site up`, "
                "or see what runs with `fate site status`."
            ) from error

    def health(self, timeout_seconds: float = CALL_SECONDS) -> dict[str, float]:
        """When each of Airflow's parts last said that it lives: seconds since 1970; parts that never did are missing.

        Args:
            timeout_seconds: of each of its two calls.

        Raises:
            SiteError: the API server does not answer, or not yet where tasks call it.
        """
        # The API server builds what tasks call at the first question, which takes it seconds in which it answers
        # nobody. On a busy machine the first task would give up before.
        self._checked(self._request("GET", EXECUTION_PING, None, None, {}, timeout_seconds))
        response = self._checked(self._request("GET", "/api/v2/monitor/health", None, None, {}, timeout_seconds))
        parts = {name: part for name, part in response.json().items() if part.get("status") == "healthy"}
        beats = {name: part.get(f"latest_{name}_heartbeat") for name, part in parts.items()}
        return {name: datetime.fromisoformat(beat).timestamp() for name, beat in beats.items() if beat}

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise SiteError(f"Airflow at {self.url} is not ready: {_reason(response)}")
        return response

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """A DAG, or None when Airflow has none of that name."""
        found: dict[str, Any] | None = self.find(f"dags/{quote(dag_id, safe='')}")
        return found

    def import_errors(self) -> dict[str, str]:
        """What Airflow could not import: stack trace by file name."""
        answer = self.call("GET", "importErrors", params={"limit": 100})
        return {error["filename"]: error["stack_trace"] for error in answer["import_errors"]}

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self.call("PATCH", f"dags/{quote(dag_id, safe='')}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run; its run id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        answer = self.call("POST", f"dags/{quote(dag_id, safe='')}/dagRuns", json=body)
        return str(answer["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """queued, running, success or failed; None when there is no such run."""
        run = self.find(f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}")
        return None if run is None else str(run["state"])

    def task_error(self, dag_id: str, run_id: str, task_id: str) -> str:
        """What the last try of a task died of, as its log has it; empty where it says nothing."""
        path = f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}/taskInstances/{quote(task_id, safe='')}"
        task = self.find(path)
        if task is None or not task["try_number"]:
            return ""
        log = self.call("GET", f"{path}/logs/{task['try_number']}", params={"full_content": True})
        events = [event for event in log["content"] if isinstance(event, dict) and event.get("error_detail")]
        return str(events[-1]["error_detail"][0]["exc_value"]) if events else ""

    def wait_for_run(self, dag_id: str, run_id: str, timeout_seconds: float, poll_seconds: float = 0.5) -> str:
        """The state in which a run ended.

        Raises:
            SiteError: it had not ended after that long.
        """
        deadline = time.monotonic() + timeout_seconds
        while (state := self.run_state(dag_id, run_id)) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise SiteError(f"The run {run_id} of {dag_id} is {state} after {timeout_seconds:g} seconds.")
            time.sleep(poll_seconds)
        return str(state)


def _reason(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:500]
    return f"{detail} (status {response.status_code})"
