"""Inner products with packed residuals are exact to the last place, and what surrounds them stays hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from fate_components.linear.layout import COLUMN_BITS, Layout
from fate_federated.errors import CryptoError, MessageRejected


@pytest.fixture(scope="module")
def private() -> PrivateKey:
    return generate_keypair(1024)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_inner_products_are_right_whatever_shares_a_ciphertext(private: PrivateKey, data: st.DataObject) -> None:
    rows, columns, models = (data.draw(st.integers(1, most)) for most in (9, 5, 9))
    value_bits = data.draw(st.integers(20, 120))
    layout = Layout.of(
        1024, rows, models, value_bits, 0, apart=data.draw(st.booleans()), rows_apart=data.draw(st.booleans())
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    largest = data.draw(st.booleans())

    def drawn(bits: int, *shape: int) -> np.ndarray:
        signs = rng.choice([-1, 1], shape)
        magnitude = np.full(shape, 1 << bits, object) if largest else rng.integers(0, 1 << min(bits, 62), shape)
        return magnitude.astype(object) * signs

    residual, matrix = drawn(value_bits, rows, models), drawn(COLUMN_BITS, rows, columns).astype(np.int64)
    encrypted = EncryptedArray.encrypt(private, layout.packed(residual)).bounded(1 << layout.wire_bits)
    hidden, pads = layout.hidden(layout.inner_products(matrix, encrypted))
    sent = EncryptedArray.from_wire(hidden.to_wire(layout.hidden_bits), private.public, layout.hidden_bits)
    found = layout.revealed(layout.wanted(sent.decrypt_residues(private)), pads, columns)
    assert np.abs(found - matrix.astype(object).T @ residual).max() <= 1


def test_the_arbiter_returns_no_product_of_one_row_with_another(private: PrivateKey) -> None:
    layout = Layout.of(1024, 3, 1, 40, 0, apart=False, rows_apart=False)
    assert layout.rows > 1
    residual, matrix = np.array([[5], [7], [11]], object), np.array([[2], [3], [4]])
    encrypted = EncryptedArray.encrypt(private, layout.packed(residual)).bounded(1 << layout.wire_bits)
    products = layout.inner_products(matrix, encrypted)
    whole = int(products.decrypt_residues(private)[0, 0])
    block = (1 << layout.block_bits) - 1
    assert whole & block != 5 * 2 + 7 * 3 + 11 * 4
    hidden, pads = layout.hidden(products)
    answer = layout.wanted(hidden.decrypt_residues(private))
    # One block for each place that an inner product may have, of which the first is asked for here.
    assert answer.shape == (1, layout.columns, -(-layout.block_bits // 8))
    assert abs(layout.revealed(answer, pads, 1)[0, 0] - 75) <= 1


def test_what_is_returned_is_checked(private: PrivateKey) -> None:
    layout = Layout.of(1024, 3, 1, 40, 0, apart=False, rows_apart=False)
    with pytest.raises(MessageRejected, match="did not return"):
        layout.revealed(np.zeros((1, 2, 3), np.uint8), [5], 1)
    answer = np.full((1, layout.columns, -(-layout.block_bits // 8)), 0x55, np.uint8)
    with pytest.raises(CryptoError, match="tampered"):
        layout.revealed(answer, [0], 1)


def test_a_key_that_is_too_short_says_so() -> None:
    with pytest.raises(CryptoError, match="Use a longer"):
        Layout.of(1024, 1000, 1, 950, 0, apart=True, rows_apart=True)
