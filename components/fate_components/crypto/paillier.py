"""Paillier's keys (Paillier 1999), with the faster encryption of Damgård, Jurik and Nielsen (2010).

A ciphertext of m is (1 + m·n)·hⁿᵃ mod n² with a fresh secret a of half the key's length, where the public key carries
hⁿ. Section 4.2 of "A generalization of Paillier's public-key system with applications to electronic voting" (Int. J.
Inf. Secur. 9) shows for n = p·q, p ≡ q ≡ 3 mod 4, gcd(p-1, q-1) = 2 and h = -x² with random x that this h generates
the elements of Jacobi symbol 1, and that an exponent a of half of n's bits makes hᵃ indistinguishable from a random
one of them unless n can be factored. A ciphertext then costs one multiplication modulo n² per byte of a, from a table
of hⁿ's powers, where a textbook ciphertext costs a full power of a random number.

Only the holder of p and q decrypts. hⁿ is chosen by whoever made the key: like the key itself it is trusted to be
made as said; a maker who cheats can let others see what it can see anyway.

The exponent keeps the length for which the reduction to factoring stands. Shorter ones (Koshiba, Kurosawa 2004, "Short
exponent Diffie-Hellman problems"; 448 bits in Ma, Han, Yang, Wang, Chen 2021, "Optimized Paillier cryptosystem with
fast encryption and decryption") would be twice as fast on a stronger assumption.

Who has p and q draws hⁿᵃ modulo p² and modulo q² separately (:meth:`PrivateKey.random_factors`): the exponents of its
square are uniform below (p-1)/2 and (q-1)/2, multiples of its orders there, so that the factors are uniform among the
powers of hⁿ, whatever is assumed.

The engine is gmpy2. Of others that can be installed, sf-heu 0.5.2 encrypts no faster (1,080 values per second on one
core with 2048 bits, measured where gmpy2 gave 1,300 to 1,600) and wants every number as an object of its own;
ipcl-python has no build for this Python.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import gmpy2
import phe
from gmpy2 import mpz

from fate_components.crypto import parallel
from fate_components.crypto.fixed_base import Base
from fate_components.crypto.workers import cores
from fate_federated.errors import CryptoError

MINIMUM_BITS = 1024
MAXIMUM_BITS = 8192


@dataclass(frozen=True)
class PublicKey:
    """What everyone may have.

    Attributes:
        n: the modulus.
        hn: hⁿ mod n², base of the random factor of ciphertexts.
        expected: random factors that are going to be asked for; 0 where that is not known. It says how large a table of
            powers pays, nothing else.
    """

    n: mpz
    hn: mpz = field(repr=False)
    expected: int = field(default=0, repr=False, compare=False)

    def expecting(self, count: int) -> PublicKey:
        """The same key, for so many encryptions or ciphertexts to send."""
        return replace(self, expected=count)

    @property
    def bits(self) -> int:
        return int(self.n.bit_length())

    @cached_property
    def modulus(self) -> mpz:
        """n², modulus of ciphertexts."""
        return self.n * self.n

    @cached_property
    def limit(self) -> int:
        """Plaintexts stand for integers of a magnitude below n/2."""
        return int(self.n // 2)

    @property
    def width_bytes(self) -> int:
        """Of a ciphertext."""
        return 2 * self.plain_width_bytes

    @property
    def plain_width_bytes(self) -> int:
        """Of a plaintext modulo n."""
        return -(-self.bits // 8)

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of n, big-endian."""
        return hashlib.sha256(self.n.to_bytes(self.plain_width_bytes, "big")).digest()

    def random_factors(self, count: int) -> list[mpz]:
        """Encryptions of zero, each with fresh randomness: times one, a ciphertext is a new one of the same number."""
        base = Base(self.hn, self.modulus, mpz(1) << -(-self.bits // 2))
        return parallel.random_powers([base], count, self.expected)[0]

    def to_wire(self) -> dict[str, bytes]:
        """For other parties."""
        return {
            "n": self.n.to_bytes(self.plain_width_bytes, "big"),
            "hn": self.hn.to_bytes(self.width_bytes, "big"),
        }

    @classmethod
    def from_wire(cls, value: Any, minimum_bits: int = MINIMUM_BITS) -> PublicKey:
        """Another party's key.

        Raises:
            CryptoError: it is not one, is shorter than ``minimum_bits`` or would hide nothing.
        """
        if not isinstance(value, Mapping) or set(value) != {"n", "hn"}:
            raise CryptoError("A Paillier key has exactly the fields n and hn.")
        if not all(isinstance(part, bytes) and len(part) <= MAXIMUM_BITS // 4 for part in value.values()):
            raise CryptoError(f"A Paillier key's numbers are bytes, of at most {MAXIMUM_BITS} bits of n.")
        n, hn = mpz.from_bytes(value["n"], "big"), mpz.from_bytes(value["hn"], "big")
        if not minimum_bits <= n.bit_length() <= MAXIMUM_BITS:
            raise CryptoError(
                f"A Paillier key has {n.bit_length()} bits; {minimum_bits} to {MAXIMUM_BITS} are accepted."
            )
        square = n * n
        if n.is_even() or n.is_probab_prime():
            raise CryptoError("A Paillier key's n is even or prime.")
        if not 1 < hn < square - 1 or hn * hn % square == 1 or gmpy2.gcd(hn, n) != 1:
            raise CryptoError("A Paillier key's hn would not hide a plaintext.")
        return cls(n, hn)

    def to_phe(self) -> phe.PaillierPublicKey:
        """The same key for the phe library."""
        return phe.PaillierPublicKey(int(self.n))

    @classmethod
    def from_phe(cls, key: phe.PaillierPublicKey) -> PublicKey:
        """A key of the phe library, with an h of our own."""
        n = mpz(key.n)
        return cls(n, _random_hn(n))


@dataclass(frozen=True)
class PrivateKey:
    """What only the party that decrypts has. Never sent or logged.

    Attributes:
        expected: as the public key's, of those that the owner draws.
    """

    public: PublicKey
    p: mpz = field(repr=False)
    q: mpz = field(repr=False)
    expected: int = field(default=0, repr=False, compare=False)

    def expecting(self, count: int) -> PrivateKey:
        """The same key, for so many encryptions."""
        return replace(self, expected=count)

    def random_factors(self, count: int) -> list[mpz]:
        """The same as the public key's, in half of the time.

        Squares are drawn independently modulo p² and q², and half of them multiplied by hⁿ: all powers of hⁿ, nothing
        else. A factor from outside, such as one of Jacobi symbol -1, would leave a trace that the others'
        re-randomisation cannot remove, and tell the owner which ciphertexts were added up.
        """
        p, q, hn, modulus = self.p, self.q, self.public.hn, self.public.modulus
        if p % 4 != 3 or q % 4 != 3 or gmpy2.gcd(p - 1, q - 1) != 2:  # a key made elsewhere
            return self.public.random_factors(count)
        p_square, q_square = p * p, q * q
        bases = [Base(hn * hn % prime**2, prime**2, (prime - 1) // 2) for prime in (p, q)]
        of_p, of_q = parallel.random_powers(bases, count, self.expected)
        inverse = gmpy2.invert(p_square, q_square)
        squares = [a + p_square * ((b - a) * inverse % q_square) for a, b in zip(of_p, of_q, strict=True)]
        odd = secrets.randbits(count) if count else 0
        return [value * hn % modulus if odd >> place & 1 else value for place, value in enumerate(squares)]

    def residues(self, ciphertexts: Sequence[mpz]) -> list[mpz]:
        """Plaintexts in 0..n-1, by the Chinese remainder theorem (Paillier 1999, section 7). In threads, if many."""
        if len(ciphertexts) < 4 or cores() == 1:
            return self._residues(ciphertexts)
        size = -(-len(ciphertexts) // cores())
        parts = [ciphertexts[at : at + size] for at in range(0, len(ciphertexts), size)]
        with ThreadPoolExecutor(len(parts)) as threads:
            return [residue for some in threads.map(self._residues, parts) for residue in some]

    def _residues(self, ciphertexts: Sequence[mpz]) -> list[mpz]:
        p, q = self.p, self.q
        of_p = self._modulo_prime(ciphertexts, p)
        of_q = self._modulo_prime(ciphertexts, q)
        p_inverse = gmpy2.invert(p, q)
        return [a + p * ((b - a) * p_inverse % q) for a, b in zip(of_p, of_q, strict=True)]

    def _modulo_prime(self, ciphertexts: Sequence[mpz], prime: mpz) -> list[mpz]:
        square = prime * prime
        # L(g^(prime-1) mod prime²)⁻¹ for g = 1 + n
        scale = gmpy2.invert((gmpy2.powmod(1 + self.public.n, prime - 1, square) - 1) // prime, prime)
        # powmod_base_list runs without the GIL.
        raised = gmpy2.powmod_base_list([value % square for value in ciphertexts], prime - 1, square)
        return [(value - 1) // prime * scale % prime for value in raised]

    def to_phe(self) -> phe.PaillierPrivateKey:
        """The same key for the phe library."""
        return phe.PaillierPrivateKey(self.public.to_phe(), int(self.p), int(self.q))

    @classmethod
    def from_phe(cls, key: phe.PaillierPrivateKey) -> PrivateKey:
        """A key of the phe library, with an h of our own."""
        return cls(PublicKey.from_phe(key.public_key), mpz(key.p), mpz(key.q))


def generate_keypair(bits: int = 2048) -> PrivateKey:
    """A new key whose n has exactly that many bits; the public key is its ``public``.

    Components offer 1024 bits and more; shorter keys are for tests.
    """
    half = bits // 2
    while True:
        p, q = _random_prime(half), _random_prime(bits - half)
        n = p * q
        if p != q and n.bit_length() == bits and gmpy2.gcd(p - 1, q - 1) == 2 and gmpy2.gcd(n, (p - 1) * (q - 1)) == 1:
            return PrivateKey(PublicKey(n, _random_hn(n)), p, q)


def _random_prime(bits: int) -> mpz:
    """Uniform among the primes of that many bits, the two highest set, that are 3 modulo 4."""
    while True:
        candidate = mpz(secrets.randbits(bits)) | (mpz(3) << (bits - 2)) | 3
        if candidate.is_prime(30):
            return candidate


def _random_hn(n: mpz) -> mpz:
    while True:
        x = mpz(secrets.randbelow(int(n)))
        if x > 1 and gmpy2.gcd(x, n) == 1:
            return gmpy2.powmod(n - x * x % n, n, n * n)
