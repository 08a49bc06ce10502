"""The squares modulo a safe prime, whole arrays at a time."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from functools import cache

import gmpy2
from gmpy2 import mpz

from fate_components.crypto.integers import pack, unpack
from fate_federated.errors import MessageRejected

_DOMAIN = b"fate-federated/intersection/safe-prime/v1\x00"
_OFFSETS = {1024: 129093, 1536: 741804, 2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158}
"""What makes p and (p - 1) / 2 prime, by the bits of p: RFC 2409, section 6.2, and RFC 3526."""
_EXPONENT_BITS = {1024: 256, 1536: 256, 2048: 256, 3072: 275, 4096: 325, 6144: 375, 8192: 400}
"""At least what RFC 7919, appendix A, asks of its groups of these sizes: twice the strength of the group."""


@cache
def safe_prime(bits: int) -> mpz:
    """2^bits - 2^(bits-64) - 1 + 2^64 * (floor(2^(bits-130) * pi) + offset)."""
    with gmpy2.context(precision=bits + 64):
        pi = mpz(gmpy2.floor(gmpy2.const_pi() * (mpz(1) << (bits - 130))))
    return (mpz(1) << bits) - (mpz(1) << (bits - 64)) - 1 + (mpz(1) << 64) * (pi + _OFFSETS[bits])


class SafePrimeGroup:
    """Squares modulo the safe prime of so many bits, as :class:`~fate_components.crypto.groups.Group` describes one.

    Their order (p - 1) / 2 is prime, so a peer's element leads into no small subgroup, and an exponent of twice the
    group's strength does as well as a full one (van Oorschot, Wiener 1996; RFC 7919, section 5.2).
    """

    def __init__(self, bits: int) -> None:
        self.name, self.width_bytes = f"modp{bits}", bits // 8
        self._bits, self._prime = bits, safe_prime(bits)

    def random_scalar(self) -> bytes:
        """Uniform among the numbers of the exponent's length but zero, little-endian."""
        size = _EXPONENT_BITS[self._bits] // 8
        while not any(scalar := secrets.token_bytes(size)):
            pass
        return scalar

    def blind(self, keys: Sequence[bytes], scalar: bytes) -> bytes:
        """H is the square of SHAKE-256 of a fixed prefix and the key, 128 bits longer than p, modulo p."""
        size, prime = self.width_bytes + 16, self._prime
        hashed = [mpz.from_bytes(hashlib.shake_256(_DOMAIN + key).digest(size), "big") for key in keys]
        return self._powers([value * value % prime for value in hashed], scalar)

    def multiply(self, elements: bytes, scalar: bytes) -> bytes:
        """element^scalar for each."""
        values = unpack(elements, self.width_bytes)
        if not all(1 < value < self._prime and gmpy2.legendre(value, self._prime) == 1 for value in values):
            raise MessageRejected(f"A peer sent a number that is no square modulo the prime of {self._bits} bits.")
        return self._powers(values, scalar)

    def _powers(self, values: list[mpz], scalar: bytes) -> bytes:
        # powmod_base_list runs without the GIL.
        exponent = mpz.from_bytes(scalar, "little")
        return pack(gmpy2.powmod_base_list(values, exponent, self._prime), self.width_bytes)
