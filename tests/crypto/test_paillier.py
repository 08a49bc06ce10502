"""Keys: what they are made of, what is accepted from others, and agreement with phe."""

from __future__ import annotations

import gmpy2
import numpy as np
import phe
import pytest
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import PrivateKey, PublicKey, generate_keypair
from fate_federated.errors import CryptoError


@pytest.mark.parametrize("bits", [256, 512, 1024])
def test_a_key_has_the_length_asked_for_and_primes_fit_for_short_exponents(bits: int) -> None:
    private = generate_keypair(bits)
    assert private.public.bits == bits
    assert private.p * private.q == private.public.n
    for prime in (private.p, private.q):
        assert prime.is_prime()
        assert prime % 4 == 3
    assert gmpy2.gcd(private.p - 1, private.q - 1) == 2


def test_two_keys_differ() -> None:
    assert generate_keypair(256).public.n != generate_keypair(256).public.n


def test_the_random_factors_encrypt_zero_and_never_repeat(private: PrivateKey) -> None:
    factors = private.public.random_factors(60)
    assert private.residues(factors) == [0] * 60
    assert len(set(factors)) == 60
    assert 1 not in factors


def test_the_secret_is_not_shown(private: PrivateKey) -> None:
    assert str(private.p) not in repr(private)
    assert str(private.q) not in repr(private)


def test_phe_decrypts_what_is_encrypted_here(private: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.array([0, 1, -1, 123456789, -(2**50)]))
    wire = encrypted.to_wire()
    numbers = [
        int.from_bytes(wire.data[at : at + wire.width_bytes], "little")
        for at in range(0, len(wire.data), wire.width_bytes)
    ]
    theirs = private.to_phe()
    n = int(private.public.n)
    assert [theirs.raw_decrypt(number) for number in numbers] == [0, 1, n - 1, 123456789, n - 2**50]


def test_what_phe_encrypts_is_decrypted_here() -> None:
    public, secret = phe.generate_paillier_keypair(n_length=512)
    private = PrivateKey.from_phe(secret)
    ciphertexts = [mpz(public.raw_encrypt(number % public.n)) for number in (0, 7, -7, 2**200)]
    assert private.residues(ciphertexts) == [0, 7, public.n - 7, 2**200]
    assert private.to_phe() == secret


def test_a_key_of_phe_encrypts_here_for_phe() -> None:
    public, secret = phe.generate_paillier_keypair(n_length=512)
    ours = PublicKey.from_phe(public)
    wire = EncryptedArray.encrypt(ours, np.array([41])).to_wire()
    assert secret.raw_decrypt(int.from_bytes(wire.data, "little")) == 41
    assert ours.to_phe() == public


def test_a_key_travels(private: PrivateKey) -> None:
    public = private.public
    assert PublicKey.from_wire(public.to_wire(), minimum_bits=512) == public


def test_a_key_that_is_too_short_is_refused(private: PrivateKey) -> None:
    with pytest.raises(CryptoError, match="512 bits; 1024 to 8192"):
        PublicKey.from_wire(private.public.to_wire())


def number(value: mpz | int, size: int = 130) -> bytes:
    return int(value).to_bytes(size, "big")


def test_what_is_no_key_is_refused(private: PrivateKey) -> None:
    n, hn = private.public.n, private.public.hn
    good = private.public.to_wire()
    bad = [
        None,
        [],
        {},
        {"n": good["n"]},
        good | {"more": b""},
        good | {"n": "text"},
        good | {"n": b"\xff" * 4096},
        good | {"n": number(n + 1)},
        good | {"n": number(gmpy2.next_prime(n))},
        *(good | {"hn": number(value)} for value in (0, 1, n * n - 1, n * n, n * n + hn, n, private.p)),
        good | {"hn": number(root_of_one(private))},
    ]
    for value in bad:
        with pytest.raises(CryptoError):
            PublicKey.from_wire(value, minimum_bits=512)


def root_of_one(private: PrivateKey) -> mpz:
    """Neither 1 nor -1, but its square is 1 modulo n^2: encryption with it hides one bit at most."""
    p2, q2 = private.p**2, private.q**2
    return (1 + p2 * (-2 * gmpy2.invert(p2, q2) % q2)) % (p2 * q2)


def test_the_keys_owner_makes_encryptions_of_zero_as_others_do(private: PrivateKey) -> None:
    factors = private.random_factors(150)  # more than pay for a table
    assert len(set(factors)) == 150
    assert all(0 < factor < private.public.modulus for factor in factors)
    assert private.residues(factors) == [0] * 150
    # In the group that hn generates: of Jacobi symbol 1, as hn is.
    assert {gmpy2.jacobi(factor % private.public.n, private.public.n) for factor in factors} == {1}
