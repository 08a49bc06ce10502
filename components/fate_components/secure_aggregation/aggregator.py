"""The arbiter's part of secure sums."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np

from fate_components.secure_aggregation import shamir
from fate_components.secure_aggregation.inbox import Inbox
from fate_components.secure_aggregation.masks import KEY_BYTES, key_pair, mask_of_pair, mask_of_seed
from fate_components.secure_aggregation.messages import (
    KEYS,
    MASKED,
    OPENED,
    OUTCOME,
    SURVIVORS,
    Bytes,
    Masked,
    Total,
    bytes_from_wire,
)
from fate_components.secure_aggregation.parties import clients_of, threshold_of
from fate_components.secure_aggregation.shamir import SHARE_BYTES
from fate_components.secure_aggregation.words import Words, from_words
from fate_federated.errors import CryptoError, MessageRejected
from fate_federated.task.context import Peer, TaskContext
from fate_federated.wire.payload import Wire

log = logging.getLogger(__name__)

GRACE_SECONDS = 120.0
"""How long the others are waited for once enough clients have sent their numbers."""


@dataclass(slots=True)
class Aggregator:
    """See the package. In each round it calls :meth:`sum`, then :meth:`tell`. A context manager.

    Attributes:
        clients: guests and hosts, by their place.
        public: each one's public keys, shape (rounds, 32).
        awaited: the clients that are waited for: those that have answered last.
        round: the one that is next.
    """

    name: str
    clients: tuple[Peer, ...]
    public: tuple[Bytes, ...] = field(repr=False)
    inbox: Inbox = field(repr=False)
    awaited: set[int]
    round: int = 0

    @classmethod
    def open(
        cls, ctx: TaskContext, rounds: int, name: str = "aggregation", *, grace_seconds: float = GRACE_SECONDS
    ) -> Self:
        """Learn the clients' public keys, for at most so many rounds.

        Raises:
            MessageRejected: a client sends something else.
        """
        by_party = {peer.party: peer for peer in (*ctx.guests, *ctx.hosts)}
        clients = tuple(by_party[party] for party in clients_of(ctx))
        public = tuple(bytes_from_wire(peer.pull(f"{name}_{KEYS}"), (rounds, KEY_BYTES)) for peer in clients)
        return cls(name, clients, public, Inbox(clients, grace_seconds), set(range(len(clients))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.inbox.close()

    def sum(self) -> Total:
        """The sum of the numbers of all clients whose messages come in time.

        Raises:
            TransportError: they are too few.
            MessageRejected: clients do not send numbers of one shape.
            CryptoError: masks or shares are not what was agreed.
        """
        threshold = threshold_of(len(self.clients))
        everyone = range(len(self.clients))
        received = self.inbox.collect(f"{self.name}_{MASKED}", self.round, everyone, self.awaited, threshold)
        masked = {place: Masked.from_wire(value) for place, value in received.items()}
        first = next(iter(masked.values()))
        for place, some in masked.items():
            if (some.shape, some.weight_shape) != (first.shape, first.weight_shape):
                raise MessageRejected(
                    f"{self.clients[place].party} sent numbers of shape {some.shape}, another party of {first.shape}. "
                    "All parties need the same columns and the same parameters."
                )
        survivors = tuple(masked)
        if len(survivors) < len(self.clients):
            left_out = ", ".join(str(peer.party) for place, peer in enumerate(self.clients) if place not in masked)
            log.warning("round %d goes on without %s, whose numbers have not come", self.round, left_out)
        for peer in self.clients:
            peer.push(f"{self.name}_{SURVIVORS}", survivors, self.round)
        opened = self.inbox.collect(f"{self.name}_{OPENED}", self.round, survivors, survivors, threshold)
        self.awaited = set(opened)
        words = np.zeros_like(first.words)
        for some in masked.values():
            words = words + some.words
        words = words - self._masks(survivors, opened, words.shape[1])
        numbers = from_words(words, len(survivors))
        count = math.prod(first.shape)
        return Total(numbers[:count].reshape(first.shape), numbers[count:].reshape(first.weight_shape), survivors)

    def tell(self, outcome: Wire) -> None:
        """Tell all clients what came of the round, and go on to the next."""
        for peer in self.clients:
            peer.push(f"{self.name}_{OUTCOME}", outcome, self.round)
        self.round += 1

    def serve(self) -> Total:
        """:meth:`sum`, and tell it to all."""
        total = self.sum()
        self.tell(total.to_wire())
        return total

    def _masks(self, survivors: tuple[int, ...], opened: Mapping[int, Any], count: int) -> Words:
        """What is left of the masks in the sum of the survivors' words."""
        shares = {place: bytes_from_wire(value, (len(self.clients), SHARE_BYTES)) for place, value in opened.items()}
        weights = shamir.weights(list(shares))
        masks: Words = np.zeros((2, count), np.uint64)
        for client in range(len(self.clients)):
            secret = shamir.weighed(
                {holder: shamir.from_bytes(some[client].tobytes()) for holder, some in shares.items()}, weights
            )
            if client in survivors:
                masks = masks + mask_of_seed(secret, count)
                continue
            own = key_pair(secret)
            if own.public_key().public_bytes_raw() != self.public[client][self.round].tobytes():
                raise CryptoError(f"The shares of {self.clients[client].party}'s key that were opened are not its.")
            for survivor in survivors:
                mask = mask_of_pair(own, self.public[survivor][self.round].tobytes(), count)
                masks = masks + mask if survivor < client else masks - mask
        return masks
