"""Ids in clear, or hashed: the method raw, at the request of a conf only.

Who joins receives all ids of the others and finds the common ones. A hash without a secret hides no id of a known kind:
a receiver hashes every phone number there is. With ``join_role: host`` each host learns which of its ids the guest has,
also where another host has not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fate_components.intersection.hashing import written_ids
from fate_components.intersection.matching import Rows, check_pairs, find, random_order
from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer, Peers
from fate_federated.wire.payload import Ids


def written(ids: Sequence[str], params: IntersectionParams) -> pa.Array:
    """What is sent and compared."""
    if params.with_encode:
        how = params.encode_params
        texts = written_ids(ids, how.encode_method, how.salt, how.base64)
    else:
        raw = params.raw_params
        texts = written_ids(ids, raw.hash_method if raw.use_hash else "none", raw.salt, raw.base64)
    return pa.array(texts, pa.string())


def guest_positions(hosts: Peers, values: pa.Array, counts: Sequence[int], joins: str) -> list[Rows]:
    """The guest's part: for each host, the position of each id in that host's list, or -1."""
    if joins == "guest":
        theirs = [_ids(host, count) for host, count in zip(hosts, counts, strict=True)]
        return [find(values, some) for some in theirs]
    order = random_order(len(values))
    hosts.push("ids", Ids(values.take(order)))
    result = []
    for host, count in zip(hosts, counts, strict=True):
        mine, theirs_of = check_pairs(host.pull("found_pairs"), len(values), count)
        positions = np.full(len(values), -1, np.int64)
        positions[order[mine]] = theirs_of
        result.append(positions)
    return result


def host_order(guest: Peer, values: pa.Array, count: int, joins: str) -> Rows:
    """A host's part: for each position of its list, the place of its id."""
    order = random_order(len(values))
    listed = values.take(order)
    if joins == "guest":
        guest.push("ids", Ids(listed))
        return order
    found = find(listed, _ids(guest, count))
    mine = np.flatnonzero(found >= 0)
    guest.push("found_pairs", np.stack([found[mine], mine]))
    return order


def _ids(peer: Peer, count: int) -> pa.Array:
    received = peer.pull("ids")
    if not isinstance(received, Ids) or len(received.values) != count:
        raise MessageRejected(f"{peer.party} sent something other than {count} ids.")
    return received.values
