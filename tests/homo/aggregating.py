"""Parties that add up securely, each a thread, on a hub whose messages are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_federated.party import Party
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.transport.memory import MemoryHub, Message
from parties_in_threads import at_every_party

ARBITER = Party.parse("arbiter-1")
GUEST = Party.parse("guest-1")


def hosts(count: int) -> list[Party]:
    return [Party.parse(f"host-{number}") for number in range(1, count + 1)]


def run(
    clients: Mapping[Party, Callable[[Client], Any]],
    arbiter: Callable[[Aggregator], Any],
    *,
    rounds: int = 1,
    grace_seconds: float = 10.0,
    record: Callable[[Message], None] | None = None,
) -> dict[Party, Any]:
    """What each party's part returns, or the error that it raises."""
    everybody = [*clients, ARBITER]
    hub = MemoryHub(everybody, deadline_seconds=20, record=record)

    def work(party: Party) -> Any:
        ctx = TaskContext(
            party=party, participants=everybody, job_id="job", component="sums", attempt=1,
            transport=hub.transport(party), tracker=MemoryTracker(),
        )  # fmt: skip
        if party != ARBITER:
            return clients[party](Client.open(ctx, rounds))
        with Aggregator.open(ctx, rounds, grace_seconds=grace_seconds) as aggregator:
            return arbiter(aggregator)

    return at_every_party(hub, everybody, work, 20)
