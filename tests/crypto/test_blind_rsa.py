"""Blind signatures, against the cryptography library's RSA."""

from __future__ import annotations

from typing import Any

import pytest
from gmpy2 import mpz

from fate_components.crypto.blind_rsa import EXPONENT, SigningKey, VerifyingKey
from fate_federated.errors import CryptoError, MessageRejected

KEYS = [b"", b"ann", b"bob", "Zoë".encode()]


@pytest.fixture(scope="module")
def signer() -> SigningKey:
    return SigningKey.generate(1024)


def test_a_blind_signature_is_the_signature(signer: SigningKey) -> None:
    public = VerifyingKey.from_wire(signer.public.to_wire(), 1024)
    blinded, factors = public.blind(KEYS)
    assert public.unblind(signer.sign_blinded(blinded), factors, KEYS) == signer.sign(KEYS)


def test_a_signature_is_the_root_of_the_hash(signer: SigningKey) -> None:
    n = int(signer.public.n)
    for signature, hashed in zip(signer.sign(KEYS), signer.public.hashed(KEYS), strict=True):
        assert pow(int.from_bytes(signature, "big"), EXPONENT, n) == int(hashed)


def test_hashes_fill_the_whole_domain(signer: SigningKey) -> None:
    hashes = signer.public.hashed([str(number).encode() for number in range(400)])
    tops = {int(value * 8 // signer.public.n) for value in hashes}
    assert tops == set(range(8))


def test_what_the_signer_sees_is_new_each_time(signer: SigningKey) -> None:
    once, _ = signer.public.blind(KEYS)
    again, factors = signer.public.blind(KEYS)
    assert once != again
    # A factor is as long as the modulus: a short one would give the right candidate away to who takes roots.
    assert max(factors).bit_length() > 1000


def test_a_number_that_is_no_signature_is_refused(signer: SigningKey) -> None:
    blinded, factors = signer.public.blind(KEYS)
    with pytest.raises(MessageRejected, match="no signature"):
        signer.public.unblind(blinded, factors, KEYS)


def test_what_cannot_be_signed_is_refused(signer: SigningKey) -> None:
    for value in (mpz(0), signer.public.n, signer.p * 3):
        with pytest.raises(MessageRejected, match="cannot be signed"):
            signer.sign_blinded(value.to_bytes(128, "little"))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"n": 5},
        {"n": b"\x01" * 128, "e": b"3"},
        {"n": b"\xff" * 64},
        {"n": b"\xff" * 127 + b"\xfe"},
        {"n": b"1" * 5000},
    ],
)
def test_what_is_no_key_is_refused(value: Any) -> None:
    with pytest.raises(CryptoError):
        VerifyingKey.from_wire(value, 1024)
