"""Keys that two clients have in common, and masks that are expanded from keys."""

from __future__ import annotations

import hashlib

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fate_components.secure_aggregation import shamir
from fate_components.secure_aggregation.words import Words
from fate_federated.errors import CryptoError

KEY_BYTES = 32

_DOMAIN = b"fate-federated/secure-aggregation/v1/"


def key_pair(secret: int) -> X25519PrivateKey:
    """The key pair that a shared secret stands for."""
    return X25519PrivateKey.from_private_bytes(_derived(b"key", secret))


def common_key(own: X25519PrivateKey, public: bytes, purpose: bytes) -> bytes:
    """The key of two clients for one purpose (RFC 7748, section 6.1; HKDF with SHA-256, RFC 5869).

    Raises:
        CryptoError: the peer's public key is none, or of small order.
    """
    try:
        agreed = own.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise CryptoError("A peer sent a public key that is none.") from error
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_DOMAIN + purpose).derive(agreed)


def mask_of_pair(own: X25519PrivateKey, public: bytes, count: int) -> Words:
    """What two clients mask a round's words with, shape (2, count); the key pairs are the round's."""
    return _expanded(common_key(own, public, b"mask"), count)


def mask_of_seed(secret: int, count: int) -> Words:
    """What a client masks a round's words with by itself, shape (2, count)."""
    return _expanded(_derived(b"seed", secret), count)


def _derived(purpose: bytes, secret: int) -> bytes:
    return hashlib.sha256(_DOMAIN + purpose + shamir.to_bytes(secret)).digest()


def _expanded(key: bytes, count: int) -> Words:
    """The key stream of ChaCha20 (RFC 8439). A key serves once, so that the nonce may be fixed."""
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(16 * count))
    return np.frombuffer(stream, "<u8").reshape(2, count)
