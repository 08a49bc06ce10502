"""The group ristretto255 (RFC 9496), whole arrays at a time, through libsodium.

Prime order: there is no cofactor to clear, and no small subgroup in which a peer could learn bits of a scalar.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

import rbcl

from fate_components.crypto.workers import cores, shared_workers
from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import ELEMENT_BYTES

DIGEST_BYTES = 64
_DOMAIN = b"fate-federated/intersection/ristretto255/v1\x00"
# 50 us each; a helper process takes longer to start than fewer than these need.
_WORTH_A_WORKER = 2048


class Ristretto255:
    """The group, as :class:`~fate_components.crypto.groups.Group` describes one."""

    name = "ristretto255"
    width_bytes = ELEMENT_BYTES

    def random_scalar(self) -> bytes:
        """Uniform in 1..order-1, little-endian."""
        while True:
            scalar: bytes = rbcl.crypto_core_ristretto255_scalar_reduce(secrets.token_bytes(64))
            if any(scalar):
                return scalar

    def blind(self, keys: Sequence[bytes], scalar: bytes) -> bytes:
        """H is SHA-512 of a fixed prefix and the key, mapped to the group by RFC 9496, section 4.3.4."""
        digests = b"".join([hashlib.sha512(_DOMAIN + key).digest() for key in keys])
        return _here_or_there("blind_digests", digests, scalar, len(keys))

    def multiply(self, elements: bytes, scalar: bytes) -> bytes:
        """element^scalar for each."""
        return _here_or_there("multiply_elements", elements, scalar, len(elements) // ELEMENT_BYTES)


def _here_or_there(name: str, body: bytes, scalar: bytes, count: int) -> bytes:
    if count < _WORTH_A_WORKER or cores() == 1:
        return blind_digests(body, scalar) if name == "blind_digests" else multiply_elements(body, scalar)
    # The calls are so short that threads would spend their time handing each other the GIL.
    (answer,) = shared_workers().run([({"name": name, "scalar": scalar.hex()}, body)])
    if answer[:1] != b"\x01":
        raise _no_element()
    return answer[1:]


def blind_digests(digests: bytes, scalar: bytes) -> bytes:
    """The element of each digest of 64 bytes, to the power of the scalar."""
    hashed, power = rbcl.crypto_core_ristretto255_from_hash, rbcl.crypto_scalarmult_ristretto255
    return b"".join(
        [power(scalar, hashed(digests[at : at + DIGEST_BYTES])) for at in range(0, len(digests), DIGEST_BYTES)]
    )


def multiply_elements(elements: bytes, scalar: bytes) -> bytes:
    """element^scalar for each.

    Raises:
        MessageRejected: one is not the encoding of a group element, or is the identity.
    """
    power = rbcl.crypto_scalarmult_ristretto255
    try:
        return b"".join(
            [power(scalar, elements[at : at + ELEMENT_BYTES]) for at in range(0, len(elements), ELEMENT_BYTES)]
        )
    except RuntimeError as error:
        # libsodium refuses what RFC 9496, section 4.3.1, cannot decode, and a product that is the identity; for a
        # non-zero scalar that means that the element was.
        raise _no_element() from error


def _no_element() -> MessageRejected:
    return MessageRejected("A peer sent 32 bytes that are no element of ristretto255, or the identity.")
