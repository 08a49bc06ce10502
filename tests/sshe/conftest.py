"""Two parties' data and trainings, and two parties that compute with each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest

from fate_components.crypto.paillier import generate_keypair
from fate_components.sshe.pair import Pair
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.context import Peer, Traffic
from fate_federated.transport.memory import MemoryHub
from linear.parties import GUEST, HOSTS, OUR_DEFAULTS, Case, case

WITH_ARBITER = {"HeteroSSHELR": "HeteroLR", "HeteroSSHELinR": "HeteroLinR"}
HOST = HOSTS[0]
T = TypeVar("T")

Fit = Callable[..., dict[Party, PartyResult]]
Both = Callable[[Callable[[Pair], T]], tuple[T, T]]


@pytest.fixture(scope="session")
def fit() -> Fit:
    """Train a case on shares, by a guest and a host and nobody else."""

    def run(
        data: Case,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[Party, Inputs] | None = None,
        **options: Any,
    ) -> dict[Party, PartyResult]:
        module = {arbiter: module for module, arbiter in WITH_ARBITER.items()}[data.module]
        federation = Federation(tuple(data.columns), seed=0, **options)
        return federation.run(module, OUR_DEFAULTS | dict(params or {}), inputs or data.inputs())

    return run


@pytest.fixture(params=list(WITH_ARBITER))
def data(request: pytest.FixtureRequest) -> Case:
    """40 rows; 2 features at the guest, 3 at the host. The module is the one with an arbiter."""
    return case(WITH_ARBITER[request.param], 40, 2, 3)


@pytest.fixture
def weighted(data: Case) -> Case:
    """The same with sample weights."""
    return replace(data, weight=np.random.default_rng(5).uniform(0, 3, 40))


@pytest.fixture(scope="session")
def both() -> Both[Any]:
    """Run a function at both parties at once; what each returns, the guest's first. Keys are short."""
    keys = {GUEST: generate_keypair(704), HOST: generate_keypair(704)}

    def run(work: Callable[[Pair], T]) -> tuple[T, T]:
        hub = MemoryHub((GUEST, HOST), deadline_seconds=30)

        def part(party: Party) -> T:
            other = HOST if party == GUEST else GUEST
            peer = Peer(other, hub.transport(party), Traffic())
            return work(Pair(peer, keys[party], keys[other].public, party == GUEST))

        with ThreadPoolExecutor(2) as threads:
            guest, host = threads.map(part, (GUEST, HOST))
        return guest, host

    return run
