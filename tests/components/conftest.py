from __future__ import annotations

import pytest

from fate_federated.party import Party
from fate_federated.transport.memory import Message


@pytest.fixture
def guest() -> Party:
    return Party.parse("guest-9999")


@pytest.fixture
def host() -> Party:
    return Party.parse("host-10000")


@pytest.fixture
def other_host() -> Party:
    return Party.parse("host-10001")


@pytest.fixture
def messages() -> list[Message]:
    """Every message of the federation that records here."""
    return []
