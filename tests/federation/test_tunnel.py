"""A byte stream between two tasks, under a program that knows nothing but sockets."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fate_federated.errors import AttemptFailed, FateFederatedError, MessageRejected
from fate_federated.party import Party
from fate_federated.transport.memory import MemoryHub, Message
from fate_federated.transport.tunnel import Tunnel
from fate_federated.wire.payload import Kind, Stream

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
LENGTH = 3 << 20


def serve(listener: socket.socket, connections: int) -> list[bytes]:
    """Read connections to their end, answer each with the digest of what came, and close."""
    digests = []
    for _ in range(connections):
        connection, _ = listener.accept()
        with connection:
            digest = hashlib.sha256()
            while data := connection.recv(1 << 16):
                digest.update(data)
            connection.sendall(digest.digest())
            digests.append(digest.digest())
    return digests


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


def side(hub: MemoryHub, me: Party, peer: Party, data: bytes, connections: int) -> tuple[list[bytes], list[bytes], int]:
    """A program that serves its peer and asks it, over loopback only."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        with Tunnel(hub.transport(me), peer, "bytes", listener.getsockname()[1]) as tunnel:
            served = threads.submit(serve, listener, connections)
            answers = [ask(tunnel.port, data) for _ in range(connections)]
            digests = served.result(60)
        return answers, digests, tunnel.sent_bytes


def test_both_sides_serve_and_ask_at_once() -> None:
    messages: list[Message] = []
    hub = MemoryHub([GUEST, HOST], deadline_seconds=60, record=messages.append)
    texts = {GUEST: b"guest" * (LENGTH // 5), HOST: b"host" * (LENGTH // 4)}
    with ThreadPoolExecutor(2) as parties:
        sides = [parties.submit(side, hub, me, peer, texts[me], 3) for me, peer in ((GUEST, HOST), (HOST, GUEST))]
        (guest, host) = (one.result(120) for one in sides)
    assert guest[0] == host[1] == [hashlib.sha256(texts[GUEST]).digest()] * 3
    assert host[0] == guest[1] == [hashlib.sha256(texts[HOST]).digest()] * 3
    assert {message.kind for message in messages} == {Kind.STREAM}
    sent = sum(len(message.structure) + len(message.body) for message in messages if message.sender == GUEST)
    assert sent == guest[2] >= 3 * len(texts[GUEST])


def test_sockets_face_this_machine_alone() -> None:
    hub = MemoryHub([GUEST, HOST], deadline_seconds=20)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(lambda: Tunnel(hub.transport(HOST), GUEST, "x", 1).__exit__(None, None, None))
        with Tunnel(hub.transport(GUEST), HOST, "x", 1) as tunnel:
            assert tunnel._listener.getsockname()[0] == "127.0.0.1"
        other.result(20)


def broken(peer: Callable[[MemoryHub], None]) -> FateFederatedError:
    """What a tunnel raises whose other side does this; its library is cut off."""
    hub = MemoryHub([GUEST, HOST], deadline_seconds=20)

    def use(target_port: int) -> None:
        with (
            Tunnel(hub.transport(GUEST), HOST, "x", target_port) as tunnel,
            socket.create_connection(("127.0.0.1", tunnel.port)) as library,
            suppress(ConnectionResetError),
        ):
            library.settimeout(20)
            threading.Thread(target=peer, args=(hub,)).start()
            assert library.recv(1) == b""

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(FateFederatedError) as caught:
        use(listener.getsockname()[1])
    return caught.value


def test_a_library_is_cut_off_when_the_attempt_fails() -> None:
    assert isinstance(broken(lambda hub: hub.fail(HOST, "killed")), AttemptFailed)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        Stream(b"\x01"),
        Stream(b"\x00\x00\x00\x00\x09\x00\x00\x00\x00"),
        Stream(b"\x00\x00\x00\x00\x01\xff\x00\x00\x00x"),
        Stream(b"\x07\x00\x00\x00\x01\x01\x00\x00\x00x"),
        Stream(b"\x01\x00\x00\x80\x00\x00\x00\x00\x00"),
        Stream(b"\x01\x00\x00\x00\x00\x00\x00\x00\x00" * 2),
    ],
    ids=["no stream", "half a head", "no kind", "too short", "not open", "a number of ours", "opened twice"],
)
def test_what_is_no_stream_is_refused(value: bytes | Stream) -> None:
    assert isinstance(broken(lambda hub: hub.transport(HOST).push(GUEST, "x.0", value) and None), MessageRejected)
