"""The class that every component derives from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from fate_federated.catalog.spec import ComponentParams
from fate_federated.errors import ConfigError
from fate_federated.party import Role
from fate_federated.task.cache import Cache, CacheReader
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model, ModelReader
from fate_federated.task.table import Table

P = TypeVar("P", bound=ComponentParams)


class Catalogue(Protocol):
    """The tables of a site, as a task of one of its parties sees them."""

    def read(self, namespace: str, name: str) -> Table:
        """The whole table.

        Raises:
            TableNotFound: there is none of that name.
        """
        ...

    def read_output(self, job_id: str, component: str, name: str) -> Table:
        """What a component of another job handed on at this party.

        Raises:
            DataError: there is none of that name.
        """
        ...

    def write(self, namespace: str, name: str, table: Table) -> None:
        """Make a table, or replace one that a job made.

        Raises:
            DataError: there is an uploaded table of that name.
        """
        ...

    def export(self, path: str, table: Table, delimiter: str) -> str:
        """Write a table as a CSV file under the site's storage, apart from other jobs' files; returns where."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the pipeline hands to a component at one party.

    Attributes:
        data: by port (data, train_data, validate_data, test_data, eval_data). A party for which the upstream
            component made no output has no entry.
        model: the model it is to apply; then it transforms or predicts instead of fitting.
        isometric: models of other components, by the name of the component that made them.
        cache: what components of this module kept, by the name of the component that hands it on.
        tables: for what reads and writes tables of the site's catalogue.
        caches: for CacheLoader: how to read what another job kept.
        models: for ModelLoader: how to read what another job learnt.
        sources: by port, the component that made each table, in the order of ``data``.
    """

    data: Mapping[str, Sequence[Table]] = field(default_factory=dict)
    model: Model | None = None
    isometric: Mapping[str, Model] = field(default_factory=dict)
    cache: Mapping[str, Cache] = field(default_factory=dict)
    tables: Catalogue | None = None
    caches: CacheReader | None = None
    models: ModelReader | None = None
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def first(self, *ports: str) -> Table | None:
        """The first table of the first of these ports that has one."""
        for port in ports:
            if self.data.get(port):
                return self.data[port][0]
        return None


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a component hands on at one party: tables in the order of the dsl's ``output.data``, a model, a cache."""

    data: Sequence[Table] = ()
    model: Model | None = None
    cache: Cache | None = None


class Component(Generic[P]):
    """One step of a pipeline. A component overrides the methods of the roles that its spec names.

    Each returns what that party hands on. What travels between the parties goes through ``ctx``.
    """

    Params: ClassVar[type[ComponentParams]]

    def __init__(self, params: P) -> None:
        self.params = params

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """The guest's part."""
        raise self._no_part(Role.GUEST)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """A host's part."""
        raise self._no_part(Role.HOST)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """The arbiter's part."""
        raise self._no_part(Role.ARBITER)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """The part of a party that works alone."""
        raise self._no_part(Role.LOCAL)

    def run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """The part of ``ctx.party``'s role."""
        parts: dict[Role, Any] = {
            Role.GUEST: self.run_guest,
            Role.HOST: self.run_host,
            Role.ARBITER: self.run_arbiter,
            Role.LOCAL: self.run_local,
        }
        outputs: Outputs = parts[ctx.party.role](ctx, inputs)
        return outputs

    def _no_part(self, role: Role) -> ConfigError:
        return ConfigError(f"{type(self).__name__} has no part for a {role}; its spec should not name that role.")
