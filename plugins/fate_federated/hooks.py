"""The way from an Airflow task to its site's gateway.

``GrpcHook`` imports google.auth, which takes a while: import this module inside functions that run, not where a DAG is
parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.grpc.hooks.grpc import GrpcHook

from fate_federated.connection import DEFAULT_CONNECTION, gateway_endpoint
from fate_federated.gateway.client import GatewayClient, open_channel

if TYPE_CHECKING:
    import grpc


class FateGatewayHook(GrpcHook):
    """Calls the site's gateway, at the host and port of an Airflow connection of type gRPC.

    Raises:
        ConfigError: the connection does not say how to reach a gateway.
    """

    default_conn_name = DEFAULT_CONNECTION
    hook_name = "FATE gateway"

    def __init__(self, grpc_conn_id: str = DEFAULT_CONNECTION) -> None:
        super().__init__(grpc_conn_id, custom_connection_func=self._mutual_tls)
        self.endpoint = gateway_endpoint(self.conn, self.extras)

    def get_conn(self) -> grpc.Channel:
        """A channel to the gateway, with its keepalive and size limits."""
        if self.endpoint.tls is None:
            return open_channel(self.endpoint.address, None)
        return super().get_conn()

    def client(self) -> GatewayClient:
        """A client of the gateway; the caller closes it."""
        return GatewayClient(self.get_conn(), self.endpoint.address)

    def _mutual_tls(self, connection: Any) -> grpc.Channel:
        return open_channel(self.endpoint.address, self.endpoint.tls)
