"""From an Airflow connection to the way to the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.sdk import Connection

from fate_federated.connection import GatewayEndpoint, gateway_endpoint
from fate_federated.errors import ConfigError


def connection(extra: dict[str, str], host: str | None = "127.0.0.1", port: int | None = 9370) -> Connection:
    return Connection(conn_id="fate_gateway", conn_type="grpc", host=host, port=port, extra=json.dumps(extra))


def endpoint(connection: Connection) -> GatewayEndpoint:
    return gateway_endpoint(connection, json.loads(connection.extra or "{}"))


def test_a_loopback_site_needs_no_certificates() -> None:
    assert endpoint(connection({"auth_type": "NO_AUTH"})) == GatewayEndpoint("127.0.0.1:9370", None)


def test_mutual_tls_reads_the_files_that_the_extra_names(tmp_path: Path) -> None:
    extra = {"auth_type": "CUSTOM", "server_name": "gateway.bank.example"}
    for name in ("certificate", "private_key", "authority"):
        (tmp_path / name).write_bytes(name.encode())
        extra[name] = str(tmp_path / name)
    tls = endpoint(connection(extra)).tls
    assert tls is not None
    assert (tls.certificate, tls.private_key, tls.authority) == (b"certificate", b"private_key", b"authority")
    assert tls.server_name == "gateway.bank.example"
    assert "private_key" not in repr(tls).replace("private_key=", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (connection({"auth_type": "NO_AUTH"}, host=None), "host and port"),
        (connection({"auth_type": "NO_AUTH"}, port=None), "host and port"),
        (connection({}), "NO_AUTH"),
        (connection({"auth_type": "JWT_GOOGLE"}), "JWT_GOOGLE"),
        (connection({"auth_type": "CUSTOM"}), "'certificate'"),
        (
            connection({"auth_type": "CUSTOM", "certificate": "/no/such", "private_key": "x", "authority": "x"}),
            "/no/such",
        ),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(wrong: Connection, said: str) -> None:
    with pytest.raises(ConfigError, match="fate_gateway") as error:
        endpoint(wrong)
    assert said in str(error.value)
