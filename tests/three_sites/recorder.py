"""Records every byte between two gateways, in clear.

A recorder stands between a site and one peer, as a middleman that the trial authority has vouched for: it ends the
caller's mTLS with a certificate that names the peer's parties, and calls on with one that names the caller's. So the
gateways under test are the real ones, with their real settings, and what is recorded is what truly crossed.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import hpack
import numpy as np

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, CONTINUATION = 0x0, 0x1, 0x9
PADDED, PRIORITY, END_HEADERS = 0x8, 0x20, 0x4


@dataclass(slots=True)
class Direction:
    """One direction of one connection, byte for byte."""

    raw: bytearray = field(default_factory=bytearray)

    def contents(self) -> list[bytes]:
        """What it carried: the body of every HTTP/2 stream, whole, and every header as ``name: value``."""
        view = bytes(self.raw)
        at = len(PREFACE) if view.startswith(PREFACE) else 0
        bodies: dict[int, bytearray] = {}
        headers: list[bytes] = []
        decoder = hpack.Decoder()
        block = bytearray()
        while at + 9 <= len(view):
            length, kind, flags = int.from_bytes(view[at : at + 3]), view[at + 3], view[at + 4]
            stream = int.from_bytes(view[at + 5 : at + 9]) & 0x7FFFFFFF
            payload = view[at + 9 : at + 9 + length]
            at += 9 + length
            if kind in (DATA, HEADERS) and flags & PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if kind == DATA:
                bodies.setdefault(stream, bytearray()).extend(payload)
            elif kind in (HEADERS, CONTINUATION):
                block += payload[5:] if kind == HEADERS and flags & PRIORITY else payload
                if flags & END_HEADERS:
                    for name, value in decoder.decode(bytes(block), raw=True):
                        headers.append(bytes(name) + b": " + bytes(value))
                    block.clear()
        return [bytes(body) for body in bodies.values()] + headers


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificate and key files of one site, and the authority that both sides trust."""

    certificate: Path
    private_key: Path
    authority: Path

    def context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        """A TLS 1.2+ context for HTTP/2 that demands the other side's certificate."""
        context = ssl.create_default_context(purpose, cafile=str(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.private_key)
        context.set_alpn_protocols(["h2"])
        return context


class Recorder:
    """Stands in for one peer of one site; see the module's docstring.

    Attributes:
        port: what the site's peer setting names instead of the peer's own port.
        directions: every direction of every connection so far.
    """

    def __init__(self, caller: Identity, callee: Identity, target_port: int) -> None:
        self.directions: list[Direction] = []
        self._caller, self._callee, self._target = caller, callee, target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._serve())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def _run(self, coroutine):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _serve(self) -> asyncio.Server:
        context = self._callee.context(ssl.Purpose.CLIENT_AUTH)
        return await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=context)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = self._caller.context(ssl.Purpose.SERVER_AUTH)
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target, ssl=context, server_hostname="localhost")
        except OSError:
            writer.close()
            return
        pairs = [(reader, onward[1]), (onward[0], writer)]
        await asyncio.gather(*(self._pump(source, sink) for source, sink in pairs))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        direction = Direction()
        self.directions.append(direction)
        try:
            while piece := await source.read(1 << 16):
                direction.raw += piece
                sink.write(piece)
                await sink.drain()
        except (ConnectionError, ssl.SSLError):
            pass  # one side hung up: the other hears of it by the close below
        finally:
            sink.close()

    def contents(self) -> list[bytes]:
        """What all connections carried so far, in both directions."""
        return [content for direction in self.directions for content in direction.contents()]

    def close(self) -> None:
        """Stop listening and forget the connections."""

        async def stop() -> None:
            self._server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._run(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)


PREFIX_BYTES = 8
WINDOWS = 1 << 22


def found(contents: list[bytes], needles: Iterable[tuple[str, bytes]]) -> set[str]:
    """The names of those needles, of 8 bytes at least, that stand anywhere in the contents.

    Every run of 8 bytes is looked up among the needles' beginnings, all at once.
    """
    everything = b"\0".join(contents) + bytes(PREFIX_BYTES)
    by_prefix: dict[int, list[tuple[str, bytes]]] = {}
    for name, needle in needles:
        assert len(needle) >= PREFIX_BYTES, name
        by_prefix.setdefault(int.from_bytes(needle[:PREFIX_BYTES], "little"), []).append((name, needle))
    prefixes = np.array(sorted(by_prefix), dtype="<u8")
    names = set()
    for start in range(0, len(everything) - PREFIX_BYTES, WINDOWS):
        piece = np.frombuffer(everything[start : start + WINDOWS + PREFIX_BYTES - 1], dtype=np.uint8)
        windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(piece, PREFIX_BYTES)).view("<u8")[:, 0]
        places = np.minimum(np.searchsorted(prefixes, windows), len(prefixes) - 1)
        for at in np.flatnonzero(prefixes[places] == windows):
            for name, needle in by_prefix[int(windows[at])]:
                if everything.startswith(needle, start + int(at)):
                    names.add(name)
    return names
