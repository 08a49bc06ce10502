"""The Airflow connection with which tasks find the site's gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fate_federated.settings import SiteSettings
from fate_federated.site.airflow_api import AirflowApi
from fate_federated.site.certificates import named_hosts

CONNECTION_ID = "fate_gateway"
_MASKED = ("private_key",)
"""Airflow's API answers *** for it."""


def local_address(settings: SiteSettings) -> tuple[str, int]:
    """Host and port at which the site's own processes reach the gateway."""
    host, _, port = settings.gateway.listen.rpartition(":")
    return ("127.0.0.1" if host in ("", "0.0.0.0", "[::]") else host), int(port)  # noqa: S104 - compared, not bound


def server_name(settings: SiteSettings) -> str:
    """The name to expect in the gateway's certificate; empty where it names the local address itself."""
    if settings.tls is None:
        return ""
    names = named_hosts(settings.path(settings.tls.certificate).read_bytes())
    return "" if not names or local_address(settings)[0] in names else names[0]


def wanted_connection(settings: SiteSettings) -> dict[str, Any]:
    """What the connection should be, as Airflow's REST API takes it."""
    host, port = local_address(settings)
    extra: dict[str, str] = {"auth_type": "NO_AUTH"}
    if settings.tls is not None:
        extra = {
            "auth_type": "CUSTOM",
            "certificate": str(settings.path(settings.tls.certificate)),
            "private_key": str(settings.path(settings.tls.private_key)),
            "authority": str(settings.path(settings.tls.authority)),
            "server_name": server_name(settings),
        }
    return {
        "connection_id": CONNECTION_ID,
        "conn_type": "grpc",
        "host": host,
        "port": port,
        "extra": json.dumps(extra, sort_keys=True),
        "description": "This site's gateway. `fate site up` follows site.yaml until somebody edits this.",
    }


def update_connection(api: AirflowApi, settings: SiteSettings, written: Path) -> bool:
    """Make or update the connection, unless somebody changed it in Airflow since it was last written here.

    Args:
        written: file that remembers what was last written.

    Returns:
        whether the connection is as site.yaml says; False when a person's edit was left alone.

    Raises:
        SiteError: Airflow does not answer or refuses.
    """
    wanted = wanted_connection(settings)
    current = api.find(f"connections/{CONNECTION_ID}")
    if current is None:
        api.call("POST", "connections", json=wanted)
    elif _comparable(current) == _comparable(wanted):
        pass
    elif written.is_file() and _comparable(current) == _comparable(json.loads(written.read_text(encoding="utf-8"))):
        api.call("PATCH", f"connections/{CONNECTION_ID}", json=wanted)
    else:
        return False
    written.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    return True


def _comparable(connection: dict[str, Any]) -> tuple[Any, ...]:
    extra = json.loads(connection.get("extra") or "{}")
    visible = {key: value for key, value in extra.items() if key not in _MASKED}
    return connection.get("conn_type"), connection.get("host"), connection.get("port"), visible
