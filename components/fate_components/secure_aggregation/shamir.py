"""Shamir 1979, "How to share a secret", over the integers modulo 2^255 - 19."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from fate_federated.errors import CryptoError

PRIME = 2**255 - 19
SHARE_BYTES = 32


def random_secret() -> int:
    """Uniform in 0 … PRIME - 1."""
    return secrets.randbelow(PRIME)


def share(secret: int, holders: int, threshold: int) -> list[int]:
    """A share for each holder: any ``threshold`` of them tell the secret, fewer nothing of it."""
    coefficients = [secret, *(random_secret() for _ in range(threshold - 1))]
    return [_value(coefficients, place) for place in range(1, holders + 1)]


def weights(holders: Sequence[int]) -> dict[int, int]:
    """What the shares of ``threshold`` holders or more, counted from 0, are to be multiplied with, so that the sum is
    the secret: Lagrange's interpolation at 0.
    """
    found = {}
    for holder in holders:
        above = below = 1
        for other in holders:
            if other != holder:
                above = above * (other + 1) % PRIME
                below = below * (other - holder) % PRIME
        found[holder] = above * pow(below, -1, PRIME) % PRIME
    return found


def weighed(shares: Mapping[int, int], by_holder: Mapping[int, int]) -> int:
    """The sum of shares times :func:`weights`."""
    return sum(shares[holder] * weight for holder, weight in by_holder.items()) % PRIME


def to_bytes(element: int) -> bytes:
    """Little-endian."""
    return element.to_bytes(SHARE_BYTES, "little")


def from_bytes(data: bytes) -> int:
    """What :func:`to_bytes` made.

    Raises:
        CryptoError: it is no integer modulo PRIME.
    """
    element = int.from_bytes(data, "little")
    if len(data) != SHARE_BYTES or element >= PRIME:
        raise CryptoError("A peer sent a share that is none.")
    return element


def _value(coefficients: Sequence[int], at: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % PRIME
    return value
