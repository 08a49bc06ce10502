"""Something that every party of a hub does at once, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from fate_federated.party import Party
from fate_federated.transport.memory import MemoryHub


def at_every_party(
    hub: MemoryHub, parties: Iterable[Party], work: Callable[[Party], Any], within_seconds: float
) -> dict[Party, Any]:
    """What each party's work returns, or the error that it raises, which ends the others' as it does between sites."""
    outcomes: dict[Party, Any] = {}

    def attempt(party: Party) -> None:
        try:
            outcomes[party] = work(party)
        except Exception as error:
            outcomes[party] = error
            hub.fail(party, str(error))
        finally:
            hub.leave(party)

    threads = [threading.Thread(target=attempt, args=(party,), name=str(party), daemon=True) for party in parties]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_seconds)
        assert not thread.is_alive(), f"{thread.name} does not end"
    return outcomes
