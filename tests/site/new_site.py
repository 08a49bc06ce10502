"""Making sites for tests, at ports that nobody else uses."""

from __future__ import annotations

import socket
from pathlib import Path

from fate_federated.party import Party
from fate_federated.site.create import SitePlan, create_site
from fate_federated.site.site import Site

PARTIES = tuple(map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000")))


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def new_site(home: Path) -> Site:
    """A loopback site of three parties."""
    create_site(SitePlan(home, "bank", PARTIES, api_port=free_port(), gateway_port=free_port()))
    return Site(home)
