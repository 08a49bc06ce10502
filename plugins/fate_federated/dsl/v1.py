"""The conf of dsl version 1 (FATE 1.0 to 1.6), read as FATE up to 1.4 read it.

A version 1 dsl has no Reader: a component takes a table by ``args.<key>``, and the conf says under
``role_parameters.<role>.args.data.<key>`` which table that is at each party. Here every such key becomes a node
``reader_<key>`` of module Reader, so that the graph shows where the data come from.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ConfigDict, Field, RootModel

from fate_federated.dsl.components import ComponentText, OutputText
from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.dsl.job_parameters import read_job_parameters
from fate_federated.dsl.parameters import Layers
from fate_federated.dsl.pipeline import Node
from fate_federated.dsl.predict import is_prediction
from fate_federated.errors import suggest
from fate_federated.party import Party, Role

KEYS = (
    "dsl_version", "initiator", "role", "job_parameters", "role_parameters", "algorithm_parameters", "airflow",
)  # fmt: skip
ARGS = "args."
READER_OUTPUT = "data"


class AlgorithmParameters(RootModel[dict[str, dict[str, Any]]]):
    """By component, the same at every party."""

    model_config = ConfigDict(strict=True, defer_build=True)


class RoleParameters(RootModel[dict[str, dict[str, dict[str, Any]]]]):
    """By role and component; each leaf is a list with one entry for each party of the role."""

    model_config = ConfigDict(strict=True, defer_build=True)


class TablesByKey(Written):
    """``args`` of a role: the tables that stand for ``args.<key>``, a list with one for each party of the role."""

    data: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)


class ConfV1:
    """Parameters of each component at each party. What is wrong with the conf's form is noted when it is read.

    Attributes:
        components: those of the dsl, the readers that stand for ``args.<key>`` in front.
    """

    version = 1

    def __init__(
        self,
        conf: Document,
        parties: tuple[Party, ...],
        components: Mapping[str, ComponentText],
        findings: Findings,
        *,
        dsl_known: bool = True,
    ) -> None:
        self._conf = conf
        self._dsl_known = dsl_known
        self._parties = parties
        self._findings = findings
        self._well_formed = True
        findings.ignore_unknown(conf, (), conf.value, KEYS)
        path: Path = ("job_parameters",)
        self.mode, self.job_parameters = read_job_parameters(
            conf, path, conf.value.get("job_parameters", {}), findings, predicts=is_prediction(components)
        )
        self._roles = self._read_roles(components)
        self._lineages: dict[str, tuple[str, ...]] = {}
        self._algorithm = self._read_algorithm(components)
        tables = {key: (name, self._read_tables(key)) for key, name in _reader_names(components).items()}
        for key, (_, found) in tables.items():
            if not found and self._well_formed:
                self._warn_of_no_table(key)
        names = {key: name for key, (name, found) in tables.items() if found}
        self._tables = {name: found for name, found in tables.values() if found}
        self._keys = {name: key for key, name in names.items()}
        readers = {name: ComponentText(module="Reader", output=OutputText(data=[READER_OUTPUT])) for name in self._keys}
        self.components = readers | {name: _with_readers(text, names) for name, text in components.items()}

    def lay(self, layers: Layers, component: str, party: Party) -> None:
        """Lay what holds for a component at a party: ``algorithm_parameters``, then ``role_parameters``. A component
        that applies the model of another has that one's role parameters beneath its own.
        """
        if component in self._tables:
            table, at = self._tables[component][party]
            layers.lay({}, at)
            layers.lay(table, at, ("table",))
            return
        layers.lay({}, ("role_parameters",))
        if component in self._algorithm:
            layers.lay(self._algorithm[component], ("algorithm_parameters", component))
        for name in self._lineage(component):
            values = self._roles.get(party.role, {}).get(name)
            if values is not None:
                layers.lay({}, ("role_parameters", str(party.role), name))
                self._lay_element(layers, values, party, (), ("role_parameters", str(party.role), name))

    def takes_part(self, component: str, party: Party) -> bool:
        """Whether a party of one of the component's roles has a part in it: for a reader, when it has a table."""
        return component not in self._tables or party in self._tables[component]

    def check_sources(self, nodes: Sequence[Node]) -> None:
        """Warn of every party that takes part in a component which reads ``args.<key>``, and has no table for it. FATE
        up to 1.4 let that pass: the component gets no data there.
        """
        if not self._well_formed:
            return
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            for source in node.upstream:
                if source not in self._keys or source not in by_name:
                    continue
                for party in node.participants:
                    if party.role is not Role.ARBITER and party not in by_name[source].participants:
                        self._warn_of_missing_table(node.name, self._keys[source], party)

    def _warn_of_missing_table(self, node: str, key: str, party: Party) -> None:
        position = [other for other in self._parties if other.role is party.role].index(party)
        at = f"/role_parameters/{party.role}/args/data/{key}"
        self._findings.warn(
            self._conf,
            ("role_parameters", str(party.role), "args", "data", key, position),
            f"{node} reads args.{key}, and {party} has no table of that name: it gets no data there",
            f'Write {{"name": …, "namespace": …}} as entry {position} of {at}.',
        )

    def _warn_of_no_table(self, key: str) -> None:
        self._findings.warn(
            self._conf,
            ("role_parameters",),
            f"the dsl reads args.{key}, and no party has a table of that name: what reads it gets no data",
            f'Write [{{"name": …, "namespace": …}}] as /role_parameters/<role>/args/data/{key}.',
        )

    def _read_algorithm(self, components: Mapping[str, ComponentText]) -> dict[str, dict[str, Any]]:
        path = ("algorithm_parameters",)
        value = self._conf.value.get("algorithm_parameters", {})
        text = self._findings.check(AlgorithmParameters, self._conf, path, value)
        if text is None:
            return {}
        self._warn_of_strangers(path, text.root, components)
        return text.root

    def _read_roles(self, components: Mapping[str, ComponentText]) -> dict[str, dict[str, dict[str, Any]]]:
        value = self._conf.value.get("role_parameters", {})
        text = self._findings.check(RoleParameters, self._conf, ("role_parameters",), value)
        if text is None:
            self._well_formed = False
            return {}
        for role, by_component in text.root.items():
            path = ("role_parameters", role)
            if role not in list(Role):
                message = f"{shorten(role)} is not a role: what is under it has no effect"
                self._findings.warn(self._conf, path, message, partial(suggest, role, list(Role)))
            else:
                self._warn_of_strangers(path, by_component, components)
        return text.root

    def _warn_of_strangers(
        self, path: Path, by_component: Mapping[str, Any], components: Mapping[str, ComponentText]
    ) -> None:
        for name in by_component:
            if self._dsl_known and name not in components and name != "args":
                message = f"no component of the dsl is named {shorten(name)}: what is under it has no effect"
                self._findings.warn(self._conf, (*path, name), message, partial(suggest, name, components))

    def _read_tables(self, key: str) -> dict[Party, tuple[dict[str, Any], Path]]:
        """The table that ``args.<key>`` is at each party that has one, and where the conf says so."""
        tables: dict[Party, tuple[dict[str, Any], Path]] = {}
        for role in Role:
            path: Path = ("role_parameters", str(role), "args")
            text = self._findings.check(TablesByKey, self._conf, path, self._roles.get(role, {}).get("args", {}))
            parties = [party for party in self._parties if party.role is role]
            self._well_formed = self._well_formed and text is not None
            if text is None or key not in text.data:
                continue
            at: Path = (*path, "data", key)
            if len(text.data[key]) > len(parties):
                self._wrong_length(at, len(text.data[key]), role, len(parties))
            for index, (party, table) in enumerate(zip(parties, text.data[key], strict=False)):
                tables[party] = (table, (*at, index))
        return tables

    def _lineage(self, component: str) -> tuple[str, ...]:
        """The component, after those whose role parameters it inherits: the makers of the model that it applies. Only
        those that have any.
        """
        trail: dict[str, None] = {}
        while component in self.components and component not in trail and component not in self._lineages:
            trail[component] = None
            models = self.components[component].input.model
            component = models[0].partition(".")[0] if models else ""
        inherited = self._lineages.get(component, ())
        for name in reversed(trail):
            if any(name in by_component for by_component in self._roles.values()):
                inherited = (*inherited, name)
            self._lineages[name] = inherited
        return inherited

    def _lay_element(self, layers: Layers, value: object, party: Party, where: Path, at: Path) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self._lay_element(layers, inner, party, (*where, key), (*at, key))
            return
        if not isinstance(value, list):
            message = f"{shorten(value)} is no list with one entry for each {party.role}"
            self._findings.error(self._conf, at, message, f"Write [{shorten(value)}].")
            return
        parties = [other for other in self._parties if other.role is party.role]
        index = parties.index(party)
        if len(value) > len(parties):
            self._wrong_length(at, len(value), party.role, len(parties))
        elif index < len(value):
            layers.lay(value[index], (*at, index), where)
        else:
            message = f"the list has {len(value)} entries for {len(parties)} parties: {party} keeps what else holds"
            self._findings.warn(self._conf, at, message, f"Write one entry for each {party.role}.")

    def _wrong_length(self, at: Path, length: int, role: Role, parties: int) -> None:
        message = f"the list has {length} entries for {parties} parties in the role {role}"
        self._findings.error(self._conf, at, message, "Write one entry for each, in the order of /role.")


def _reader_names(components: Mapping[str, ComponentText]) -> dict[str, str]:
    """For each ``args.<key>`` of a dsl, a component name that the dsl leaves free."""
    names: dict[str, str] = {}
    for text in components.values():
        for sources in text.input.data.values():
            for source in sources:
                key = source.removeprefix(ARGS)
                if source.startswith(ARGS) and key not in names:
                    wish = f"reader_{re.sub('[^A-Za-z0-9_-]', '_', key)}"[:100]
                    taken = {*components, *names.values()}
                    wishes = itertools.chain([wish], (f"{wish}_{number}" for number in itertools.count()))
                    names[key] = next(name for name in wishes if name not in taken)
    return names


def _with_readers(text: ComponentText, names: Mapping[str, str]) -> ComponentText:
    data: dict[str, list[str]] = {}
    for port, sources in text.input.data.items():
        kept = [source for source in sources if not source.startswith(ARGS) or source.removeprefix(ARGS) in names]
        data[port] = [
            f"{names[source.removeprefix(ARGS)]}.{READER_OUTPUT}" if source.startswith(ARGS) else source
            for source in kept
        ]
    return text.model_copy(update={"input": text.input.model_copy(update={"data": data})})
