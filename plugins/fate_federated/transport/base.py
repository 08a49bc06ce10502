"""What a task needs of a transport. Each implementation passes the same suite."""

from __future__ import annotations

from typing import Any, Protocol

from fate_federated.party import Party
from fate_federated.wire.payload import Wire


class Transport(Protocol):
    """Tagged messages between the parties of one attempt of one task."""

    def push(self, receiver: Party, tag: str, value: Wire) -> int:
        """Send a value; returns when the receiver's gateway has it. The same tag is sent to a receiver once.

        Returns:
            bytes sent, structure and body.

        Raises:
            PartyUnreachable: the receiver's gateway stayed silent.
            AttemptEnded: the attempt was decided meanwhile.
        """
        ...

    def pull(self, sender: Party, tag: str) -> Any:
        """Wait for a value.

        Raises:
            AttemptEnded: the attempt was decided first, for instance because the sender's task failed.
            MessageRejected: what came is not a well-formed message.
        """
        ...

    def background(self) -> Transport:
        """The same for a thread beside the component's own: what it waits for does not hold the component up."""
        ...
