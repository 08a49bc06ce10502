"""Secure sums between tasks at four sites, through their gateways."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from tests.gateway.conftest import ARBITER, GUEST, HOST, Federation, eventually

from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_federated.party import Party
from fate_federated.status import Presence
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.wire.records import TaskRef

SLOW = Party.parse("host-10001")
PARTIES = (GUEST, HOST, SLOW, ARBITER)
COMPONENT = "homo_lr_0"
ROUNDS = 3


def test_a_silent_client_holds_up_neither_the_sum_nor_the_decision(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), (SLOW,), (ARBITER,))
    job = federation.start_job(parties=PARTIES)
    attendances = federation.run_attempt(job, COMPONENT, PARTIES)
    outcomes: dict[Party, Any] = {}

    def work(party: Party) -> None:
        ctx = TaskContext(
            party=party, participants=PARTIES, job_id=job.job_id, component=COMPONENT, attempt=1,
            transport=federation[party].client().transport(TaskRef(job.job_id, COMPONENT), 1, party),
            tracker=MemoryTracker(),
        )  # fmt: skip
        try:
            if party == ARBITER:
                with Aggregator.open(ctx, ROUNDS, grace_seconds=3.0) as aggregator:
                    outcomes[party] = [aggregator.serve().values.tolist() for _ in range(ROUNDS)]
                return
            client = Client.open(ctx, ROUNDS)
            # After the first round one says nothing any more.
            rounds = 1 if party == SLOW else ROUNDS
            outcomes[party] = [client.total(np.array([1.0, 2.0])).values.tolist() for _ in range(rounds)]
        except Exception as error:
            outcomes[party] = error

    threads = [threading.Thread(target=work, args=(party,), daemon=True) for party in PARTIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes[ARBITER] == outcomes[GUEST] == outcomes[HOST] == [[3.0, 6.0], [2.0, 4.0], [2.0, 4.0]]
    assert outcomes[SLOW] == [[3.0, 6.0]]
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    for attendance in attendances.values():
        attempt = attendance.wait_decided(10)
        assert attempt is not None
        assert attempt.state == "success"
    # What still waited for the silent one ends with the attempt.
    assert eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("inbox of")])
