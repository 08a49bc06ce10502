"""Keys for tests: short ones, made once."""

from __future__ import annotations

import pytest

from fate_components.crypto.paillier import PrivateKey, generate_keypair


@pytest.fixture(scope="session")
def private() -> PrivateKey:
    return generate_keypair(512)


@pytest.fixture(scope="session")
def stranger() -> PrivateKey:
    """Somebody else's key."""
    return generate_keypair(512)
