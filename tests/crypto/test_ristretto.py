"""Diffie-Hellman over ristretto255, against an independent reading of RFC 9496 in plain Python integers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.crypto.ristretto import Ristretto255
from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import ELEMENT_BYTES

GROUP = Ristretto255()

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
INVSQRT_A_MINUS_D = 54469307008909316920995813868745141605393597292927456921205312896311721017578


def _abs(x: int) -> int:
    x %= P
    return P - x if x & 1 else x


def _sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    r = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    check, u = v * r * r % P, u % P
    if check in (-u % P, -u * SQRT_M1 % P):
        r = r * SQRT_M1
    return check in (u, -u % P), _abs(r)


def _map(t: int) -> tuple[int, int]:
    """RFC 9496, section 4.3.4: MAP, to affine coordinates."""
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P
    square, s = _sqrt_ratio(u, v)
    c = -1 if square else r
    s = s if square else -_abs(s * t)
    n = c * (r - 1) * (D - 1) ** 2 - v
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * pow(w1, -1, P) % P, w2 * pow(w3, -1, P) % P


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def _encode(point: tuple[int, int]) -> bytes:
    """RFC 9496, section 4.3.2."""
    x, y = point
    t, u1, u2 = x * y, (1 + y) * (1 - y), x * y
    _, inverse = _sqrt_ratio(1, u1 * u2 * u2)
    den1, den2 = inverse * u1, inverse * u2
    z_inv = den1 * den2 * t
    if t * z_inv % P & 1:
        x, y, den2 = y * SQRT_M1, x * SQRT_M1, den1 * INVSQRT_A_MINUS_D
    if x * z_inv % P & 1:
        y = -y
    return _abs(den2 * (1 - y)).to_bytes(32, "little")


def expected(text: str, scalar: bytes) -> bytes:
    """H(id)^scalar, by the definition."""
    digest = hashlib.sha512(b"fate-federated/intersection/ristretto255/v1\x00" + text.encode()).digest()
    halves = (int.from_bytes(digest[:32], "little"), int.from_bytes(digest[32:], "little"))
    base = _add(*(_map(half % 2**255 % P) for half in halves))
    product = (0, 1)
    for bit in f"{int.from_bytes(scalar, 'little'):b}":
        product = _add(product, product)
        if bit == "1":
            product = _add(product, base)
    return _encode(product)


def blind_ids(ids: list[str], scalar: bytes) -> bytes:
    return GROUP.blind([text.encode() for text in ids], scalar)


def elements(of: bytes) -> list[bytes]:
    return [of[at : at + ELEMENT_BYTES] for at in range(0, len(of), ELEMENT_BYTES)]


@pytest.mark.parametrize("text", ["", "133", "Zoë", "x" * 1000])
def test_an_id_becomes_what_the_standard_says(text: str) -> None:
    scalar = GROUP.random_scalar()
    assert blind_ids([text], scalar) == expected(text, scalar)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(), max_size=20))
def test_both_orders_of_the_two_secrets_give_the_same_elements(ids: list[str]) -> None:
    a, b = GROUP.random_scalar(), GROUP.random_scalar()
    assert GROUP.multiply(blind_ids(ids, a), b) == GROUP.multiply(blind_ids(ids, b), a)


def test_long_arrays_keep_their_order() -> None:
    ids = [f"id-{number}" for number in range(4200)]
    scalar = GROUP.random_scalar()
    blinded = blind_ids(ids, scalar)
    assert len(set(elements(blinded))) == 4200
    for place in (0, 2047, 2048, 4095, 4096, 4199):
        assert elements(blinded)[place] == blind_ids([ids[place]], scalar)


def test_only_equal_ids_meet() -> None:
    a, b = GROUP.random_scalar(), GROUP.random_scalar()
    guest = elements(GROUP.multiply(blind_ids(["1", "2", "3"], a), b))
    host = elements(GROUP.multiply(blind_ids(["3", "4", "2"], b), a))
    assert [element in host for element in guest] == [False, True, True]


def test_scalars_differ_and_hide_the_id() -> None:
    assert blind_ids(["1"], GROUP.random_scalar()) != blind_ids(["1"], GROUP.random_scalar())


def test_no_ids_give_no_elements() -> None:
    nothing = blind_ids([], GROUP.random_scalar())
    assert nothing == b""
    assert GROUP.multiply(nothing, GROUP.random_scalar()) == b""


@pytest.mark.parametrize(
    "encoding",
    [
        bytes(32),  # the identity
        bytes([0]) + b"\xff" * 31,  # not canonical: above the field's order
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),  # the field's order
        bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000000"),  # negative
        bytes.fromhex("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),  # not a square
        bytes.fromhex("3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e"),  # negative x*y
    ],
)
def test_what_is_no_element_is_refused(encoding: bytes) -> None:
    good = blind_ids(["1", "2"], GROUP.random_scalar())
    with pytest.raises(MessageRejected, match="ristretto255"):
        GROUP.multiply(good + encoding, GROUP.random_scalar())


def test_a_helper_process_refuses_the_same() -> None:
    good = blind_ids([str(number) for number in range(2100)], GROUP.random_scalar())
    with pytest.raises(MessageRejected, match="ristretto255"):
        GROUP.multiply(good + bytes(32), GROUP.random_scalar())
    assert len(GROUP.multiply(good, GROUP.random_scalar())) == len(good)
