"""Diffie-Hellman over ristretto255 (RFC 9496), whole arrays at a time, through libsodium.

Two parties with secret scalars a and b map an id x to H(x)^(ab) in either order and compare: equal ids give equal
elements, and under the decisional Diffie-Hellman assumption an id outside of the intersection gives an element that
looks random to the other party (Meadows 1986; Huberman, Franklin, Hogg 1999). ristretto255 has prime order, so there is
no cofactor to clear and no small subgroup in which a peer could learn bits of a scalar.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import rbcl

from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import ELEMENT_BYTES, GroupElements

_DOMAIN = b"fate-federated/intersection/ristretto255/v1\x00"
# libsodium is called without the GIL, so threads share the work; a piece takes about 0.1 s.
_PIECE = 2048


def random_scalar() -> bytes:
    """A secret scalar, uniform in 1..order-1, 32 bytes little-endian. One per party and task, never sent or logged."""
    while True:
        scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(secrets.token_bytes(64))
        if any(scalar):
            return scalar


def blind_ids(ids: pa.Array | Sequence[str], scalar: bytes) -> GroupElements:
    """H(id)^scalar for each id, in the order of the ids, shape (len(ids),).

    H is SHA-512 of a fixed prefix and the id in UTF-8, mapped to the group by RFC 9496, section 4.3.4. No id may be
    null.
    """
    texts: list[str] = ids.to_pylist() if isinstance(ids, pa.Array) else list(ids)

    def blind(start: int) -> bytes:
        return b"".join(
            rbcl.crypto_scalarmult_ristretto255(
                scalar, rbcl.crypto_core_ristretto255_from_hash(hashlib.sha512(_DOMAIN + text.encode()).digest())
            )
            for text in texts[start : start + _PIECE]
        )

    return GroupElements(_in_pieces(blind, len(texts)))


def multiply(elements: GroupElements, scalar: bytes) -> GroupElements:
    """element^scalar for each element that a peer sent, in its order.

    Raises:
        MessageRejected: one is not the encoding of a group element, or is the identity.
    """
    data = elements.data

    def power(start: int) -> bytes:
        end = min(start + _PIECE, len(elements)) * ELEMENT_BYTES
        return b"".join(
            rbcl.crypto_scalarmult_ristretto255(scalar, data[at : at + ELEMENT_BYTES])
            for at in range(start * ELEMENT_BYTES, end, ELEMENT_BYTES)
        )

    try:
        return GroupElements(_in_pieces(power, len(elements)))
    except RuntimeError as error:
        # libsodium refuses what RFC 9496, section 4.3.1, cannot decode, and a product that is the identity; for a
        # non-zero scalar that means that the element was.
        raise MessageRejected("A peer sent 32 bytes that are no element of ristretto255, or the identity.") from error


def _in_pieces(work: Callable[[int], bytes], count: int) -> bytes:
    starts = range(0, count, _PIECE)
    if len(starts) <= 1:
        return b"".join(map(work, starts))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return b"".join(pool.map(work, starts))
