"""A guest's or host's part of secure sums."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fate_components.secure_aggregation import shamir
from fate_components.secure_aggregation.masks import KEY_BYTES, common_key, key_pair, mask_of_pair, mask_of_seed
from fate_components.secure_aggregation.messages import (
    KEYS,
    MASKED,
    OPENED,
    OUTCOME,
    SHARES,
    SURVIVORS,
    Bytes,
    Masked,
    Total,
    bytes_from_wire,
    shares_to_wire,
    survivors_from_wire,
)
from fate_components.secure_aggregation.parties import clients_of, threshold_of
from fate_components.secure_aggregation.shamir import SHARE_BYTES
from fate_components.secure_aggregation.words import to_words
from fate_federated.errors import CryptoError
from fate_federated.party import Party
from fate_federated.task.context import Peer, TaskContext

log = logging.getLogger(__name__)

_TAG_BYTES = 16


@dataclass(slots=True)
class Client:
    """See the package. In each round a client calls :meth:`send`, then :meth:`receive` or :meth:`receive_total`.

    Attributes:
        place: of this client among all.
        secrets: of each round, that the round's key pair and seed are made of.
        public: each client's public keys, shape (rounds, 32).
        shares: by client, of its secrets, shape (rounds, 2, 32).
        round: the one that is next.
    """

    name: str
    party: Party
    arbiter: Peer
    clients: tuple[Party, ...]
    place: int
    secrets: tuple[tuple[int, int], ...] = field(repr=False)
    public: tuple[Bytes, ...] = field(repr=False)
    shares: tuple[Bytes, ...] = field(repr=False)
    round: int = 0
    _shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @classmethod
    def open(cls, ctx: TaskContext, rounds: int, name: str = "aggregation") -> Self:
        """Agree on keys with the other clients, for at most so many rounds.

        Args:
            name: of this aggregation, if a component has several.

        Raises:
            CryptoError, MessageRejected: another client sends something else than was agreed.
        """
        clients = clients_of(ctx)
        place, threshold = clients.index(ctx.party), threshold_of(len(clients))
        peers = {peer.party: peer for peer in (*ctx.guests, *ctx.hosts)}
        others = [(number, peers[party]) for number, party in enumerate(clients) if number != place]
        secrets = tuple((shamir.random_secret(), shamir.random_secret()) for _ in range(rounds))
        pairs = b"".join([key_pair(secret).public_key().public_bytes_raw() for secret, _ in secrets])
        own = np.frombuffer(pairs, np.uint8).reshape(rounds, KEY_BYTES)
        channel = X25519PrivateKey.generate()
        of_channel = np.frombuffer(channel.public_key().public_bytes_raw(), np.uint8)
        for _, peer in others:
            peer.push(f"{name}_{KEYS}", {"channel": of_channel, "public": own})
        ctx.arbiter.push(f"{name}_{KEYS}", own)
        public, channels = [own] * len(clients), [b""] * len(clients)
        for number, peer in others:
            received = peer.pull(f"{name}_{KEYS}")
            parts = received if isinstance(received, dict) else {}
            public[number] = bytes_from_wire(parts.get("public"), (rounds, KEY_BYTES))
            channels[number] = bytes_from_wire(parts.get("channel"), (KEY_BYTES,)).tobytes()
        given = [[shamir.share(secret, len(clients), threshold) for secret in some] for some in secrets]
        shares = [
            b"".join([shamir.to_bytes(some[number]) for both in given for some in both])
            for number in range(len(clients))
        ]
        shape = (rounds, 2, SHARE_BYTES)
        for number, peer in others:
            sealed = _cipher(channel, channels[number], place, number).encrypt(bytes(12), shares[number], None)
            peer.push(f"{name}_{SHARES}", np.frombuffer(sealed, np.uint8))
        received_shares = [np.frombuffer(shares[place], np.uint8).reshape(shape)] * len(clients)
        for number, peer in others:
            size = rounds * 2 * SHARE_BYTES + _TAG_BYTES
            sealed = bytes_from_wire(peer.pull(f"{name}_{SHARES}"), (size,)).tobytes()
            try:
                opened = _cipher(channel, channels[number], number, place).decrypt(bytes(12), sealed, None)
            except InvalidTag as error:
                raise CryptoError(f"The shares that came from {peer.party} are not what it sent.") from error
            received_shares[number] = np.frombuffer(opened, np.uint8).reshape(shape)
        return cls(name, ctx.party, ctx.arbiter, clients, place, secrets, tuple(public), tuple(received_shares))

    def send(self, values: npt.ArrayLike, weight: npt.ArrayLike = 1.0) -> None:
        """Contribute numbers to the round's sum.

        Args:
            values: of any shape, the same at all clients.
            weight: what they are multiplied with; its shape broadcasts to theirs.

        Raises:
            CryptoError: a number is not finite, or out of range (:func:`.words.largest`).
        """
        weights, numbers = np.asarray(weight, np.float64), np.asarray(values, np.float64)
        self._shapes = (numbers.shape, weights.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            weighted = numbers * weights
        if weighted.shape != numbers.shape:
            raise ValueError("the weights have more dimensions than the numbers")
        words = to_words(np.append(weighted.ravel(), weights.ravel()), len(self.clients))
        count = words.shape[1]
        secret, seed = self.secrets[self.round]
        words = words + mask_of_seed(seed, count)
        own = key_pair(secret)
        for number, public in enumerate(self.public):
            if number != self.place:
                mask = mask_of_pair(own, public[self.round].tobytes(), count)
                words = words + mask if self.place < number else words - mask
        message = Masked(numbers.shape, weights.shape, words)
        self.arbiter.push(f"{self.name}_{MASKED}", message.to_wire(), self.round)

    def receive(self) -> Any:
        """What the arbiter makes of the round's sum for all to know.

        Raises:
            MessageRejected: the arbiter would have this client open shares that it must not.
        """
        told = self.arbiter.pull(f"{self.name}_{SURVIVORS}", self.round)
        survivors = survivors_from_wire(told, len(self.clients), threshold_of(len(self.clients)))
        if self.place in survivors:
            # Of each client one secret only: the seed (1) of who is in the sum, else the key (0).
            opened = [
                shares[self.round, int(number in survivors)].tobytes() for number, shares in enumerate(self.shares)
            ]
            self.arbiter.push(f"{self.name}_{OPENED}", shares_to_wire(opened), self.round)
        else:
            log.warning("round %d goes on without this party, whose numbers came too late", self.round)
        outcome = self.arbiter.pull(f"{self.name}_{OUTCOME}", self.round)
        self.round += 1
        return outcome

    def receive_total(self) -> Total:
        """The round's sum, where the arbiter tells it."""
        return Total.from_wire(self.receive(), *self._shapes)

    def total(self, values: npt.ArrayLike, weight: npt.ArrayLike = 1.0) -> Total:
        """:meth:`send`, then :meth:`receive_total`."""
        self.send(values, weight)
        return self.receive_total()


def _cipher(own: X25519PrivateKey, public: bytes, sender: int, receiver: int) -> ChaCha20Poly1305:
    """For one message from one client to another: RFC 8439."""
    return ChaCha20Poly1305(common_key(own, public, b"shares/%d/%d" % (sender, receiver)))
