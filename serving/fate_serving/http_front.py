"""FATE-Serving's HTTP interface for applications, and what operators look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from fate_serving.applications import Applications
from fate_serving.bodies import parse_json
from fate_serving.codes import Code, ServingError
from fate_serving.management import Management
from fate_serving.metrics import Metrics

MAX_BODY_BYTES = 16 << 20
HIDDEN = ("log", "warn", "caseid")
"""What FATE-Serving's proxy takes out of answers."""

Answer = Callable[[dict[str, Any], float, str], Awaitable[dict[str, Any]]]


class HttpFront:
    """``/federation/v1/inference``, ``/federation/v1/batchInference``, ``/health``, ``/ready`` and ``/metrics``."""

    def __init__(
        self, applications: Applications, management: Management, metrics: Metrics, timeout_seconds: float
    ) -> None:
        self._applications, self._management, self._metrics = applications, management, metrics
        self._timeout_seconds = timeout_seconds
        self._calls: Mapping[str, Answer] = {
            "inference": applications.single,
            "batchInference": applications.batch,
        }
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, *, share_port: bool) -> int:
        """Listen; gives the port."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/federation/{version}/{call}", self._infer)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", self._numbers)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_port=share_port or None)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening, once requests in progress are answered."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _infer(self, request: web.Request) -> web.Response:
        wanted, caller = request.match_info["call"], f"http:{request.remote}"
        answer = self._calls.get(wanted)
        call = "unknown" if answer is None else wanted  # a label of metrics and a word of the log: nobody's to choose
        try:
            if answer is None:
                raise ServingError(Code.PARAMETER, f"{wanted[:100]!r} is neither inference nor batchInference.")
            said = _flat(parse_json(await request.read()), request.headers.get("caseId", ""))
        except web.HTTPRequestEntityTooLarge:
            error = ServingError(Code.PARAMETER, f"The body is larger than {MAX_BODY_BYTES >> 20} MiB.")
            return _json(self._applications.refused(call, error, caller))
        except ServingError as error:
            return _json(self._applications.refused(call, error, caller))
        return _json(await answer(said, self._timeout_seconds, caller))

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "up"})

    async def _ready(self, request: web.Request) -> web.Response:
        health = await self._management.health()
        return _json(health, status=200 if health["ready"] else 503)

    async def _numbers(self, request: web.Request) -> web.Response:
        self._metrics.models((await self._management.health())["models"])
        return web.Response(body=self._metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})


def _flat(said: dict[str, Any], case_id: str) -> dict[str, Any]:
    """Head and body as one object, as FATE-Serving's proxy makes it.

    Raises:
        ServingError: PARAMETER; one of them is no object.
    """
    flat: dict[str, Any] = {}
    for name in ("head", "body"):
        part = said.get(name)
        if not isinstance(part, dict):
            raise ServingError(Code.PARAMETER, f"{name} is missing or no object.")
        flat |= part
    if case_id:
        flat["caseId"] = case_id
    return flat


def _json(said: Mapping[str, Any], status: int = 200) -> web.Response:
    shown = {name: value for name, value in said.items() if name not in HIDDEN}
    return web.Response(body=orjson.dumps(shown), status=status, content_type="application/json")
