"""A byte stream between the two tasks, for protocol libraries that want sockets of their own.

On each side the library is given an address 127.0.0.1:<port> for its peer, and listens itself at another. What it sends
there travels in the attempt's messages: by way of the gateways, over mTLS, checked, spooled and in the egress ledger
like all others, as messages of kind ``stream``. No socket of the library faces the network, and the peer's side decides
alone what is dialled there: only the port that its own task named.
"""

from __future__ import annotations

import logging
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self

from fate_federated.errors import FateFederatedError, MessageRejected, TransportError
from fate_federated.party import Party
from fate_federated.transport.base import Transport
from fate_federated.wire.payload import Stream

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
READ_BYTES = 256 << 10
MESSAGE_BYTES = 4 << 20
MAX_CONNECTIONS = 256
DIAL_SECONDS = 60.0
END_SECONDS = 120.0

_FRAME = struct.Struct("<IBI")  # connection, kind, length
_OPEN, _DATA, _CLOSE, _END = range(4)
_MINE = 1 << 31
"""Bit of a connection's number that says that the receiver of the frame opened it."""


class Tunnel:
    """One side of a tunnel. A context manager: leave it when the library has closed its connections; what they carried
    is sent then, and the other side is waited for.

    Args:
        transport: of this party.
        peer: the other side.
        name: the same at both sides, once per attempt.
        target_port: where connections from the other side are led: this side's library listens there, now or soon.

    Attributes:
        port: of 127.0.0.1, where this side's library finds its peer.
        sent_bytes, sent: so far, in messages.
    """

    def __init__(self, transport: Transport, peer: Party, name: str, target_port: int) -> None:
        self._transport, self._peer, self._name, self._target_port = transport.background(), peer, name, target_port
        self.sent_bytes = self.sent = 0
        self._error: FateFederatedError | None = None
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}
        self._half_closed: set[int] = set()
        self._readers: list[threading.Thread] = []
        # Each waiting piece is at most READ_BYTES, so the library is held up before much memory is taken.
        self._outgoing: queue.Queue[bytes | None] = queue.Queue(64)
        self._ended = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sender = self._start(self._send)
        self._start(self._receive)
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        try:
            if kind is None:
                self._leave()
        finally:
            self._close_all()
            self._outgoing.put(None)
        if kind is None:
            self._sender.join()
            self.check()

    def _leave(self) -> None:
        ends = monotonic() + END_SECONDS
        for reader in self._readers:
            reader.join(max(ends - monotonic(), 0))
        self._put(_frame(0, _END))
        if not self._ended.wait(max(ends - monotonic(), 0)):
            raise TransportError(f"{self._peer} did not leave the tunnel {self._name!r} in {END_SECONDS:g} s.")

    def check(self) -> None:
        """Raise what broke the tunnel, if it is broken.

        Raises:
            FateFederatedError: the attempt ended, a gateway is silent, or the peer sent what is no tunnel's.
        """
        if self._error is not None:
            raise self._error

    # Out

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"tunnel-{self._name}", daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            number += 1
            try:
                self._take(number, connection, _frame(number, _OPEN))
            except MessageRejected as error:
                self._break(error)
                return

    def _take(self, number: int, connection: socket.socket, first: bytes = b"") -> None:
        """Send what the library says on a connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def read() -> None:
            self._put(first)
            with suppress(OSError):  # a connection that the library breaks off is closed, like one that it ends
                while data := connection.recv(READ_BYTES):
                    self._put(_frame(number, _DATA, data))
            self._put(_frame(number, _CLOSE))
            self._close_half(number)

        with self._lock:
            if self._error is not None:
                connection.close()
                return
            if len(self._connections) >= MAX_CONNECTIONS:
                raise MessageRejected(f"The tunnel {self._name!r} carries {MAX_CONNECTIONS} connections already.")
            self._connections[number] = connection
        self._readers.append(self._start(read))

    def _close_half(self, number: int) -> None:
        """One direction has ended; with the second one the connection has."""
        with self._lock:
            if number in self._half_closed:
                self._half_closed.discard(number)
                connection = self._connections.pop(number, None)
                if connection is not None:
                    connection.close()
            else:
                self._half_closed.add(number)

    def _put(self, frame: bytes) -> None:
        if frame and self._error is None:
            self._outgoing.put(frame)

    def _send(self) -> None:
        """One message after the other, each of all that has come meanwhile."""
        step, open_ = 0, True
        while open_:
            frames, size = [self._outgoing.get()], 0
            with suppress(queue.Empty):
                while frames[-1] is not None and size < MESSAGE_BYTES:
                    size += len(frames[-1])
                    frames.append(self._outgoing.get_nowait())
            open_ = frames[-1] is not None
            data = b"".join(frame for frame in frames if frame is not None)
            if not data or self._error is not None:
                continue
            try:
                self.sent_bytes += self._transport.push(self._peer, f"{self._name}.{step}", Stream(data))
                self.sent += 1
                step += 1
            except FateFederatedError as error:
                self._break(error)

    # In

    def _receive(self) -> None:
        step = 0
        try:
            while not self._ended.is_set():
                received = self._transport.pull(self._peer, f"{self._name}.{step}")
                if not isinstance(received, Stream):
                    raise MessageRejected(f"{self._peer} sent something other than a piece of a stream.")
                for number, kind, data in _frames(received.data):
                    self._handle(number, kind, data)
                step += 1
        except FateFederatedError as error:
            self._break(error)

    def _handle(self, number: int, kind: int, data: memoryview) -> None:
        if kind == _END:
            self._ended.set()
        elif kind == _OPEN:
            # Numbers of the two sides do not meet: here its connections have the bit set.
            if number & _MINE or number | _MINE in self._connections:
                raise MessageRejected(f"{self._peer} opened a connection that is open.")
            self._take(number | _MINE, self._dial())
        else:
            # What this side opened comes back with the bit set.
            mine = number ^ _MINE
            target = self._connections.get(mine)
            if target is None:
                raise MessageRejected(f"{self._peer} writes to a connection that is not open.")
            with suppress(OSError):  # the library has closed it: what is left for it is dropped
                if kind == _DATA:
                    target.sendall(data)
                else:
                    target.shutdown(socket.SHUT_WR)
            if kind == _CLOSE:
                self._close_half(mine)

    def _dial(self) -> socket.socket:
        """This side's library, which may be still about to listen."""
        pause = threading.Event()
        for _ in range(int(DIAL_SECONDS / 0.02)):
            with suppress(ConnectionRefusedError):
                return socket.create_connection((LOOPBACK, self._target_port))
            if self._error is not None:
                break
            pause.wait(0.02)
        raise TransportError(f"Nothing listens at port {self._target_port}, where the tunnel {self._name!r} leads.")

    # The end

    def _break(self, error: FateFederatedError) -> None:
        log.info("the tunnel %s broke: %s", self._name, error)
        self._error = self._error or error
        self._stop_listening()
        self._close_all()
        self._ended.set()

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _close_all(self) -> None:
        with self._lock:
            for connection in self._connections.values():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()


def _frame(number: int, kind: int, data: bytes = b"") -> bytes:
    return _FRAME.pack(number, kind, len(data)) + data


def _frames(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    view, at = memoryview(data), 0
    while at < len(view):
        if at + _FRAME.size > len(view):
            raise MessageRejected("A piece of a stream ends inside of a frame's head.")
        number, kind, size = _FRAME.unpack_from(view, at)
        at += _FRAME.size
        if kind > _END or at + size > len(view):
            raise MessageRejected("A piece of a stream holds a frame that is none.")
        yield number, kind, view[at : at + size]
        at += size
