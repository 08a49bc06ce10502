"""Data that is split over parties, and a training on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

Floats = npt.NDArray[np.float64]

GUEST, ARBITER = Party.parse("guest-9999"), Party.parse("arbiter-10000")
HOSTS = (Party.parse("host-10000"), Party.parse("host-10001"))

FAST: dict[str, Any] = {
    "encrypt_param": {"key_length": 1024},
    "init_param": {"init_method": "zeros"},
    "learning_rate": 0.1,
    "max_iter": 4,
    "tol": 0,
}


@dataclass(frozen=True)
class Split:
    """Joined data and which columns are whose: the guest's first, then each host's."""

    features: Floats
    label: npt.NDArray[np.int64]
    columns: Mapping[Party, slice]

    @property
    def parties(self) -> tuple[Party, ...]:
        return (*self.columns, ARBITER)

    def table(self, party: Party, rows: slice = slice(None), *, with_label: bool = True) -> Table:
        columns = range(self.features.shape[1])[self.columns[party]]
        return make_table(
            np.arange(len(self.features))[rows],
            {f"x{column}": self.features[rows, column] for column in columns},
            self.label[rows] if party == GUEST and with_label else None,
        )

    def fit(
        self, params: Mapping[str, Any] | None = None, *, models: Mapping[Party, Model] | None = None, **options: Any
    ) -> dict[Party, PartyResult]:
        """Train at all parties with FAST and these parameters."""
        inputs = {
            party: Inputs(data={"train_data": [self.table(party)]}, model=(models or {}).get(party))
            for party in self.columns
        }
        return Federation(self.parties, seed=0, **options).run("HeteroLR", FAST | dict(params or {}), inputs)

    def weights(self, results: Mapping[Party, PartyResult]) -> Floats:
        """All parties' weights in the order of the columns, then the intercept."""
        found: dict[str, float] = {}
        for party in self.columns:
            found |= results[party].summary["coef"]
        weights = [found[f"x{column}"] for column in range(self.features.shape[1])]
        return np.array([*weights, results[GUEST].summary["intercept"]])


def split(rows: int, *sizes: int) -> Split:
    rng = np.random.default_rng(rows)
    features = rng.normal(size=(rows, sum(sizes)))
    score = features @ rng.normal(size=sum(sizes)) + 0.5 + rng.normal(size=rows)
    ends = np.cumsum(sizes)
    columns = {
        party: slice(int(end - size), int(end)) for party, end, size in zip((GUEST, *HOSTS), ends, sizes, strict=False)
    }
    return Split(features, (score > 0).astype(np.int64), columns)
