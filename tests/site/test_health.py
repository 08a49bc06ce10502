"""The health of parts that are busy, or not there yet."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from fate_federated.gateway.client import GatewayClient, open_channel
from fate_federated.site import health
from fate_federated.site.airflow_api import AirflowApi
from fate_federated.site.health import NO_ANSWER, STARTING, part_health
from fate_federated.site.supervision import Part, PartState

RUNNING = {part: PartState(part, "RUNNING", 1, 0.0) for part in Part if part is not Part.SERVING}


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Takes connections and answers nothing, as a process that is busy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def _health(port: int) -> dict[Part, str]:
    address = f"127.0.0.1:{port}"
    with (
        GatewayClient(open_channel(address, None), address, patience_seconds=0) as gateway,
        AirflowApi(f"http://{address}", "admin", "") as api,
    ):
        return part_health(RUNNING, gateway, api)


def test_busy_parts_are_not_waited_for(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CALL_SECONDS", 0.5)
    began = time.monotonic()
    assert _health(server.getsockname()[1]) == dict.fromkeys(RUNNING, NO_ANSWER)
    assert time.monotonic() - began < 10


def test_parts_that_do_not_listen_yet_are_starting(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    assert _health(port) == dict.fromkeys(RUNNING, STARTING)
