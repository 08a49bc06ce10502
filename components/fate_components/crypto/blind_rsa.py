"""Blind RSA signatures with a full-domain hash (Chaum 1983; Bellare, Namprempre, Pointcheval, Semanko 2003)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa
from gmpy2 import mpz

from fate_components.crypto.integers import inverses, pack, unpack
from fate_federated.errors import CryptoError, MessageRejected

EXPONENT = 65537
MAXIMUM_BITS = 8192
_DOMAIN = b"fate-federated/intersection/blind-rsa/v1\x00"


@dataclass(frozen=True)
class VerifyingKey:
    """What the signer tells."""

    n: mpz

    @property
    def width_bytes(self) -> int:
        return -(-int(self.n.bit_length()) // 8)

    def hashed(self, keys: Sequence[bytes]) -> list[mpz]:
        """Each key as a number modulo n: SHAKE-256 of a fixed prefix and the key, 128 bits longer than n."""
        size = self.width_bytes + 16
        return [mpz.from_bytes(hashlib.shake_256(_DOMAIN + key).digest(size), "big") % self.n for key in keys]

    def blind(self, keys: Sequence[bytes]) -> tuple[bytes, list[mpz]]:
        """hash * r**e for each key, and the secret r, uniform in 2..n-1.

        The product is uniform too: the signer learns nothing of the key from it.
        """
        factors = [mpz(2 + secrets.randbelow(int(self.n) - 2)) for _ in keys]
        raised = gmpy2.powmod_base_list(factors, EXPONENT, self.n)
        blinded = [value * power % self.n for value, power in zip(self.hashed(keys), raised, strict=True)]
        return pack(blinded, self.width_bytes), factors

    def unblind(self, signatures: bytes, factors: Sequence[mpz], keys: Sequence[bytes]) -> list[bytes]:
        """The signatures of the keys.

        Raises:
            MessageRejected: one is none.
        """
        n, width = self.n, self.width_bytes
        try:
            open_again = inverses(factors, n)
        except ZeroDivisionError as error:
            raise MessageRejected("The signer's key is no RSA key: it has a small factor.") from error
        signed = [value * inverse % n for value, inverse in zip(unpack(signatures, width), open_again, strict=True)]
        if gmpy2.powmod_base_list(signed, EXPONENT, n) != self.hashed(keys):
            raise MessageRejected("A peer sent a number that is no signature under its key.")
        return [value.to_bytes(width, "big") for value in signed]

    def to_wire(self) -> dict[str, bytes]:
        """For the other party."""
        return {"n": self.n.to_bytes(self.width_bytes, "big")}

    @classmethod
    def from_wire(cls, value: Any, bits: int) -> VerifyingKey:
        """A peer's key.

        Raises:
            CryptoError: it is not one of so many bits.
        """
        if not isinstance(value, Mapping) or set(value) != {"n"} or not isinstance(value["n"], bytes):
            raise CryptoError("A message does not hold an RSA key.")
        if len(value["n"]) > MAXIMUM_BITS // 8:
            raise CryptoError(f"An RSA key of {8 * len(value['n'])} bits is too long.")
        n = mpz.from_bytes(value["n"], "big")
        if n.bit_length() != bits or n.is_even() or n.is_probab_prime():
            raise CryptoError(f"A message holds an RSA key of {n.bit_length()} bits where {bits} were agreed, or none.")
        return cls(n)


@dataclass(frozen=True)
class SigningKey:
    """What only the signer has. Never sent or logged."""

    p: mpz = field(repr=False)
    q: mpz = field(repr=False)

    @classmethod
    def generate(cls, bits: int) -> SigningKey:
        """A new key with e = 65537."""
        made = rsa.generate_private_key(EXPONENT, bits).private_numbers()
        return cls(mpz(made.p), mpz(made.q))

    @cached_property
    def public(self) -> VerifyingKey:
        return VerifyingKey(self.p * self.q)

    def sign(self, keys: Sequence[bytes]) -> list[bytes]:
        """Of one's own keys."""
        width = self.public.width_bytes
        return [value.to_bytes(width, "big") for value in self._roots(self.public.hashed(keys))]

    def sign_blinded(self, blinded: bytes) -> bytes:
        """Of what a peer blinded.

        Raises:
            MessageRejected: a number is not below n, or has a factor in common with it.
        """
        values = unpack(blinded, self.public.width_bytes)
        if not all(0 < value < self.public.n and gmpy2.gcd(value, self.public.n) == 1 for value in values):
            raise MessageRejected("A peer sent a number that cannot be signed.")
        return pack(self._roots(values), self.public.width_bytes)

    def _roots(self, values: Sequence[mpz]) -> list[mpz]:
        # powmod_base_list runs without the GIL.
        of_p, of_q = (
            gmpy2.powmod_base_list([value % prime for value in values], gmpy2.invert(EXPONENT, prime - 1), prime)
            for prime in (self.p, self.q)
        )
        inverse = gmpy2.invert(self.p, self.q)
        return [a + self.p * ((b - a) * inverse % self.q) for a, b in zip(of_p, of_q, strict=True)]
