"""Messages between tasks by way of their gateways."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import grpc

from fate_federated.errors import MessageRejected
from fate_federated.party import Party
from fate_federated.pb import exchange_pb2 as pb
from fate_federated.pb.exchange_pb2_grpc import ExchangeStub
from fate_federated.transport.rpc import PART_BYTES, call_with_patience
from fate_federated.wire.convert import address_out, header_in, header_out
from fate_federated.wire.payload import MAX_BODY_BYTES, Payload, Wire, decode, encode
from fate_federated.wire.records import Address, Header, TaskRef

SILENCE_SECONDS = 60.0


class GatewayTransport:
    """A :class:`~fate_federated.transport.base.Transport` of one party's task in one attempt.

    A gateway that restarts is waited for; what it had acknowledged is still there then.
    """

    def __init__(self, channel: grpc.Channel, address: str, task: TaskRef, attempt: int, party: Party) -> None:
        self._stub = ExchangeStub(channel)
        self._address = address
        self._task, self._attempt, self._party = task, attempt, party
        self._lock = threading.Lock()
        self._received: dict[Party, list[str]] = {}

    def push(self, receiver: Party, tag: str, value: Wire) -> int:
        """See :class:`~fate_federated.transport.base.Transport`."""
        payload = encode(value)
        header = Header(
            task=self._task,
            attempt=self._attempt,
            sender=self._party,
            receiver=receiver,
            tag=tag,
            kind=payload.kind,
            shape=payload.shape,
            structure=payload.structure,
            body_bytes=payload.body_bytes,
            digest=_digest(payload),
        )
        call_with_patience(lambda: self._stub.Push(_parts(header, payload)), self._address, SILENCE_SECONDS)
        return header.bytes

    def pull(self, sender: Party, tag: str) -> Any:
        """See :class:`~fate_federated.transport.base.Transport`."""
        request = address_out(Address(self._task, self._attempt, sender, self._party, tag))
        with self._lock:
            request.received.extend(self._received.pop(sender, ()))
        header, body = call_with_patience(lambda: _collect(self._stub.Pull(request)), self._address, SILENCE_SECONDS)
        digest = hashlib.sha256(header.structure)
        digest.update(body)
        if digest.digest() != header.digest:
            raise MessageRejected(f"The message {tag!r} from {sender} is not what was sent: its digest differs.")
        with self._lock:
            self._received.setdefault(sender, []).append(tag)
        return decode(header.structure, body)

    def background(self) -> GatewayTransport:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return self


def _digest(payload: Payload) -> bytes:
    digest = hashlib.sha256(payload.structure)
    for part in payload.body:
        digest.update(part)
    return digest.digest()


def _parts(header: Header, payload: Payload) -> Iterator[pb.MessagePart]:
    first = header_out(header)
    if payload.body_bytes <= PART_BYTES:
        yield pb.MessagePart(header=first, body=b"".join(payload.body))
        return
    yield pb.MessagePart(header=first)
    for part in payload.body:
        for start in range(0, part.nbytes, PART_BYTES):
            yield pb.MessagePart(body=bytes(part[start : start + PART_BYTES]))


def _collect(parts: Iterator[pb.MessagePart]) -> tuple[Header, memoryview]:
    header: Header | None = None
    body = bytearray()
    filled = 0
    for part in parts:
        if part.HasField("header"):
            header = header_in(part.header)
            if header.body_bytes > MAX_BODY_BYTES:
                raise MessageRejected(f"A message of {header.body_bytes} bytes is larger than a task takes.")
            body = bytearray(header.body_bytes)
        end = filled + len(part.body)
        if end > len(body):
            raise MessageRejected("A message is longer than it announces.")
        body[filled:end] = part.body
        filled = end
    if header is None or filled != len(body):
        raise MessageRejected("A message ends before its end.")
    return header, memoryview(body)
