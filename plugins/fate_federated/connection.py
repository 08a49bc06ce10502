"""What an Airflow connection says of the way to the site's gateway.

In the connection's extra, ``auth_type`` is ``NO_AUTH`` on one machine's loopback, else ``CUSTOM`` with the files of a
mutual TLS: ``certificate``, ``private_key``, ``authority``, and ``server_name`` where the gateway's certificate names
another host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fate_federated.errors import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from fate_federated.gateway.client import ClientTls

DEFAULT_CONNECTION = "fate_gateway"
TLS_FILES = ("certificate", "private_key", "authority")


@dataclass(frozen=True, slots=True)
class GatewayEndpoint:
    """Where the gateway listens and how to be known there."""

    address: str
    tls: ClientTls | None


def gateway_endpoint(connection: Connection, extra: Mapping[str, Any]) -> GatewayEndpoint:
    """The endpoint that an Airflow connection describes.

    Args:
        extra: the connection's extra, already read: reading it masks its secrets, in a way that differs between
            tasks and the triggerer.

    Raises:
        ConfigError: something is missing or a file cannot be read.
    """
    if not connection.host or not connection.port:
        raise ConfigError(
            f"The Airflow connection {connection.conn_id!r} needs the host and port of the site's gateway."
        )
    address = f"{connection.host}:{connection.port}"
    auth_type = extra.get("auth_type")
    if auth_type == "NO_AUTH":
        return GatewayEndpoint(address, None)
    if auth_type != "CUSTOM":
        raise ConfigError(
            f"The Airflow connection {connection.conn_id!r} has auth_type {auth_type!r} in its extra. "
            f"Write NO_AUTH for a loopback site, or CUSTOM with {', '.join(TLS_FILES)}."
        )
    return GatewayEndpoint(address, _tls(connection.conn_id, extra))


def _tls(conn_id: str, extra: Mapping[str, Any]) -> ClientTls:
    from fate_federated.gateway.client import ClientTls

    content: dict[str, bytes] = {}
    for name in TLS_FILES:
        path = extra.get(name)
        if not isinstance(path, str) or not path:
            raise ConfigError(
                f"The extra of the Airflow connection {conn_id!r} needs {name!r}, the path of a PEM file."
            )
        try:
            content[name] = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{name} of the Airflow connection {conn_id!r} cannot be read: {error}") from error
    return ClientTls(**content, server_name=str(extra.get("server_name") or ""))
