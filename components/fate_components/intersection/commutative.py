"""Private set intersection by Diffie-Hellman: the methods ecdh and dh.

Guest and hosts have secret scalars a and b, and H maps an id into a group. The guest sends H(x)^a for its ids, a host
H(y)^b for its own, both in random order. Each raises what it received to its own scalar; the host returns H(x)^ab, the
guest keeps H(y)^ba, and equal ids are equal elements. Meadows 1986; Huberman, Franklin, Hogg 1999, "Enhancing privacy
and trust in electronic communities"; secure against parties that follow the protocol under decisional Diffie-Hellman
with H a random oracle (De Cristofaro, Tsudik 2010, "Practical private set intersection protocols with linear
complexity").

What is learnt: the guest, which of its own ids the host has, and how many the host has; the host, how many the guest
has. For a count alone (Agrawal, Evfimievski, Srikant 2003, "Information sharing across private databases", section 5)
the host returns H(x)^ab in an order of its own: the guest learns how many are equal, and not which.

A cache keeps both scalars, at the guest H(y)^ba, at the host the order of its ids. A later run spends nothing on the
host's ids. Whoever sees two such runs sees which blinded ids of the guest are the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from fate_components.crypto.groups import Group
from fate_components.crypto.parallel import in_order
from fate_components.intersection.matching import Rows, as_values, find, random_order
from fate_components.intersection.stream import pieces, receive, send
from fate_federated.task.context import Peer, Peers


@dataclass(frozen=True, slots=True)
class Blinding:
    """One party's scalar in a group.

    Attributes:
        hashed: what of some ids is mapped into the group.
    """

    group: Group
    scalar: bytes = field(repr=False)
    hashed: Callable[[Sequence[str]], list[bytes]]

    def send_blinded(self, peers: Peer | Peers, ids: pa.Array) -> Rows:
        """Send H(id)^scalar for each id in random order; returns for each position sent the place of its id."""
        order = random_order(len(ids))
        shuffled = ids.take(pa.array(order)).to_pylist()
        made = in_order(lambda some: self.group.blind(self.hashed(some), self.scalar), pieces(shuffled))
        send(peers, "blinded_ids", self.group.name, self.group.width_bytes, made)
        return order

    def raised(self, peer: Peer, count: int) -> Iterator[bytes]:
        """What a peer sends blinded, to this party's scalar."""
        return in_order(partial(self.group.multiply, scalar=self.scalar), self._received(peer, "blinded_ids", count))

    def return_twice_blinded(self, peer: Peer, count: int, *, shuffled: bool) -> None:
        """Raise a peer's blinded ids and send them back, in their order or in a random one."""
        made: Iterator[bytes] = self.raised(peer, count)
        if shuffled:
            width = self.group.width_bytes
            whole = np.frombuffer(b"".join(made), np.uint8).reshape(-1, width)
            made = (whole[np.array(places)].tobytes() for places in pieces(random_order(len(whole)).tolist()))
        send(peer, "twice_blinded_ids", self.group.name, self.group.width_bytes, made)

    def twice_blinded(self, peer: Peer, count: int) -> pa.Array:
        """This party's ids as a peer returned them."""
        return self.values(b"".join(self._received(peer, "twice_blinded_ids", count)))

    def values(self, elements: bytes) -> pa.Array:
        """For comparison."""
        return as_values(elements, self.group.width_bytes)

    def _received(self, peer: Peer, tag: str, count: int) -> Iterator[bytes]:
        return receive(peer, tag, self.group.name, self.group.width_bytes, count)


def guest_positions(mine: Blinding, hosts: Peers, ids: pa.Array, counts: Sequence[int]) -> list[Rows]:
    """The guest's part: for each host, the position of each id in that host's list, or -1."""
    order = mine.send_blinded(hosts, ids)
    theirs = [mine.values(b"".join(mine.raised(host, count))) for host, count in zip(hosts, counts, strict=True)]
    return [_found(mine, host, order, values) for host, values in zip(hosts, theirs, strict=True)]


def guest_positions_in_cache(mine: Blinding, hosts: Peers, ids: pa.Array, cached: Sequence[bytes]) -> list[Rows]:
    """The same where the hosts' ids, twice blinded, are there from an earlier run."""
    order = mine.send_blinded(hosts, ids)
    return [_found(mine, host, order, mine.values(data)) for host, data in zip(hosts, cached, strict=True)]


def _found(mine: Blinding, host: Peer, order: Rows, theirs: pa.Array) -> Rows:
    positions = np.empty(len(order), np.int64)
    positions[order] = find(mine.twice_blinded(host, len(order)), theirs)
    return positions


def guest_count(mine: Blinding, host: Peer, ids: pa.Array, count: int) -> int:
    """How many ids the host has too. Works on what the host returns in an order of its own."""
    mine.send_blinded(host, ids)
    theirs = mine.values(b"".join(mine.raised(host, count)))
    return int((find(mine.twice_blinded(host, len(ids)), theirs) >= 0).sum())


def host_order(mine: Blinding, guest: Peer, ids: pa.Array, count: int, *, shuffled: bool = False) -> Rows:
    """A host's part: for each position of its list, the place of its id."""
    order = mine.send_blinded(guest, ids)
    mine.return_twice_blinded(guest, count, shuffled=shuffled)
    return order
