"""Sites in temporary folders, at ports that nobody else uses."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fate_federated.party import Party
from fate_federated.site.create import SitePlan, create_site
from fate_federated.site.site import Site

PARTIES = tuple(map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000")))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="session")
def make_site() -> Callable[[Path], Site]:
    """Makes a loopback site of three parties in a folder."""

    def make(home: Path) -> Site:
        create_site(SitePlan(home, "bank", PARTIES, api_port=free_port(), gateway_port=free_port()))
        return Site(home)

    return make
