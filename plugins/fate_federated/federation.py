"""A federation in one process: components and whole pipelines at several parties, each a thread, without Airflow.

The components, their messages and the bytes of these are the ones of a real federation; only the wire is missing.
For notebooks and tests.

>>> from fate_federated.federation import Federation, make_table
>>> from fate_federated.party import Party
>>> guest, host = Party.parse("guest-9999"), Party.parse("host-10000")
>>> results = Federation([guest, host]).run(
...     "Intersection",
...     inputs={
...         guest: make_table(["ann", "bob", "cyd"], {"x0": [0.1, 0.2, 0.3]}, label=[0, 1, 0]),
...         host: make_table(["bob", "cyd", "dan"], {"x1": [2.0, 3.0, 4.0]}),
...     },
... )
>>> sorted(results[guest].data.ids.to_pylist())
['bob', 'cyd']
>>> results[guest].data.ids == results[host].data.ids
True
>>> results[host].summary["intersect_num"]
2
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from fate_federated.catalog.spec import ComponentSpec
from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.errors import OutputNotFound, TableIsUploaded, TableNotFound, public_text
from fate_federated.party import Party
from fate_federated.task.cache import Cache
from fate_federated.task.component import Catalogue, Inputs, Outputs
from fate_federated.task.context import MemoryTracker, Point, TaskContext, Traffic
from fate_federated.task.model import Model
from fate_federated.task.run import TaskResult, build_params, run_component, run_task, spec_of
from fate_federated.task.table import Table
from fate_federated.transport.memory import MemoryHub, Message


def make_table(
    ids: Sequence[Any] | npt.NDArray[Any],
    columns: Mapping[str, npt.ArrayLike],
    label: npt.ArrayLike | None = None,
    *,
    id_column: str = "id",
    label_column: str = "y",
) -> Table:
    """A table from arrays.

    Args:
        ids: sample ids, shape (rows,); written as text.
        columns: by name, each of shape (rows,).
        label: shape (rows,), or None for a party without one.
    """
    data = {id_column: pa.array([str(value) for value in ids], pa.string())}
    if label is not None:
        data[label_column] = pa.array(label)
    data |= {name: pa.array(values) for name, values in columns.items()}
    return Table(pa.table(data), id_column, None if label is None else label_column)


@dataclass(frozen=True, slots=True)
class PartyResult:
    """What a component did at one party."""

    task: TaskResult
    tracker: MemoryTracker

    @property
    def outputs(self) -> Outputs:
        return self.task.outputs

    @property
    def data(self) -> Table:
        """The first data output; IndexError when there is none."""
        return self.task.outputs.data[0]

    @property
    def model(self) -> Model | None:
        return self.task.outputs.model

    @property
    def summary(self) -> dict[str, Any]:
        return self.tracker.summary

    @property
    def metrics(self) -> dict[tuple[str, str], list[Point]]:
        """Points by (namespace, name)."""
        return self.tracker.metrics

    @property
    def traffic(self) -> Traffic:
        return self.task.traffic


@dataclass(frozen=True, slots=True)
class MemoryTables:
    """A :class:`~fate_federated.task.component.Catalogue` of one party.

    Attributes:
        content: uploaded tables, by (namespace, name).
        outputs: of other jobs, by (job id, component, name).
        written, exported: what was made, by (namespace, name) and by path.
    """

    content: Mapping[tuple[str, str], Table]
    party: Party | None = None
    outputs: Mapping[tuple[str, str, str], Table] = field(default_factory=dict)
    written: dict[tuple[str, str], Table] = field(default_factory=dict)
    exported: dict[str, Table] = field(default_factory=dict)

    def read(self, namespace: str, name: str) -> Table:
        table = self.written.get((namespace, name), self.content.get((namespace, name)))
        if table is None:
            raise TableNotFound(namespace, name, self.party)
        return table

    def read_output(self, job_id: str, component: str, name: str) -> Table:
        table = self.outputs.get((job_id, component, name))
        if table is None:
            raise OutputNotFound(job_id, component, name)
        return table

    def write(self, namespace: str, name: str, table: Table) -> None:
        if (namespace, name) in self.content:
            raise TableIsUploaded(namespace, name)
        self.written[namespace, name] = table

    def export(self, path: str, table: Table, delimiter: str) -> str:
        self.exported[path] = table
        return path


@dataclass(frozen=True, slots=True)
class MemoryCaches:
    """Caches of one party's jobs, by (job id, component, name)."""

    content: Mapping[tuple[str, str, str], Cache]

    def read(self, job_id: str, component: str, name: str) -> Cache | None:
        """See :class:`~fate_federated.task.cache.CacheReader`."""
        return self.content.get((job_id, component, name))


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """An :class:`~fate_federated.task.run.OutputStore` that keeps everything in memory."""

    tables: Catalogue
    data: dict[tuple[str, str], Table] = field(default_factory=dict)
    models: dict[tuple[str, str], Model] = field(default_factory=dict)
    checkpoints: dict[tuple[str, str, int], Model] = field(default_factory=dict)
    trained: Mapping[tuple[str, str], Model] = field(default_factory=dict)
    kept: dict[tuple[str, str], Cache] = field(default_factory=dict)
    earlier: Mapping[tuple[str, str, str], Cache] = field(default_factory=dict)

    def load_table(self, component: str, output: str) -> Table | None:
        return self.data.get((component, output))

    def save_table(self, component: str, output: str, table: Table) -> None:
        self.data[component, output] = table

    def load_model(self, component: str, alias: str) -> Model | None:
        return self.models.get((component, alias))

    def save_model(self, component: str, alias: str, model: Model) -> None:
        self.models[component, alias] = model

    def save_checkpoint(self, component: str, alias: str, step: int, model: Model) -> None:
        self.checkpoints[component, alias, step] = model

    @property
    def caches(self) -> MemoryCaches:
        return MemoryCaches({**self.earlier, **{("in-process", *place): cache for place, cache in self.kept.items()}})

    @property
    def earlier_models(self) -> None:
        """There is no registry in memory."""
        return None

    def load_cache(self, component: str, name: str) -> Cache | None:
        return self.kept.get((component, name))

    def save_cache(self, component: str, name: str, cache: Cache) -> None:
        self.kept[component, name] = cache

    def load_trained(self, component: str, alias: str) -> Model | None:
        return self.trained.get((component, alias))


Part = Callable[[TaskContext], TaskResult]
"""What one party runs."""


class Federation:
    """Several parties in this process.

    Args:
        parties: all of them, in the order of a conf.
        seed: for repeatable shuffles and initial weights; each party's own seed derives from it.
        deadline_seconds: how long a party waits for one message.
        record: called with every message between the parties, such as ``messages.append``.
    """

    def __init__(
        self,
        parties: Sequence[Party],
        *,
        seed: int | None = None,
        deadline_seconds: float = 600.0,
        record: Callable[[Message], None] | None = None,
    ) -> None:
        self.parties = tuple(parties)
        self._seed = seed
        self._deadline_seconds = deadline_seconds
        self._record = record

    def run(
        self,
        component: ComponentSpec | str,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[Party, Inputs | Table] | None = None,
        *,
        party_params: Mapping[Party, Mapping[str, Any]] | None = None,
        participants: Sequence[Party] | None = None,
    ) -> dict[Party, PartyResult]:
        """Run one component at every party that takes part.

        Args:
            component: its spec, or FATE's name of it.
            params: for every party, as a conf gives them.
            inputs: by party; a Table stands for ``Inputs(data={"data": [table]})``.
            party_params: what differs from ``params`` at single parties.
            participants: who takes part; by default the parties in a role that the component names.

        Raises:
            what the first party to fail raised, with a note that names the party.
        """
        outcomes = self.outcomes(component, params, inputs, party_params=party_params, participants=participants)
        return _results(outcomes)

    def outcomes(
        self,
        component: ComponentSpec | str,
        params: Mapping[str, Any] | None = None,
        inputs: Mapping[Party, Inputs | Table] | None = None,
        *,
        party_params: Mapping[Party, Mapping[str, Any]] | None = None,
        participants: Sequence[Party] | None = None,
    ) -> dict[Party, PartyResult | Exception]:
        """The same as :meth:`run`, but with each party's own error where it failed, the first to fail first."""
        spec = spec_of(component) if isinstance(component, str) else component
        if participants is None:
            participants = [party for party in self.parties if party.role in spec.roles]

        def part(party: Party) -> Part:
            given = {**(params or {}), **(party_params or {}).get(party, {})}
            received = (inputs or {}).get(party, Inputs())
            if isinstance(received, Table):
                received = Inputs(data={"data": [received]})
            built = build_params(spec, given, f"/{spec.module}")
            return lambda ctx: run_component(spec, built, ctx, received)

        return self._attempt(spec.module, {party: part(party) for party in participants})

    def run_pipeline(
        self,
        pipeline: Pipeline,
        tables: Mapping[Party, Mapping[tuple[str, str], Table]],
        *,
        trained: Mapping[Party, Mapping[tuple[str, str], Model]] | None = None,
        caches: Mapping[Party, Mapping[tuple[str, str, str], Cache]] | None = None,
    ) -> dict[str, dict[Party, PartyResult]]:
        """Run every component of a pipeline, one after the other.

        Args:
            tables: each party's catalogue, by (namespace, name).
            trained: each party's models, by (component, alias), that a pipeline of mode predict applies; see
                :func:`trained_models`.
            caches: what each party's earlier jobs kept, by (job id, component, name), for CacheLoader.

        Returns:
            results by the component's name in the dsl, then by party.

        Raises:
            what the first component to fail raised first, with a note that names component and party.
        """
        stores = {
            party: MemoryStore(
                MemoryTables(tables.get(party, {}), party),
                trained=(trained or {}).get(party, {}),
                earlier=(caches or {}).get(party, {}),
            )
            for party in pipeline.parties
        }
        results: dict[str, dict[Party, PartyResult]] = {}
        for node in pipeline.nodes:
            parts = {party: _task(node, stores[party]) for party in node.participants}
            results[node.name] = _results(self._attempt(node.name, parts))
        return results

    def _attempt(self, name: str, parts: Mapping[Party, Part]) -> dict[Party, PartyResult | Exception]:
        hub = MemoryHub(parts, deadline_seconds=self._deadline_seconds, record=self._record)
        outcomes: dict[Party, PartyResult | Exception] = {}

        def work(party: Party, part: Part, seed: int | None) -> None:
            tracker = MemoryTracker()
            ctx = TaskContext(
                party=party, participants=tuple(parts), job_id="in-process", component=name, attempt=1,
                transport=hub.transport(party), tracker=tracker, seed=seed,
            )  # fmt: skip
            try:
                outcomes[party] = PartyResult(part(ctx), tracker)
            except Exception as error:  # a task ends here: its party's outcome is the error
                error.add_note(f"{name} at {party}")
                outcomes[party] = error
                hub.fail(party, public_text(error))
            finally:
                hub.leave(party)

        threads = [
            threading.Thread(
                target=work, name=str(party), daemon=True,
                args=(party, part, None if self._seed is None else self._seed + index),
            )
            for index, (party, part) in enumerate(parts.items())
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            hub.fail(next(iter(parts)), "interrupted")
            raise
        return outcomes


def trained_models(
    pipeline: Pipeline, results: Mapping[str, Mapping[Party, PartyResult]]
) -> dict[Party, dict[tuple[str, str], Model]]:
    """The models that a pipeline left, by party and then by (component, alias), as a prediction takes them."""
    models: dict[Party, dict[tuple[str, str], Model]] = {}
    for node in pipeline.nodes:
        for party, result in results[node.name].items():
            if result.model is not None and node.model_outputs:
                models.setdefault(party, {})[node.name, node.model_outputs[0]] = result.model
    return models


def _task(node: Node, store: MemoryStore) -> Part:
    return lambda ctx: run_task(node, node.parameters.get(ctx.party, {}), ctx, store)


def _results(outcomes: Mapping[Party, PartyResult | Exception]) -> dict[Party, PartyResult]:
    results: dict[Party, PartyResult] = {}
    for party, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            raise outcome
        results[party] = outcome
    return dict(sorted(results.items()))
