"""Small data sets that are split over parties, and trainings on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

Floats = npt.NDArray[np.float64]

GUEST, ARBITER = Party.parse("guest-9999"), Party.parse("arbiter-10000")
HOSTS = (Party.parse("host-10000"), Party.parse("host-10001"))
OUR_DEFAULTS: dict[str, Any] = {
    "encrypt_param": {"key_length": 1024},
    "init_param": {"init_method": "zeros"},
    "learning_rate": 0.1,
    "alpha": 0.1,
    "optimizer": "sgd",
    "max_iter": 4,
    "tol": 0,
}


@dataclass(frozen=True)
class Case:
    """A module, joined data, and which columns are whose: the guest's first, then each host's."""

    module: str
    features: Floats
    label: npt.NDArray[Any]
    columns: Mapping[Party, slice]
    weight: Floats | None = None
    exposure: Floats | None = None

    def table(self, party: Party, rows: slice = slice(None)) -> Table:
        names = range(self.features.shape[1])[self.columns[party]]
        columns: dict[str, Any] = {f"x{column}": self.features[rows, column] for column in names}
        label = self.label[rows] if party == GUEST else None
        if party == GUEST and self.exposure is not None:
            columns["exposure"] = self.exposure[rows]
        table = make_table(np.arange(len(self.features))[rows], columns, label)
        if party == GUEST and self.weight is not None:
            data = table.data.append_column("weight", pa.array(self.weight[rows]))
            table = replace(table, data=data, weight_column="weight")
        return table

    def inputs(
        self, rows: slice = slice(None), validate: slice | None = None, models: Mapping[Party, Model] | None = None
    ) -> dict[Party, Inputs]:
        found = {}
        for party in self.columns:
            data = {"train_data": [self.table(party, rows)]}
            if validate is not None:
                data["validate_data"] = [self.table(party, validate)]
            found[party] = Inputs(data=data, model=(models or {}).get(party))
        return found

    def run(
        self, params: Mapping[str, Any], inputs: Mapping[Party, Inputs], **options: Any
    ) -> dict[Party, PartyResult]:
        parties = (*self.columns, ARBITER)
        return Federation(parties, seed=0, **options).run(self.module, OUR_DEFAULTS | dict(params), inputs)

    def fit(self, params: Mapping[str, Any] | None = None, **options: Any) -> dict[Party, PartyResult]:
        return self.run(params or {}, self.inputs(), **options)

    def weights(self, results: Mapping[Party, PartyResult], label: str | None = None) -> Floats:
        """All parties' weights in the order of the columns, then the intercept."""
        found: dict[str, float] = {}
        for party in self.columns:
            coefficients = results[party].summary["coef"]
            if label is not None:
                # Hosts do not know the labels: theirs are in the same order.
                coefficients = list(coefficients.values())[list(results[GUEST].summary["coef"]).index(label)]
            found |= coefficients
        intercept = results[GUEST].summary["intercept"]
        weights = [found.get(f"x{column}", 0.0) for column in range(self.features.shape[1])]
        return np.array([*weights, intercept if label is None else intercept[label]])


def case(module: str, rows: int, *sizes: int, classes: int = 2) -> Case:
    """A guest and hosts with so many features each."""
    rng = np.random.default_rng([rows, *sizes])
    features = rng.normal(size=(rows, sum(sizes)))
    score = features @ rng.normal(scale=0.4, size=sum(sizes)) + 0.3
    label: npt.NDArray[Any]
    if module == "HeteroLinR":
        label = score + rng.normal(scale=0.2, size=rows)
    elif module == "HeteroPoisson":
        label = rng.poisson(np.exp(score))
    else:
        noisy = score + rng.normal(size=rows)
        label = np.searchsorted(np.quantile(noisy, np.arange(1, classes) / classes), noisy)
    ends = np.cumsum(sizes)
    columns = {
        party: slice(int(end - size), int(end)) for party, end, size in zip((GUEST, *HOSTS), ends, sizes, strict=False)
    }
    return Case(module, features, label, columns)


def answers(data: Case) -> Floats:
    """The label as the update rule has it."""
    return 2.0 * data.label - 1 if data.module == "HeteroLR" else data.label.astype(float)
