"""Inner products of packed numbers are exact, and the arbiter that decrypts them learns nothing of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.integers import Residues
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from fate_components.linear.layout import COLUMN_BITS, Layout, packed_rows, unpacked_rows
from fate_federated.errors import CryptoError
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import decode
from linear.parties import ARBITER, GUEST, HOSTS, case


@pytest.fixture(scope="module")
def private() -> PrivateKey:
    return generate_keypair(1024)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_inner_products_are_right_whatever_shares_a_ciphertext(private: PrivateKey, data: st.DataObject) -> None:
    rows, columns, models = (data.draw(st.integers(1, most)) for most in (9, 5, 9))
    value_bits = data.draw(st.integers(20, 120))
    layout = Layout.of(1024, rows, models, value_bits, 0, apart=data.draw(st.booleans()))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    largest = data.draw(st.booleans())

    def drawn(bits: int, *shape: int) -> np.ndarray:
        signs = rng.choice([-1, 1], shape)
        magnitude = np.full(shape, 1 << bits, object) if largest else rng.integers(0, 1 << min(bits, 62), shape)
        return magnitude.astype(object) * signs

    residual, matrix = drawn(value_bits, rows, models), drawn(COLUMN_BITS, rows, columns).astype(np.int64)
    encrypted = EncryptedArray.encrypt(private, layout.packed(residual)).bounded(1 << layout.wire_bits)
    products = layout.inner_products(matrix, encrypted)
    half = private.public.n // 2
    plain = products.decrypt_residues(private)
    signed = np.vectorize(lambda value: value - private.public.n if value > half else value, otypes=[object])(plain)
    assert (layout.unpacked(signed) == matrix.astype(object).T @ residual).all()


def test_a_key_that_is_too_short_says_so() -> None:
    with pytest.raises(CryptoError, match="Use a longer"):
        Layout.of(1024, 1000, 1, 980, 0, apart=False)


def test_a_number_that_does_not_fit_was_tampered_with() -> None:
    packed = packed_rows(np.array([[5, -7, 9]], object), 20, 2)
    assert unpacked_rows(packed, 3, 20, 2).tolist() == [[5, -7, 9]]
    with pytest.raises(CryptoError, match="tampered"):
        unpacked_rows(packed + (1 << 45), 3, 20, 2)


# Who can decrypt what


def recorded(
    params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Message], list[PrivateKey], list[int]]:
    """The messages of a training, the arbiter's key, and all that the arbiter decrypted of gradients."""
    seen: list[Message] = []
    keys: list[PrivateKey] = []
    decrypted: list[int] = []
    plain = EncryptedArray.decrypt_residues

    def decrypt(array: EncryptedArray, key: PrivateKey) -> Residues:
        found = plain(array, key)
        if array.bound is None:
            keys.append(key)
            decrypted.extend(int(value) for value in found.ravel())
        return found

    monkeypatch.setattr(EncryptedArray, "decrypt_residues", decrypt)
    case("HeteroLinR", 30, 2, 3).fit(params, record=seen.append)
    return seen, keys, decrypted


@pytest.mark.parametrize("params", [{}, {"batch_size": 20, "batch_strategy": "random", "masked_rate": 0.5}])
def test_the_arbiter_decrypts_nothing_but_uniform_numbers(
    params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, keys, decrypted = recorded(params | {"max_iter": 10}, monkeypatch)
    assert len(set(decrypted)) == len(decrypted) >= 20
    # A gradient without its pad would be close to 0 or to n.
    n = int(keys[0].public.n)
    assert all(min(number, n - number).bit_length() > 1024 - 64 for number in decrypted)


def test_an_arbiter_that_colludes_with_the_guest_finds_the_space_of_a_hosts_columns_but_not_the_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, keys, _ = recorded({"max_iter": 2}, monkeypatch)
    monkeypatch.undo()
    (message,) = [
        some for some in seen if some.tag.startswith("columns") and (some.sender, some.receiver) == (HOSTS[0], GUEST)
    ]
    key, data = keys[0], case("HeteroLinR", 30, 2, 3)
    array = EncryptedArray.from_wire(decode(message.structure, message.body), key.public, 1000)
    half = key.public.n // 2
    plain = [value - key.public.n if value > half else value for value in array.decrypt_residues(key)[0]]
    slot_bits = 40 + 58 + (30).bit_length() + 2 + 2
    found = unpacked_rows(np.array([[value] for value in plain], object), 3, slot_bits, 3).astype(float)
    own = data.features[:, 2:]
    fitted = found @ np.linalg.lstsq(found, own, rcond=None)[0]
    np.testing.assert_allclose(fitted, own, atol=1e-6)
    correlations = np.abs(np.corrcoef(found.T, own.T)[:3, 3:])
    assert correlations.max() < 0.9999


def test_messages_to_the_arbiter_are_few() -> None:
    seen: list[Message] = []
    case("HeteroLR", 40, 3, 4).fit({"max_iter": 3}, record=seen.append)
    sizes = [
        len(decode(some.structure, some.body).data)
        for some in seen
        if some.receiver == ARBITER and "gradient" in some.tag
    ]
    # One ciphertext for all of a party's columns.
    assert sizes == [256] * 6
