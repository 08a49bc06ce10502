"""An HTTP server that answers as Airflow's public REST API does, for the endpoints that the gateway calls.

Its answers have the status codes and fields recorded from Airflow 3.3. It compiles nothing: it takes a job's files for
its DAGs, as the DAG factory would.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from fate_federated.dsl.job_files import CONF_SUFFIX, DSL_SUFFIX, job_digest

PASSWORD = "secret-of-the-test"
TOKEN = "token-of-the-test"


@dataclass
class AirflowServer:
    """One site's Airflow.

    Attributes:
        folders: where its DAG factory looks for jobs.
        runs: state of each run, by dag_id and run_id.
        tasks: state of each task instance, by dag_id, run_id and task_id.
        cleared: what was cleared: the same three.
        assets: URIs of those that its DAGs know; their ids are their places here.
        changed_assets: URI and extra of each event.
        locked: how many of the next calls find the database locked.
    """

    folders: list[Path]
    parties: tuple[str, ...]
    port: int = 0
    paused: dict[str, bool] = field(default_factory=dict)
    pause_new: bool = False
    broken: dict[str, str] = field(default_factory=dict)
    problems_age_seconds: float = -1.0
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    confs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    tasks: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    cleared: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    changed_assets: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    locked: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(middlewares=[self._authenticated])
        app.add_routes(
            [
                web.post("/auth/token", self._token),
                web.get("/api/v2/dags/{dag}", self._dag),
                web.patch("/api/v2/dags/{dag}", self._pause),
                web.get("/api/v2/importErrors", self._import_errors),
                web.post("/api/v2/dags/{dag}/dagRuns", self._create_run),
                web.get("/api/v2/dags/{dag}/dagRuns/{run}", self._run),
                web.patch("/api/v2/dags/{dag}/dagRuns/{run}", self._set_run),
                web.post("/api/v2/dags/{dag}/dagRuns/{run}/clear", self._clear_run),
                web.get("/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}", self._task),
                web.post("/api/v2/dags/{dag}/clearTaskInstances", self._clear),
                web.get("/api/v2/assets", self._assets),
                web.post("/api/v2/assets/events", self._change_asset),
            ]
        )
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def dags(self) -> dict[str, str]:
        """Descriptions of the DAGs, by id."""
        found = {}
        for folder in self.folders:
            for dsl in folder.glob(f"**/*{DSL_SUFFIX}"):
                name = dsl.name.removesuffix(DSL_SUFFIX)
                digest = job_digest(dsl.read_text(), dsl.with_name(f"{name}{CONF_SUFFIX}").read_text())
                if name not in self.broken:
                    found.update({f"{name}.{party}": f"a job; dsl {digest}" for party in self.parties})
        for dag in found:
            self.paused.setdefault(dag, self.pause_new)
        return found

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path != "/auth/token" and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"detail": "Invalid JWT token"}, status=401)
        if self.locked and request.path != "/auth/token":
            self.locked -= 1
            detail = {"reason": "Database error", "statement": "hidden", "orig_error": "hidden", "message": "Serious"}
            return web.json_response({"detail": detail}, status=500)
        response: web.StreamResponse = await handler(request)
        return response

    async def _token(self, request: web.Request) -> web.Response:
        if (await request.json()) != {"username": "gateway", "password": PASSWORD}:
            return web.json_response({"detail": "Invalid credentials"}, status=401)
        return web.json_response({"access_token": TOKEN}, status=201)

    async def _dag(self, request: web.Request) -> web.Response:
        dag = request.match_info["dag"]
        description = self.dags().get(dag)
        if description is None:
            return web.json_response({"detail": f"The Dag with ID: `{dag}` was not found"}, status=404)
        return web.json_response(
            {"dag_id": dag, "description": description, "is_paused": self.paused[dag], "is_stale": False}
        )

    async def _pause(self, request: web.Request) -> web.Response:
        dag = request.match_info["dag"]
        self.dags()
        self.paused[dag] = (await request.json())["is_paused"]
        return web.json_response({"dag_id": dag, "is_paused": self.paused[dag]})

    async def _import_errors(self, request: web.Request) -> web.Response:
        now = (datetime.now(UTC) - timedelta(seconds=self.problems_age_seconds)).isoformat()
        errors = [
            {
                "import_error_id": 1,
                "timestamp": now,
                "filename": f"{name}.py",
                "bundle_name": "fate",
                "stack_trace": why,
            }
            for name, why in self.broken.items()
            if name in request.query["filename_pattern"]
        ]
        return web.json_response({"import_errors": errors, "total_entries": len(errors)})

    async def _create_run(self, request: web.Request) -> web.Response:
        dag, body = request.match_info["dag"], await request.json()
        key = (dag, body["dag_run_id"])
        if dag not in self.dags():
            return web.json_response({"detail": f"Dag with dag_id: '{dag}' not found"}, status=404)
        if key[1].startswith("scheduled__"):
            detail = f"A manual DAG run cannot use ID '{key[1]}' since it is reserved for scheduled runs"
            return web.json_response({"detail": detail}, status=400)
        if key in self.runs:
            return web.json_response({"detail": {"reason": "Unique constraint violation"}}, status=409)
        self.runs[key] = "queued"
        self.confs[key] = body["conf"]
        return web.json_response({"dag_run_id": key[1], "state": "queued"})

    async def _run(self, request: web.Request) -> web.Response:
        key = (request.match_info["dag"], request.match_info["run"])
        if key not in self.runs:
            return web.json_response({"detail": "not found"}, status=404)
        return web.json_response({"dag_run_id": key[1], "state": self.runs[key]})

    async def _set_run(self, request: web.Request) -> web.Response:
        key = (request.match_info["dag"], request.match_info["run"])
        self.runs[key] = (await request.json())["state"]
        return web.json_response({"dag_run_id": key[1], "state": self.runs[key]})

    async def _clear_run(self, request: web.Request) -> web.Response:
        key = (request.match_info["dag"], request.match_info["run"])
        assert (await request.json())["dry_run"] is False
        self.runs[key] = "queued"
        return web.json_response({"dag_run_id": key[1], "state": "queued"})

    async def _task(self, request: web.Request) -> web.Response:
        key = (request.match_info["dag"], request.match_info["run"], request.match_info["task"])
        if key not in self.tasks:
            return web.json_response({"detail": "not found"}, status=404)
        return web.json_response({"task_id": key[2], "state": self.tasks[key]})

    async def _assets(self, request: web.Request) -> web.Response:
        pattern = request.query["uri_pattern"]
        found = [{"id": at, "uri": uri, "name": uri} for at, uri in enumerate(self.assets) if pattern in uri]
        return web.json_response({"assets": found, "total_entries": len(found)})

    async def _change_asset(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert set(body) == {"asset_id", "extra"}
        self.changed_assets.append((self.assets[body["asset_id"]], body["extra"]))
        return web.json_response({"id": len(self.changed_assets), "asset_id": body["asset_id"], "extra": body["extra"]})

    async def _clear(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        assert body["dry_run"] is False
        for task in body["task_ids"]:
            key = (request.match_info["dag"], body["dag_run_id"], task)
            self.cleared.append(key)
            self.tasks[key] = "queued"
        return web.json_response({"task_instances": [], "total_entries": len(body["task_ids"])})
