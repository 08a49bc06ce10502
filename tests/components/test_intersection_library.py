"""The methods of the library spu, where it is installed, over a tunnel."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from fate_federated.errors import ConfigError, DataError
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Kind

INSTALLED = importlib.util.find_spec("spu") is not None
needs_spu = pytest.mark.skipif(not INSTALLED, reason="the library spu is not installed")


def table(first: int, last: int) -> Table:
    rows = last - first
    return make_table([f'person, "{number}"' for number in range(first, last)], {"x": np.arange(rows, dtype=float)})


@needs_spu
@pytest.mark.parametrize("method", ["spu_rr22", "spu_kkrt", "spu_ecdh"])
def test_the_library_keeps_the_common_rows(method: str, guest: Party, host: Party, messages: list[Message]) -> None:
    results = Federation([guest, host], record=messages.append).run(
        "Intersection", {"intersect_method": method}, {guest: table(0, 300), host: table(200, 700)}
    )
    mine, theirs = results[guest].data, results[host].data
    assert len(mine) == 100
    assert mine.ids.equals(theirs.ids)
    np.testing.assert_array_equal(mine.features[:, 0], theirs.features[:, 0] + 200)
    assert {message.kind for message in messages if message.tag.startswith("psi.")} == {Kind.STREAM}
    assert results[guest].traffic.sent_bytes == sum(
        len(message.structure) + len(message.body) for message in messages if message.sender == guest
    )


@needs_spu
def test_without_sync_only_the_guest_is_told(guest: Party, host: Party) -> None:
    params = {"intersect_method": "spu_rr22", "sync_intersect_ids": False}
    results = Federation([guest, host]).run("Intersection", params, {guest: table(0, 30), host: table(20, 70)})
    assert len(results[guest].data) == 10
    assert results[host].outputs.data == ()


@pytest.mark.skipif(INSTALLED, reason="the library spu is installed")
def test_a_library_that_is_missing_is_said_so(guest: Party, host: Party) -> None:
    with pytest.raises(ConfigError, match="pip install --no-deps spu"):
        Federation([guest, host]).run(
            "Intersection", {"intersect_method": "spu_rr22"}, {guest: table(0, 3), host: table(0, 3)}
        )


def test_the_library_is_for_one_host(guest: Party, host: Party, other_host: Party) -> None:
    tables = {party: table(0, 3) for party in (guest, host, other_host)}
    outcomes = Federation(list(tables)).outcomes("Intersection", {"intersect_method": "spu_kkrt"}, tables)
    assert isinstance(outcomes[guest], DataError)
    for outcome in outcomes.values():
        assert "a single host, and here are 2" in str(outcome)
