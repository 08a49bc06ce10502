"""Long lists of elements between two parties, in pieces: who receives one computes while the next is on its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer, Peers
from fate_federated.wire.payload import GroupElements

T = TypeVar("T")

PIECE = 4096
"""Elements in one message."""


def pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """At most so many at a time."""
    return (items[start : start + PIECE] for start in range(0, len(items), PIECE))


def send(peers: Peer | Peers, tag: str, group: str, width_bytes: int, made: Iterable[bytes]) -> bytes:
    """Send elements piece by piece as they are made; returns all of them."""
    sent = []
    for step, data in enumerate(made):
        peers.push(tag, GroupElements(data, group, width_bytes), step)
        sent.append(data)
    return b"".join(sent)


def receive(peer: Peer, tag: str, group: str, width_bytes: int, count: int) -> Iterator[bytes]:
    """Elements that a peer sends piece by piece.

    Raises:
        MessageRejected: it sends something else.
    """
    for step, start in enumerate(range(0, count, PIECE)):
        received, expected = peer.pull(tag, step), min(PIECE, count - start)
        if (
            not isinstance(received, GroupElements)
            or (received.group, received.width_bytes) != (group, width_bytes)
            or len(received) != expected
        ):
            raise MessageRejected(f"{peer.party} sent something other than {expected} elements of {group}.")
        yield received.data
