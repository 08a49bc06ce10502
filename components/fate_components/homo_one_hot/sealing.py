"""Categories sealed so that a party without the key sees which are equal, and nothing else of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import Wire

KEY_BITS = 512
TAG_BYTES = 16
BLOCK_BYTES = 32
"""Sealed texts are padded to a multiple of this, which hides their lengths but for the long ones."""


def make_key() -> bytes:
    """A key of the data parties."""
    return AESSIV.generate_key(KEY_BITS)


def seal(key: bytes, categories: dict[str, tuple[str, ...]]) -> set[bytes]:
    """Every pair of a column and a category, encrypted.

    AES-SIV (RFC 5297) without a nonce is deterministic: equal pairs give equal bytes at all parties with the key.
    """
    cipher = AESSIV(key)
    sealed = set()
    for column, values in categories.items():
        for value in values:
            text = json.dumps([column, value]).encode()
            # Trailing blanks are no part of JSON.
            sealed.add(cipher.encrypt(text.ljust(-(-len(text) // BLOCK_BYTES) * BLOCK_BYTES), None))
    return sealed


def unseal(key: bytes, sealed: Iterable[bytes]) -> dict[str, list[str]]:
    """The categories of each column.

    Raises:
        MessageRejected: something was not sealed with this key.
    """
    cipher = AESSIV(key)
    categories: dict[str, list[str]] = {}
    for item in sealed:
        try:
            column, value = json.loads(cipher.decrypt(item, None))
        except (InvalidTag, ValueError) as error:
            raise MessageRejected("The arbiter sent categories that no party sealed.") from error
        categories.setdefault(column, []).append(value)
    return categories


def to_wire(sealed: set[bytes]) -> Wire:
    """As a message, in the order of the bytes, which says nothing of the categories' order."""
    items = sorted(sealed)
    return {
        "lengths": np.array([len(item) for item in items], np.int32),
        "sealed": np.frombuffer(b"".join(items), np.uint8),
    }


def from_wire(received: object) -> set[bytes]:
    """What a message holds.

    Raises:
        MessageRejected: it is no list of sealed categories.
    """
    match received:
        case {"lengths": np.ndarray() as lengths, "sealed": np.ndarray() as sealed}:
            if lengths.dtype == np.int32 and sealed.dtype == np.uint8 and lengths.ndim == sealed.ndim == 1:
                ends = np.cumsum(lengths, dtype=np.int64)
                text = sealed.tobytes()
                if (lengths > TAG_BYTES).all() and (int(ends[-1]) if ends.size else 0) == len(text):
                    return {
                        text[end - length : end] for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
                    }
    raise MessageRejected("A peer sent something other than a list of sealed categories.")
