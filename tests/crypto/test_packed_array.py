"""Several numbers in one ciphertext: what holds for each, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey
from fate_federated.errors import CryptoError
from fate_federated.wire.payload import Ciphertexts, decode, encode

Floats = npt.NDArray[np.float64]
numbers = st.floats(-1e3, 1e3, width=64)
matrices = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=numbers)
few = settings(max_examples=30, deadline=None)
SLOT_BITS, EXPONENT = 60, -30


@few
@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=9), elements=numbers))
def test_decryption_gives_back_what_was_packed(private: PrivateKey, x: Floats) -> None:
    for key in (private, private.public):
        packed = PackedArray.encrypt(key, x, SLOT_BITS, EXPONENT)
        assert packed.shape == x.shape
        assert packed.slots == min(8, x.shape[-1])
        np.testing.assert_allclose(packed.decrypt(private), x, rtol=0, atol=2.0**-31)


@few
@given(matrices, st.integers(-1000, 1000))
def test_what_is_done_to_a_ciphertext_is_done_to_all_its_numbers(private: PrivateKey, x: Floats, factor: int) -> None:
    a = PackedArray.encrypt(private.public, x, SLOT_BITS, EXPONENT)
    b = PackedArray.encrypt(private.public, x[::-1], SLOT_BITS, EXPONENT)
    np.testing.assert_allclose((a + b).decrypt(private), x + x[::-1], atol=2.0**-29)
    np.testing.assert_allclose((a + x).decrypt(private), x + x, atol=2.0**-29)
    np.testing.assert_allclose((a * factor).decrypt(private), x * factor, atol=1000 * 2.0**-30)
    np.testing.assert_allclose(a.sum().decrypt(private), x.sum(axis=0), atol=10 * 2.0**-30)
    rows = np.arange(len(x))
    np.testing.assert_allclose((a * rows).decrypt(private), x * rows[:, None], atol=10 * 2.0**-30)
    np.testing.assert_array_equal(a[rows[::-1]].decrypt(private), a.decrypt(private)[::-1])


@few
@given(matrices)
def test_ciphertexts_of_one_number_are_packed(private: PrivateKey, x: Floats) -> None:
    packed = PackedArray.pack(EncryptedArray.encrypt(private.public, x, EXPONENT), SLOT_BITS)
    assert packed.ciphertexts.size == len(x) * -(-x.shape[1] // 8)
    np.testing.assert_allclose(packed.decrypt(private), x, rtol=0, atol=2.0**-31)


def test_an_independent_implementation_finds_the_packed_integers(private: PrivateKey) -> None:
    integers = np.array([[5, -7, 2**40, -(2**40)], [0, -1, 1, 9]])
    packed = PackedArray.encrypt(private, integers, 64)
    wire = packed.to_wire()["ciphertexts"]
    assert isinstance(wire, Ciphertexts)
    width, secret = wire.width_bytes, private.to_phe()
    for row, at in zip(integers.tolist(), range(0, len(wire.data), width), strict=True):
        plain = secret.raw_decrypt(int.from_bytes(wire.data[at : at + width], "little"))
        assert plain == sum(integer << (64 * slot) for slot, integer in enumerate(row)) % int(private.public.n)


def test_sums_by_bin_keep_their_slots(private: PrivateKey) -> None:
    rng = np.random.default_rng(3)
    values, bins = rng.uniform(-1, 1, (40, 2)), rng.integers(-1, 4, (40, 3))
    sums = PackedArray.encrypt(private, values, SLOT_BITS, EXPONENT).sum_by_bin(bins, 4)
    expected = np.array([[values[column == place].sum(axis=0) for place in range(4)] for column in bins.T])
    assert sums.shape == (3, 4, 2)
    assert sums.ciphertexts.size == 12
    np.testing.assert_allclose(sums.decrypt(private), expected, atol=40 * 2.0**-30)


def test_a_slot_that_might_overflow_is_refused(private: PrivateKey) -> None:
    packed = PackedArray.encrypt(private, np.full((9, 3), 2**50), 53)
    with pytest.raises(CryptoError, match="55 bits where its slot has 53"):
        packed.sum()
    with pytest.raises(CryptoError, match="Use wider slots"):
        packed * 5
    with pytest.raises(CryptoError, match="where its slot has 53"):
        packed + np.full((9, 3), 2**52 - 1)
    with pytest.raises(CryptoError, match="where its slot has 20"):
        PackedArray.encrypt(private, np.array([2**19]), 20)
    with pytest.raises(CryptoError, match="no slots of 600 bits"):
        PackedArray.encrypt(private, np.array([1]), 600)
    np.testing.assert_array_equal(packed[:3].sum().decrypt(private), np.full(3, 3.0 * 2**50))


def test_a_packed_array_crosses_and_looks_different_each_time(private: PrivateKey) -> None:
    packed = PackedArray.encrypt(private.public, np.array([[1.5, -2.0, 0.25]]), SLOT_BITS, EXPONENT)
    payloads = [encode(array.to_wire()) for array in (packed, packed, packed + packed)]
    assert len({payload.body for payload in payloads}) == 3
    received = decode(payloads[2].structure, b"".join(payloads[2].body))
    arrived = PackedArray.from_wire(received, private.public, SLOT_BITS, 40)
    np.testing.assert_array_equal(arrived.decrypt(private), [[3.0, -4.0, 0.5]])
    with pytest.raises(CryptoError, match="Use wider slots"):
        PackedArray.from_wire(received, private.public, SLOT_BITS, 59)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"width": 20}, "does not hold rows of 20"),
        ({"width": 0}, "impossible width"),
        ({"width": True}, "impossible width"),
        ({"exponent": 10**6}, "impossible width or exponent"),
        ({"slot_bits": 61}, "61 bits where 60 were agreed"),
        ({"more": 1}, "does not hold packed"),
        ({"ciphertexts": b"1"}, "holds a bytes"),
    ],
)
def test_what_is_not_packed_as_agreed_is_refused(private: PrivateKey, change: dict[str, Any], text: str) -> None:
    wire = PackedArray.encrypt(private, np.ones((2, 3)), SLOT_BITS, EXPONENT).to_wire()
    with pytest.raises(CryptoError, match=text):
        PackedArray.from_wire({**wire, **change}, private.public, SLOT_BITS, 40)


def test_a_tampered_slot_is_noticed(private: PrivateKey) -> None:
    wire = PackedArray.encrypt(private, np.array([[2**45, 1]]), SLOT_BITS).to_wire()
    arrived = PackedArray.from_wire(wire, private.public, SLOT_BITS, 40)
    with pytest.raises(CryptoError, match="larger number than it can"):
        arrived.decrypt(private)


def test_another_key_does_not_decrypt(private: PrivateKey, stranger: PrivateKey) -> None:
    with pytest.raises(CryptoError, match="another key"):
        PackedArray.encrypt(private, np.ones(3), SLOT_BITS).decrypt(stranger)
