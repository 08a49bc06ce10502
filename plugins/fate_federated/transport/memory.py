"""Messages between parties that are threads of one process.

Values travel as the bytes that a gateway would carry: what cannot be encoded fails here as it would there, and a
recorder sees what the wire would see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from fate_federated.errors import AttemptFailed, MessageRejected, NeverSent, TransportError
from fate_federated.party import Party
from fate_federated.wire.payload import Kind, Wire, decode, encode


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it left its sender."""

    sender: Party
    receiver: Party
    tag: str
    kind: Kind
    shape: str
    structure: bytes = field(repr=False)
    body: bytes = field(repr=False)


class MemoryHub:
    """Where the parties of one attempt meet. Each party is one thread: when all of them wait, none ever stops waiting,
    and that is raised at once.

    Args:
        parties: all that take part.
        deadline_seconds: how long a pull waits.
        record: called with every message, in the order sent.
    """

    def __init__(
        self,
        parties: Iterable[Party],
        *,
        deadline_seconds: float = 600.0,
        record: Callable[[Message], None] | None = None,
    ) -> None:
        self._deadline_seconds = deadline_seconds
        self._record = record
        self._changed = threading.Condition()
        self._present = set(parties)
        self._waiting: dict[Party, tuple[Party, str]] = {}
        self._messages: dict[tuple[Party, Party, str], Message] = {}
        self._sent: set[tuple[Party, Party, str]] = set()
        self._failure: tuple[Party, str] | None = None

    def transport(self, party: Party) -> MemoryTransport:
        """The transport of one party."""
        return MemoryTransport(self, party)

    def fail(self, party: Party, cause: str) -> None:
        """Fail the attempt: whatever the other parties wait for raises AttemptFailed with the first cause."""
        with self._changed:
            self._failure = self._failure or (party, cause)
            self._changed.notify_all()

    def leave(self, party: Party) -> None:
        """A party's part is over: who waits for more of it is told so."""
        with self._changed:
            self._present.discard(party)
            self._changed.notify_all()

    def put(self, message: Message) -> None:
        """Hand over one message."""
        address = (message.sender, message.receiver, message.tag)
        with self._changed:
            self._check_attempt()
            if address in self._sent:
                raise MessageRejected(f"{message.sender} sent {message.tag!r} to {message.receiver} before.")
            self._sent.add(address)
            self._messages[address] = message
            if self._record is not None:
                self._record(message)
            self._changed.notify_all()

    def take(self, sender: Party, receiver: Party, tag: str, *, holds_up: bool = True) -> Message:
        """Wait for one message.

        Args:
            holds_up: whether the party does nothing else meanwhile.
        """
        address = (sender, receiver, tag)
        ends = monotonic() + self._deadline_seconds
        with self._changed:
            if holds_up:
                self._waiting[receiver] = (sender, tag)
            try:
                while address not in self._messages:
                    self._check_attempt()
                    self._check_hope(sender, receiver, tag)
                    if not self._changed.wait(ends - monotonic()):
                        raise TransportError(
                            f"{receiver} waited {self._deadline_seconds:g} s for {tag!r} of {sender} in vain."
                        )
            finally:
                if holds_up:
                    del self._waiting[receiver]
            return self._messages.pop(address)

    def _check_attempt(self) -> None:
        if self._failure is not None:
            party, cause = self._failure
            raise AttemptFailed(f"{party} failed: {cause}")

    def _check_hope(self, sender: Party, receiver: Party, tag: str) -> None:
        if sender not in self._present:
            raise NeverSent(sender, receiver, tag)
        blocked = {
            party
            for party, (source, wanted) in self._waiting.items()
            if (source, party, wanted) not in self._messages
        }  # fmt: skip
        if blocked >= self._present:
            waits = ", ".join(
                f"{party} for {wanted!r} of {source}" for party, (source, wanted) in sorted(self._waiting.items())
            )
            raise TransportError(f"Every party waits for another: {waits}.")


@dataclass(frozen=True, slots=True)
class MemoryTransport:
    """One party's end of a :class:`MemoryHub`."""

    hub: MemoryHub
    party: Party
    holds_up: bool = True

    def push(self, receiver: Party, tag: str, value: Wire) -> int:
        """Send a value; see :class:`~fate_federated.transport.base.Transport`."""
        payload = encode(value)
        body = b"".join(payload.body)
        self.hub.put(Message(self.party, receiver, tag, payload.kind, payload.shape, payload.structure, body))
        return len(payload.structure) + len(body)

    def pull(self, sender: Party, tag: str) -> Any:
        """Wait for a value; see :class:`~fate_federated.transport.base.Transport`."""
        message = self.hub.take(sender, self.party, tag, holds_up=self.holds_up)
        return decode(message.structure, message.body)

    def background(self) -> MemoryTransport:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return replace(self, holds_up=False)
