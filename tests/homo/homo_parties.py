"""Rows that are divided among a guest and hosts, and trainings on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Component, Inputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.transport.base import Transport
from fate_federated.transport.memory import MemoryHub, Message
from fate_federated.wire.payload import Wire
from parties_in_threads import at_every_party

Floats = npt.NDArray[np.float64]

GUEST, ARBITER = Party.parse("guest-9999"), Party.parse("arbiter-10000")
HOSTS = (Party.parse("host-10000"), Party.parse("host-10001"))


@dataclass(frozen=True)
class Pool:
    """All rows, and how many of them each data party has: the guest's come first."""

    features: Floats
    label: npt.NDArray[Any]
    sizes: Sequence[int]
    weight: Floats | None = None

    @property
    def parties(self) -> tuple[Party, ...]:
        return (GUEST, *HOSTS)[: len(self.sizes)]

    def rows(self, party: Party) -> npt.NDArray[np.int64]:
        place = self.parties.index(party)
        start = sum(self.sizes[:place])
        return np.arange(start, start + self.sizes[place])

    def table(self, party: Party, rows: npt.NDArray[np.int64] | None = None, columns: Sequence[int] = ()) -> Table:
        rows = self.rows(party) if rows is None else rows
        order = columns or range(self.features.shape[1])
        table = make_table(rows, {f"x{column}": self.features[rows, column] for column in order}, self.label[rows])
        if self.weight is not None:
            data = table.data.append_column("weight", pa.array(self.weight[rows]))
            table = replace(table, data=data, weight_column="weight")
        return table

    def inputs(self, models: Mapping[Party, Model] | None = None, validate: Table | None = None) -> dict[Party, Inputs]:
        found = {}
        for party in self.parties:
            data: dict[str, list[Table]] = {"train_data": [self.table(party)]}
            if validate is not None:
                data["validate_data"] = [validate]
            found[party] = Inputs(data=data, model=(models or {}).get(party))
        return found

    def run(
        self, module: str, params: Mapping[str, Any], inputs: Mapping[Party, Inputs | Table] | None = None,
        record: Callable[[Message], None] | None = None,
    ) -> dict[Party, PartyResult]:  # fmt: skip
        federation = Federation([*self.parties, ARBITER], seed=3, deadline_seconds=60, record=record)
        return federation.run(module, params, self.inputs() if inputs is None else inputs)

    def outcomes(
        self, module: str, params: Mapping[str, Any], inputs: Mapping[Party, Inputs | Table] | None = None
    ) -> dict[Party, PartyResult | Exception]:
        federation = Federation([*self.parties, ARBITER], seed=3, deadline_seconds=60)
        return federation.outcomes(module, params, self.inputs() if inputs is None else inputs)


def pool(sizes: Sequence[int], columns: int = 4, classes: int = 2, seed: int = 0, *, weighted: bool = False) -> Pool:
    """Rows whose classes their columns tell, mostly; the parties' rows differ in kind."""
    rng = np.random.default_rng(seed)
    rows = sum(sizes)
    features = rng.normal(size=(rows, columns)) + np.repeat(np.arange(len(sizes)), sizes)[:, None] * 0.3
    score = features @ rng.normal(size=columns) + 0.3 * rng.normal(size=rows)
    label = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    return Pool(features, label, sizes, rng.uniform(0.5, 2, rows) if weighted else None)


@dataclass(frozen=True)
class Losing:
    """A transport that loses some of what its party sends."""

    inner: Transport
    loses: Callable[[str], bool]

    def push(self, receiver: Party, tag: str, value: Wire) -> int:
        return 0 if self.loses(tag) else self.inner.push(receiver, tag, value)

    def pull(self, sender: Party, tag: str) -> Any:
        return self.inner.pull(sender, tag)

    def background(self) -> Transport:
        return Losing(self.inner.background(), self.loses)


def losing_run(
    rows: Pool, component: Callable[[], Component[Any]], lost: str, since: int, silent: Party
) -> dict[Party, Any]:
    """What each party's component makes, or its error, where messages of one party get lost from a round on."""

    def loses(tag: str) -> bool:
        name, _, number = tag.partition(".")
        return name == lost and int(number) >= since

    return _alone(rows, component, {silent: loses}, {})


def kept_models(rows: Pool, component: Callable[[], Component[Any]]) -> dict[Party, list[tuple[int, Model]]]:
    """The checkpoints of each party's task, with their steps."""
    kept: dict[Party, list[tuple[int, Model]]] = {party: [] for party in rows.parties}
    outcomes = _alone(rows, component, {}, kept)
    assert not [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
    return kept


def _alone(
    rows: Pool, component: Callable[[], Component[Any]], losing: Mapping[Party, Callable[[str], bool]],
    kept: Mapping[Party, list[tuple[int, Model]]],
) -> dict[Party, Any]:  # fmt: skip
    """Run a component at every party without what stands around it, so that its context can be another."""
    parties = [*rows.parties, ARBITER]
    hub = MemoryHub(parties, deadline_seconds=30)

    def work(party: Party) -> Any:
        transport: Transport = hub.transport(party)
        if party in losing:
            transport = Losing(transport, losing[party])
        ctx = TaskContext(
            party=party, participants=parties, job_id="job", component="homo_0", attempt=1, transport=transport,
            tracker=MemoryTracker(), seed=1,
        )  # fmt: skip
        if party in kept:
            ctx.keep = lambda step, model: kept[party].append((step, model))
        return component().run(ctx, rows.inputs().get(party, Inputs()))

    return at_every_party(hub, parties, work, 30)
