"""How a gateway is called: channels, and gRPC's errors as ours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.aio

from fate_federated.errors import (
    AccessDenied,
    FateFederatedError,
    GatewayUnavailable,
    MessageRejected,
    PartyUnreachable,
    TransportError,
)
from fate_federated.wire.faults import fault_in

T = TypeVar("T")

FAULT_KEY = "fate-fault-bin"
"""Trailing metadata that holds the error as :mod:`fate_federated.wire.faults` writes it."""

PART_BYTES = 1 << 20
"""Of a message's body in one piece."""

MAX_GRPC_BYTES = 20 << 20
"""Of one gRPC message: a job's files, at most 16 MiB together, are the largest."""

SIZE_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_GRPC_BYTES),
    ("grpc.max_send_message_length", MAX_GRPC_BYTES),
    ("grpc.max_metadata_size", 64 << 10),
)

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    *SIZE_OPTIONS,
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A task takes up its stream within the lease, so a gateway that is back must be found at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Two clients of one process must not share a connection that one of them closes.
    ("grpc.use_local_subchannel_pool", 1),
    # A proxy for the web is not the way to a gateway.
    ("grpc.enable_http_proxy", 0),
)

_BROKEN = re.compile(r"Stream removed|RST_STREAM|Socket closed")
"""How gRPC words a connection that broke in the middle of a call, where it does not call that unavailable."""

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a caller shows and trusts, in PEM.

    Attributes:
        certificate: names the parties that the caller speaks for.
        server_name: the name in the gateway's certificate, where it is not the address's host.
    """

    certificate: bytes
    private_key: bytes = field(repr=False)
    authority: bytes
    server_name: str = ""


def _options(tls: ClientTls | None) -> list[tuple[str, Any]]:
    options = list(CHANNEL_OPTIONS)
    if tls is not None and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return options


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(tls.authority, tls.private_key, tls.certificate)


def open_channel(address: str, tls: ClientTls | None) -> grpc.Channel:
    """A channel for tasks and tools. Without ``tls`` the gateway must be on this machine's loopback."""
    if tls is None:
        return grpc.insecure_channel(address, _options(tls))
    return grpc.secure_channel(address, _credentials(tls), _options(tls))


def open_aio_channel(address: str, tls: ClientTls | None) -> grpc.aio.Channel:
    """The same for asyncio: for the triggerer, and between gateways."""
    if tls is None:
        return grpc.aio.insecure_channel(address, _options(tls))
    return grpc.aio.secure_channel(address, _credentials(tls), _options(tls))


def error_of(error: grpc.RpcError, address: str) -> FateFederatedError:
    """What a failed call of the gateway at ``address`` means."""
    code, details = error.code(), error.details() or ""
    metadata: Any = error.trailing_metadata()
    for key, value in metadata or ():
        if key == FAULT_KEY:
            return fault_in(value)
    if code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL) and _BROKEN.search(details):
        return GatewayUnavailable(address, details)
    match code:
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return GatewayUnavailable(address, details)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return GatewayUnavailable(address, "no answer within the call's deadline")
        case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
            return AccessDenied(f"The gateway at {address} refused the call: {details}")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return MessageRejected(f"A message is larger than gateways accept: {details}")
    return TransportError(f"The gateway at {address} failed ({code.name}: {details}). See its log.")


class Patience:
    """How long a call that finds no gateway is repeated, with growing pauses."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE_SECONDS

    def next_pause(self) -> float | None:
        """Seconds to wait before the next try; None when it is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return None
        pause, self._pause = min(self._pause, left), min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        return pause


def call_with_patience(call: Callable[[], T], address: str, seconds: float) -> T:
    """Call a gateway; repeat while it, or the peer's gateway that it needs, does not answer.

    Raises:
        GatewayUnavailable, PartyUnreachable: it did not answer for that long.
        FateFederatedError: what the gateway answered.
    """
    patience = Patience(seconds)
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            ours = error_of(error, address)
        pause = patience.next_pause() if is_transient(ours) else None
        if pause is None:
            raise ours
        time.sleep(pause)


def is_transient(error: FateFederatedError) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(error, GatewayUnavailable | PartyUnreachable)
