"""Parties that add up securely, each a thread, on a hub whose messages are recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_federated.party import Party
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.transport.memory import MemoryHub, Message

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
    outcomes: dict[Party, Any] = {}

    def work(party: Party) -> None:
        ctx = TaskContext(
            party=party, participants=everybody, job_id="job", component="sums", attempt=1,
            transport=hub.transport(party), tracker=MemoryTracker(),
        )  # fmt: skip
        try:
            if party == ARBITER:
                with Aggregator.open(ctx, rounds, grace_seconds=grace_seconds) as aggregator:
                    outcomes[party] = arbiter(aggregator)
            else:
                outcomes[party] = clients[party](Client.open(ctx, rounds))
        except Exception as error:
            outcomes[party] = error
            hub.fail(party, str(error))
        finally:
            hub.leave(party)

    threads = [threading.Thread(target=work, args=(party,), daemon=True) for party in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return outcomes
