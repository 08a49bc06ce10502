"""Private set intersection by blind signatures: the method rsa.

The host signs its own ids with an RSA key of its own and sends hashes of the signatures, in random order. The guest has
its ids signed blindly, so that the host sees uniformly random numbers, and compares hashes. De Cristofaro, Tsudik 2010,
"Practical private set intersection protocols with linear complexity", figure 4; against parties that follow the
protocol, under the one-more-RSA assumption with both hashes random oracles.

What is learnt: the guest, which of its own ids the host has, and how many the host has; the host, how many the guest
has. With ``split_calculation`` the ids are halved by a bit of their hash, and for one half the parts are exchanged: the
host learns which of its ids of that half that guest has, also where another host has not, and both learn how many ids
of each half the other has.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.blind_rsa import SigningKey, VerifyingKey
from fate_components.crypto.bloom_filter import BloomFilter
from fate_components.crypto.parallel import in_order
from fate_components.intersection.matching import Rows, as_values, check_pairs, find, random_order
from fate_components.intersection.spec import IntersectionParams, RsaParams
from fate_components.intersection.stream import pieces, receive, send
from fate_federated.errors import MessageRejected
from fate_federated.party import Role
from fate_federated.task.context import Peer, Peers, TaskContext

BLINDED, SIGNATURES, HASHES = "rsablinded", "rsasignatures", "signaturehashes"


@dataclass(frozen=True, slots=True)
class Names:
    """Tags of one exchange, told apart by a prefix."""

    prefix: str = ""

    def of(self, name: str) -> str:
        return f"{self.prefix}{name}"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has the key.

    Attributes:
        final_hash: of a signature, before anybody compares it.
    """

    key: SigningKey = field(repr=False)
    final_hash: str
    names: Names = Names()

    def send_key(self, peers: Peer | Peers) -> None:
        """Tell which signatures will be checked against."""
        peers.push(self.names.of("signing_key"), self.key.public.to_wire())

    def send_signed(self, peers: Peer | Peers, keys: Sequence[bytes]) -> Rows:
        """Send the hashed signatures of one's own keys in random order; returns for each its key's place."""
        order = random_order(len(keys))
        shuffled = [keys[place] for place in order.tolist()]
        made = in_order(lambda some: b"".join(self.hashed_signatures(some)), pieces(shuffled))
        send(peers, self.names.of("signed_ids"), HASHES, hash_bytes(self.final_hash), made)
        return order

    def hashed_signatures(self, keys: Sequence[bytes]) -> list[bytes]:
        """Of one's own keys."""
        return _hashes(self.key.sign(keys), self.final_hash)

    def sign_for(self, peer: Peer, count: int) -> None:
        """Sign what a peer sends blinded, and send it back."""
        width = self.key.public.width_bytes
        received = receive(peer, self.names.of("blinded_ids"), BLINDED, width, count)
        made = in_order(self.key.sign_blinded, received)
        send(peer, self.names.of("blind_signatures"), SIGNATURES, width, made)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who has its ids signed blindly by a peer."""

    peer: Peer
    key: VerifyingKey
    final_hash: str
    names: Names

    @classmethod
    def of(cls, peer: Peer, bits: int, final_hash: str, names: Names) -> Asker:
        """After the peer's key has come."""
        return cls(peer, VerifyingKey.from_wire(peer.pull(names.of("signing_key")), bits), final_hash, names)

    def send_blinded(self, keys: Sequence[bytes]) -> Question:
        """Send the keys blinded, in random order."""
        order = random_order(len(keys))
        asked = [(some, *self.key.blind(some)) for some in pieces([keys[place] for place in order.tolist()])]
        made = (blinded for _, blinded, _ in asked)
        send(self.peer, self.names.of("blinded_ids"), BLINDED, self.key.width_bytes, made)
        return Question(order, [(some, factors) for some, _, factors in asked])

    def hashed_signatures(self, question: Question) -> list[bytes]:
        """Of the keys of a question, in the order that they were given in."""
        answers = receive(
            self.peer, self.names.of("blind_signatures"), SIGNATURES, self.key.width_bytes, len(question.order)
        )
        in_place = [b""] * len(question.order)
        places = iter(question.order.tolist())
        for (some, factors), data in zip(question.pieces, answers, strict=True):
            for value in _hashes(self.key.unblind(data, factors, some), self.final_hash):
                in_place[next(places)] = value
        return in_place

    def positions(self, question: Question, count: int) -> Rows:
        """For each key of a question its position among the ids that the peer has signed for itself, or -1."""
        received = receive(self.peer, self.names.of("signed_ids"), HASHES, hash_bytes(self.final_hash), count)
        return self.positions_among(question, b"".join(received))

    def positions_among(self, question: Question, hashes: bytes) -> Rows:
        """The same among hashed signatures that are there from an earlier run."""
        width = hash_bytes(self.final_hash)
        mine = as_values(b"".join(self.hashed_signatures(question)), width)
        return find(mine, as_values(hashes, width))


@dataclass(frozen=True, slots=True)
class Question:
    """Keys on their way to be signed.

    Attributes:
        order: for each key sent, the place that it came from.
        pieces: keys as sent, and what each was blinded with.
    """

    order: Rows
    pieces: list[tuple[Sequence[bytes], list[mpz]]] = field(repr=False)


def hash_bytes(method: str) -> int:
    """Of a digest."""
    return hashlib.new(method).digest_size


def _hashes(signatures: Sequence[bytes], method: str) -> list[bytes]:
    return [hashlib.new(method, signature).digest() for signature in signatures]


# Each side signs for one half


@dataclass(frozen=True, slots=True)
class Halves:
    """Places of the keys that the host signs, then of those that the guest signs."""

    by_host: Rows
    by_guest: Rows

    @classmethod
    def of(cls, keys: Sequence[bytes]) -> Halves:
        """By a bit that both sides find the same."""
        bits = np.array([hashlib.sha256(key).digest()[0] & 1 for key in keys], np.bool_)
        return cls(np.flatnonzero(~bits), np.flatnonzero(bits))


def split(ctx: TaskContext, peer: Peer, keys: Sequence[bytes], params: RsaParams) -> tuple[Rows, Rows]:
    """Both parts of one pair. The host's list is the half that it signs, then the other.

    Returns:
        (positions, order): at the guest, for each key its position in the host's list or -1; at the host, for each
        position of its list the place of its key. The other one is empty.
    """
    halves = Halves.of(keys)
    at_guest = ctx.party.role is Role.GUEST
    signed, asked = (halves.by_guest, halves.by_host) if at_guest else (halves.by_host, halves.by_guest)
    by_me, by_peer = (Names("guest_"), Names("host_")) if at_guest else (Names("host_"), Names("guest_"))
    peer.push("half_counts", np.array([len(signed), len(asked)]))
    counts = peer.pull("half_counts")
    if not isinstance(counts, np.ndarray) or counts.shape != (2,) or counts.dtype != np.int64 or (counts < 0).any():
        raise MessageRejected(f"{peer.party} sent something other than the sizes of its halves.")
    their_signed, their_asked = counts.tolist()

    signer = Signer(SigningKey.generate(params.key_length), params.final_hash_method, by_me)
    signer.send_key(peer)
    asker = Asker.of(peer, params.key_length, params.final_hash_method, by_peer)
    question = asker.send_blinded([keys[place] for place in asked.tolist()])
    order = signer.send_signed(peer, [keys[place] for place in signed.tolist()])
    signer.sign_for(peer, their_asked)
    found = asker.positions(question, their_signed)

    if not at_guest:
        mine = np.flatnonzero(found >= 0)
        peer.push("found_pairs", np.stack([found[mine], mine]))
        return np.empty(0, np.int64), np.concatenate([signed[order], asked])
    in_signed, in_theirs = check_pairs(peer.pull("found_pairs"), len(signed), their_asked)
    positions = np.full(len(keys), -1, np.int64)
    positions[asked] = found
    positions[signed[order[in_signed]]] = their_signed + in_theirs
    return positions, np.empty(0, np.int64)


# The filter that takes out ids which the other side does not have


def send_filter(peers: Peers | Peer, counts: Sequence[int], keys: Sequence[bytes], params: IntersectionParams) -> None:
    """The owner's part: a Bloom filter of its hashed signatures, and signatures for the others' ids.

    The others learn which of their ids are in the filter: those that the owner has, and of the rest the part that
    ``false_positive_rate`` says. The signatures keep them from asking for ids beyond as many as they announced.
    """
    how, rsa = params.intersect_preprocess_params, params.rsa_params
    signer = Signer(SigningKey.generate(rsa.key_length), rsa.final_hash_method, Names("filter_"))
    signer.send_key(peers)
    hashes = [value for some in pieces(keys) for value in signer.hashed_signatures(some)]
    seed = secrets.token_bytes(16) if how.random_state is None else str(how.random_state).encode()
    salt = seed + how.preprocess_salt.encode()
    members = BloomFilter.of(hashes, how.false_positive_rate, how.preprocess_method, salt)
    peers.push("filter", members.to_wire())
    for peer, count in zip([peers] if isinstance(peers, Peer) else peers, counts, strict=True):
        signer.sign_for(peer, count)


def receive_filter(peer: Peer, keys: Sequence[bytes], params: IntersectionParams) -> npt.NDArray[np.bool_]:
    """The others' part: which of one's ids may be the owner's, shape (len(keys),)."""
    rsa = params.rsa_params
    asker = Asker.of(peer, rsa.key_length, rsa.final_hash_method, Names("filter_"))
    question = asker.send_blinded(keys)
    members = BloomFilter.from_wire(peer.pull("filter"), params.intersect_preprocess_params.preprocess_method)
    return members.contains(asker.hashed_signatures(question))
