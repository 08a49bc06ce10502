from __future__ import annotations

import threading

import numpy as np
import pytest

from fate_federated.errors import AttemptFailed, MessageRejected, TransportError
from fate_federated.party import Party
from fate_federated.transport.memory import MemoryHub

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")


def test_what_arrives_equals_what_was_sent_and_is_another_array() -> None:
    hub = MemoryHub([GUEST, HOST])
    sent = np.arange(6.0).reshape(2, 3)
    size = hub.transport(GUEST).push(HOST, "x", {"matrix": sent, "step": 3})
    sent[:] = 0
    received = hub.transport(HOST).pull(GUEST, "x")
    assert size > 6 * 8
    assert received["step"] == 3
    np.testing.assert_array_equal(received["matrix"], np.arange(6.0).reshape(2, 3))


def test_a_tag_is_sent_to_a_receiver_once() -> None:
    guest = MemoryHub([GUEST, HOST]).transport(GUEST)
    guest.push(HOST, "x", 1)
    with pytest.raises(MessageRejected, match="'x'"):
        guest.push(HOST, "x", 1)


def test_what_cannot_be_encoded_is_not_sent() -> None:
    with pytest.raises(MessageRejected):
        MemoryHub([GUEST, HOST]).transport(GUEST).push(HOST, "x", object())  # type: ignore[arg-type]


def test_a_waiting_party_is_told_of_a_failure() -> None:
    hub = MemoryHub([GUEST, HOST])
    raised: list[Exception] = []

    def wait() -> None:
        try:
            hub.transport(GUEST).pull(HOST, "x")
        except AttemptFailed as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    hub.fail(HOST, "out of memory")
    waiting.join(timeout=10)
    assert [str(error) for error in raised] == ["host-10000 failed: out of memory"]
    with pytest.raises(AttemptFailed):
        hub.transport(GUEST).push(HOST, "y", 1)


def test_a_pull_ends_at_its_deadline() -> None:
    hub = MemoryHub([GUEST, HOST], deadline_seconds=0.05)
    with pytest.raises(TransportError, match=r"waited 0\.05 s for 'x' of host-10000"):
        hub.transport(GUEST).pull(HOST, "x")
