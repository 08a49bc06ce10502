"""Arithmetic on encrypted arrays, and what may leave."""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fate_components.crypto.encrypted_array import (
    EncryptedArray,
    concatenate,
)
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.masking import residues_from_wire, residues_to_wire
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from fate_federated.errors import CryptoError
from fate_federated.wire.payload import Ciphertexts, decode, encode

Floats = npt.NDArray[np.float64]
TOLERANCE = 2.0**-39

numbers = st.floats(-1e6, 1e6, width=64)
shapes = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4)
arrays = shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=numbers))
pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=4).flatmap(
    lambda shapes: st.tuples(*(hnp.arrays(np.float64, shape, elements=numbers) for shape in shapes.input_shapes))
)
few = settings(max_examples=30, deadline=None)


@few
@given(arrays)
def test_decryption_gives_back_what_was_encrypted(private: PrivateKey, x: Floats) -> None:
    encrypted = EncryptedArray.encrypt(private.public, x)
    assert encrypted.shape == x.shape
    np.testing.assert_allclose(encrypted.decrypt(private), x, rtol=1e-12, atol=TOLERANCE)


@few
@given(hnp.arrays(np.int64, 5, elements=st.integers(-(2**53), 2**53)))
def test_integers_are_exact(private: PrivateKey, x: npt.NDArray[np.int64]) -> None:
    encrypted = EncryptedArray.encrypt(private.public, x)
    assert encrypted.exponent == 0
    assert encrypted.decrypt(private).tolist() == x.tolist()


@few
@given(pairs)
def test_adding_ciphertexts_adds_plaintexts(private: PrivateKey, xy: tuple[Floats, Floats]) -> None:
    x, y = xy
    a, b = EncryptedArray.encrypt(private.public, x), EncryptedArray.encrypt(private.public, y)
    for result, expected in ((a + b, x + y), (a - b, x - y), (a + y, x + y), (a - y, x - y), (y - a, y - x)):
        assert result.shape == expected.shape
        np.testing.assert_allclose(result.decrypt(private), expected, rtol=1e-12, atol=4 * TOLERANCE)


@few
@given(pairs)
def test_multiplying_by_a_plain_array_multiplies_plaintexts(private: PrivateKey, xy: tuple[Floats, Floats]) -> None:
    x, y = xy
    result = EncryptedArray.encrypt(private.public, x) * y
    np.testing.assert_allclose(result.decrypt(private), x * y, rtol=1e-12, atol=1e7 * TOLERANCE)
    np.testing.assert_allclose((-result).decrypt(private), -x * y, rtol=1e-12, atol=1e7 * TOLERANCE)


@few
@given(hnp.arrays(np.float64, (3, 4), elements=numbers))
def test_sums_run_along_an_axis(private: PrivateKey, x: Floats) -> None:
    encrypted = EncryptedArray.encrypt(private.public, x)
    for axis in (None, 0, 1, -1):
        result = encrypted.sum(axis)
        # NumPy's own sum would lose more than is permitted here where large numbers cancel.
        expected = math.fsum(x.ravel()) if axis is None else np.apply_along_axis(math.fsum, axis, x)
        np.testing.assert_allclose(result.decrypt(private), expected, rtol=1e-12, atol=12 * TOLERANCE)


def test_the_sum_of_nothing_is_zero(private: PrivateKey) -> None:
    nothing = EncryptedArray.encrypt(private.public, np.empty((2, 0)))
    assert nothing.sum().decrypt(private) == 0
    assert nothing.sum(1).decrypt(private).tolist() == [0, 0]


@few
@given(
    st.integers(1, 30).flatmap(
        lambda rows: st.tuples(
            hnp.arrays(np.float64, (rows, 3), elements=st.floats(-100, 100)),
            hnp.arrays(np.float64, rows, elements=st.floats(-100, 100)),
        )
    )
)
def test_a_plain_matrix_times_an_encrypted_vector(private: PrivateKey, case: tuple[Floats, Floats]) -> None:
    X, r = case
    encrypted = EncryptedArray.encrypt(private.public, r)
    np.testing.assert_allclose((X.T @ encrypted).decrypt(private), X.T @ r, rtol=1e-12, atol=1e-6)
    coarse = FixedPoint.of(X.T, -23) @ encrypted
    np.testing.assert_allclose(coarse.decrypt(private), X.T @ r, rtol=1e-12, atol=100 * len(r) * 2.0**-23)
    w = EncryptedArray.encrypt(private.public, r[:3])
    np.testing.assert_allclose((X[:, : len(r[:3])] @ w).decrypt(private), X[:, : len(r[:3])] @ r[:3], atol=1e-6)


def test_parts_are_taken_and_joined_as_of_arrays(private: PrivateKey) -> None:
    x = np.arange(12.0).reshape(3, 4)
    encrypted = EncryptedArray.encrypt(private.public, x)
    assert encrypted[1, 2].shape == ()
    assert encrypted[1, 2].decrypt(private) == 6
    np.testing.assert_array_equal(encrypted[[2, 0], 1:].decrypt(private), x[[2, 0], 1:])
    np.testing.assert_array_equal(encrypted.reshape(2, -1).decrypt(private), x.reshape(2, -1))
    joined = concatenate([encrypted * 0.5, encrypted[:1]])
    np.testing.assert_array_equal(joined.decrypt(private), np.concatenate([x * 0.5, x[:1]]))
    assert len(joined) == 4


def test_a_power_of_two_costs_nothing(private: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.array([3.0, -5.0]))
    quarter = encrypted * 0.25
    assert quarter.exponent == encrypted.exponent - 2
    assert (quarter._values == encrypted._values).all()
    assert quarter.decrypt(private).tolist() == [0.75, -1.25]


# What may leave


def test_encrypting_twice_differs(private: PrivateKey) -> None:
    x = np.zeros(3)
    first = EncryptedArray.encrypt(private.public, x).to_wire()
    second = EncryptedArray.encrypt(private.public, x).to_wire()
    assert set(cut(first)).isdisjoint(cut(second))
    assert len(set(cut(first))) == 3


def cut(wire: Ciphertexts) -> list[bytes]:
    return [wire.data[at : at + wire.width_bytes] for at in range(0, len(wire.data), wire.width_bytes)]


@pytest.mark.parametrize(
    "derive",
    [
        lambda a: a,
        lambda a: a[:],
        lambda a: a + 0.0,
        lambda a: a * 1.0,
        lambda a: a * 0.0,
        lambda a: a.reshape(3, 1),
        lambda a: concatenate([a]),
        lambda a: a.at_exponent(a.exponent),
        lambda a: EncryptedArray.from_wire(a.to_wire(), a.key),
    ],
)
def test_nothing_leaves_with_randomness_that_anyone_has_seen(private: PrivateKey, derive) -> None:  # type: ignore[no-untyped-def]
    encrypted = EncryptedArray.encrypt(private.public, np.array([1.0, 2.0, 3.0]))
    seen = set(cut(encrypted.to_wire()))
    inner = {value.to_bytes(private.public.width_bytes, "little") for value in derive(encrypted)._values.ravel()}
    first, second = derive(encrypted).to_wire(), derive(encrypted).to_wire()
    assert len(seen | set(cut(first)) | set(cut(second)) | inner) == 9 + len(inner - seen)


def test_an_array_travels(private: PrivateKey) -> None:
    x = np.array([[1.5, -2.25], [0.0, 1e6]])
    payload = encode(EncryptedArray.encrypt(private.public, x).to_wire())
    assert payload.kind == "ciphertext"
    received = EncryptedArray.from_wire(decode(payload.structure, b"".join(payload.body)), private.public)
    np.testing.assert_array_equal((received * 2).decrypt(private), x * 2)


def test_another_key_is_refused(private: PrivateKey, stranger: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.ones(2))
    with pytest.raises(CryptoError, match="another key"):
        encrypted.decrypt(stranger)
    with pytest.raises(CryptoError, match="another key"):
        EncryptedArray.from_wire(encrypted.to_wire(), stranger.public)
    with pytest.raises(CryptoError, match="different keys"):
        encrypted + EncryptedArray.encrypt(stranger.public, np.ones(2))
    with pytest.raises(CryptoError, match="different keys"):
        concatenate([encrypted, EncryptedArray.encrypt(stranger.public, np.ones(2))])


def with_number(wire: Ciphertexts, number: mpz | int) -> Ciphertexts:
    return replace(wire, data=int(number).to_bytes(wire.width_bytes, "little") + wire.data[wire.width_bytes :])


def test_what_is_no_ciphertext_is_refused(private: PrivateKey) -> None:
    key = private.public
    wire = EncryptedArray.encrypt(key, np.ones(3)).to_wire()
    bad = [
        None,
        np.ones(3),
        wire.data,
        replace(wire, width_bytes=wire.width_bytes // 2),
        replace(wire, exponent=100_000),
        replace(wire, shape=(4,)),
        replace(wire, data=wire.data[:-1]),
        with_number(wire, 0),
        with_number(wire, key.modulus),
        with_number(wire, key.modulus + 1),
        with_number(wire, 5 * key.n),
        with_number(wire, private.p),
    ]
    for value in bad:
        with pytest.raises(CryptoError):
            EncryptedArray.from_wire(value, key)


def test_a_tampered_ciphertext_is_found_when_it_is_decrypted(private: PrivateKey) -> None:
    wire = EncryptedArray.encrypt(private.public, np.ones(3)).to_wire()
    received = EncryptedArray.from_wire(with_number(wire, int.from_bytes(cut(wire)[0], "little") + 1), private.public)
    with pytest.raises(CryptoError, match="tampered"):
        received.decrypt(private)


@few
@given(data=st.binary(min_size=0, max_size=400), count=st.integers(0, 4))
def test_random_bytes_are_ciphertexts_or_refused(private: PrivateKey, data: bytes, count: int) -> None:
    key = private.public
    try:
        array = EncryptedArray.from_wire(Ciphertexts(key.fingerprint, 0, key.width_bytes, (count,), data), key)
    except CryptoError:
        return
    assert len(array.decrypt_residues(private)) == count


# Room


def test_an_overflow_is_refused_before_it_happens(private: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.array([1e6]))
    with pytest.raises(CryptoError, match="has room for"):
        functools.reduce(operator.mul, [123456.789] * 20, encrypted)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_what_is_no_number_is_not_encrypted(private: PrivateKey, value: float) -> None:
    with pytest.raises(CryptoError):
        EncryptedArray.encrypt(private.public, np.array([1.0, value]))
    encrypted = EncryptedArray.encrypt(private.public, np.array([1.0]))
    for operation in (lambda: encrypted + value, lambda: encrypted * value, lambda: np.array([[value]]) @ encrypted):
        with pytest.raises(CryptoError):
            operation()


@few
@given(st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=5))
def test_the_bound_holds(private: PrivateKey, values: list[int]) -> None:
    encrypted = EncryptedArray.encrypt(private.public, np.array(values))
    results = [encrypted + encrypted, encrypted * 3, encrypted.sum(), -encrypted, np.array([values]) @ encrypted]
    for result in results:
        assert result.bound is not None
        residues = [int(residue) for residue in result.decrypt_residues(private).ravel()]
        n = int(private.public.n)
        assert all(min(residue, n - residue) <= result.bound for residue in residues)


def test_too_large_for_a_message(private: PrivateKey) -> None:
    encrypted = EncryptedArray.encrypt(private.public, FixedPoint(np.array([2**200], dtype=object), 0))
    assert encrypted.to_wire().shape == (1,)
    with pytest.raises(CryptoError, match="256"):
        (encrypted * (2**60 - 1)).to_wire()
    with pytest.raises(CryptoError, match="100"):
        encrypted.to_wire(100)


# Masks


@few
@given(
    shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=numbers)),
    st.integers(0, 300).map(lambda bits: FixedPoint(np.array([2**bits, -(2**bits)], dtype=object), -20)),
)
def test_masked_numbers_share_ciphertexts_and_come_back(private: PrivateKey, x: Floats, wide: FixedPoint) -> None:
    for plain in (FixedPoint.of(x), wide):
        encrypted = EncryptedArray.encrypt(private.public, plain)
        masked, mask = encrypted.masked()
        assert masked.size <= max(encrypted.size, 1)
        back = mask.remove(masked.decrypt_residues(private))
        assert back.shape == encrypted.shape
        np.testing.assert_array_equal(back, encrypted.decrypt(private))


def test_a_mask_hides_from_the_key_holder_and_is_removed_by_its_maker(private: PrivateKey) -> None:
    x = np.array([1.5, -2.5, 0.0])
    encrypted = EncryptedArray.encrypt(private.public, x)
    masked, mask = encrypted.masked()
    arbiters = EncryptedArray.from_wire(masked.to_wire(), private.public, masked=True)
    residues = arbiters.decrypt_residues(private)
    assert all(abs(residue).bit_length() > 400 for residue in residues)
    sent = residues_from_wire(residues_to_wire(residues, private.public), private.public)
    assert mask.remove(sent).tolist() == x.tolist()
    with pytest.raises(CryptoError, match="masked"):
        arbiters.decrypt(private)
    with pytest.raises(CryptoError, match="masked"):
        arbiters + 1


def test_other_residues_than_the_masked_ones_are_noticed(private: PrivateKey) -> None:
    masked, mask = EncryptedArray.encrypt(private.public, np.arange(40.0)).masked()
    residues = masked.decrypt_residues(private)
    assert 2 <= len(residues) <= 8
    with pytest.raises(CryptoError, match="shape"):
        mask.remove(residues[:1])
    with pytest.raises(CryptoError, match="tampered"):
        mask.remove(residues[::-1])
    for value in (None, np.zeros((1, 3), np.uint8), np.zeros((1, 64), np.float64)):
        with pytest.raises(CryptoError):
            residues_from_wire(value, private.public)


def test_large_arrays_are_computed_by_several_processes() -> None:
    private = generate_keypair(1024)
    rng = np.random.default_rng(1)
    X, r = rng.normal(size=(700, 30)), rng.normal(size=700)
    encrypted = EncryptedArray.encrypt(private.public, r)
    np.testing.assert_allclose(encrypted.decrypt(private), r, rtol=1e-12, atol=TOLERANCE)
    product = FixedPoint.of(X.T, -20) @ encrypted
    np.testing.assert_allclose(product.decrypt(private), X.T @ r, rtol=1e-12, atol=1e-3)
    tall = FixedPoint.of(np.tile(X, (9, 1))[:, :1].T, -50) @ concatenate([encrypted] * 9)
    np.testing.assert_allclose(tall.decrypt(private), 9 * X[:, :1].T @ r, rtol=1e-12, atol=1e-6)
    scaled = concatenate([encrypted] * 2) * np.concatenate([r, -r])
    np.testing.assert_allclose(scaled.decrypt(private), np.concatenate([r * r, -r * r]), rtol=1e-12, atol=1e-9)
