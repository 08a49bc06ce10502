"""Two parties' data and trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from linear.parties import OUR_DEFAULTS, Case, case

WITH_ARBITER = {"HeteroSSHELR": "HeteroLR", "HeteroSSHELinR": "HeteroLinR"}

Fit = Callable[..., dict[Party, PartyResult]]


@pytest.fixture
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
    import numpy as np

    return replace(data, weight=np.random.default_rng(5).uniform(0, 3, 40))
