"""Diffie-Hellman modulo the safe primes of the RFCs."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.crypto.safe_prime import SafePrimeGroup, safe_prime
from fate_federated.errors import MessageRejected

GROUP = SafePrimeGroup(1024)


@pytest.mark.parametrize("bits", [1024, 1536, 2048, 3072])
def test_the_primes_are_safe(bits: int) -> None:
    prime = safe_prime(bits)
    assert prime.bit_length() == bits
    assert prime.is_prime()
    assert ((prime - 1) // 2).is_prime()


def test_a_prime_is_the_one_of_the_standard() -> None:
    """RFC 3526, section 3: how it begins after its 64 ones, and ends."""
    written = f"{safe_prime(2048):X}"
    assert written.startswith("F" * 16 + "C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22")
    assert written.endswith("15728E5A8AACAA68" + "F" * 16)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(), max_size=5))
def test_both_orders_of_the_two_secrets_give_the_same_elements(keys: list[bytes]) -> None:
    a, b = GROUP.random_scalar(), GROUP.random_scalar()
    assert GROUP.multiply(GROUP.blind(keys, a), b) == GROUP.multiply(GROUP.blind(keys, b), a)


@pytest.mark.parametrize("value", [0, 1, -1, -2, None])
def test_what_is_no_square_below_the_prime_is_refused(value: int | None) -> None:
    prime = safe_prime(1024)
    number = mpz(2) ** 1024 - 1 if value is None else value % prime
    with pytest.raises(MessageRejected, match="no square"):
        GROUP.multiply(number.to_bytes(128, "little"), GROUP.random_scalar())
