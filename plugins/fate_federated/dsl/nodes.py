"""From components and their parameters to the nodes of a Pipeline: modules, edges, participants, order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from fate_federated.catalog.discovery import module_names
from fate_federated.catalog.spec import ComponentSpec, ModuleSpec
from fate_federated.dsl.components import ComponentText
from fate_federated.dsl.document import Document, Path, members, pointer, shorten
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.parameters import Layers, check_parameters
from fate_federated.dsl.pipeline import Edge, EdgeKind, Mode, Node, Pipeline
from fate_federated.dsl.predict import DEFAULT_MODEL, TRAINED
from fate_federated.errors import ConfigError, ProblemKind, suggest
from fate_federated.party import Party, Role

Catalog = Callable[[str], ModuleSpec | None]
"""Finds the spec of a module; None when neither an installed package nor FATE has it."""


_GIVE_ANY_MODEL = frozenset({"ModelLoader", "ModelRestore", "Pipeline"})


class Conf(Protocol):
    """What a conf of either dialect says of the components."""

    @property
    def version(self) -> int: ...

    @property
    def mode(self) -> Mode: ...

    def lay(self, layers: Layers, component: str, party: Party) -> None:
        """Lay the parameters of a component at a party."""
        ...

    def takes_part(self, component: str, party: Party) -> bool:
        """Whether a party in one of a component's roles has a part in it."""
        ...


class NodeBuilder:
    """Builds the nodes of one job, noting everything that is wrong on the way."""

    def __init__(
        self,
        dsl: Document,
        conf: Document,
        settings: Conf,
        components: Mapping[str, ComponentText],
        parties: tuple[Party, ...],
        catalog: Catalog,
        findings: Findings,
        trained: Pipeline | None = None,
    ) -> None:
        self._trained = trained
        self._dsl = dsl
        self._conf = conf
        self._settings = settings
        self._components = components
        self._parties = parties
        self._findings = findings
        self._specs = {name: self._find(name, text.module, catalog) for name, text in components.items()}

    def build(self) -> tuple[Node, ...]:
        """The nodes in a topological order that keeps the dsl's order where it can."""
        nodes = {name: self._node(name, text) for name, text in self._components.items()}
        return tuple(nodes[name] for name in self._in_order(nodes))

    def _find(self, name: str, module: str, catalog: Catalog) -> ModuleSpec | None:
        path = ("components", name, "module")
        try:
            spec = catalog(module)
        except ConfigError as error:
            self._findings.error(self._dsl, path, f"{module} is installed and broken: {error}")
            return None
        if spec is None:
            message = f"there is no module {shorten(module)}"
            self._findings.error(self._dsl, path, message, partial(suggest, module, module_names()))
        elif not isinstance(spec, ComponentSpec):
            message = f"{module} is a module of FATE's, and no component installed here provides it"
            remedy = "Install a package that does; docs/new-component.md says how one is written."
            self._findings.error(self._dsl, path, message, remedy, ProblemKind.NOT_INSTALLED)
        return spec

    def _node(self, name: str, text: ComponentText) -> Node:
        spec = self._specs[name]
        participants: tuple[Party, ...] = ()
        parameters: Mapping[Party, Mapping[str, object]] = {}
        written: Mapping[Party, Mapping[str, str]] = {}
        if spec is not None:
            participants = tuple(
                party for party in self._parties if party.role in spec.roles and self._settings.takes_part(name, party)
            )
            self._check_roles(name, spec, participants)
            self._check_wiring(name, text, spec)
            layers = self._layers(name, spec, participants)
            parameters = check_parameters(
                name,
                spec,
                layers,
                self._conf,
                self._findings,
                ignore_unknown=self._settings.version == 1,
                complete=self._settings.mode is Mode.TRAIN or self._trained is not None,
            )
            written = {
                party: {str(key): pointer(layer.origin((key,))) for key in layer.values}
                for party, layer in layers.items()
            }
        return Node(
            name=name,
            module=text.module,
            inputs=self._edges(name, text),
            data_outputs=self._outputs(name, EdgeKind.DATA) or (),
            model_outputs=self._outputs(name, EdgeKind.MODEL) or (),
            cache_outputs=self._outputs(name, EdgeKind.CACHE) or (),
            parameters=parameters,
            participants=participants,
            need_deploy=(spec is None or spec.deploy) if text.need_deploy is None else text.need_deploy,
            written=written,
        )

    def _check_roles(self, name: str, spec: ModuleSpec, participants: tuple[Party, ...]) -> None:
        present = set(members(self._conf.value.get("role")))
        missing = sorted(spec.needs - present)
        if missing:
            message = f"{name} ({spec.module}) cannot run without a party in the role {' and '.join(missing)}"
            self._findings.error(self._conf, ("role",), message, f'Add "{missing[0]}": [<party id>].')
        elif present and not present & spec.roles:
            message = f"no party takes part in {name}: {spec.module} is for {', '.join(sorted(spec.roles))}"
            self._findings.error(self._conf, ("role",), message, f'Add "{min(spec.roles)}": [<party id>].')
        if spec.neutral_arbiter:
            self._check_arbiter(name)

    def _check_wiring(self, name: str, text: ComponentText, spec: ModuleSpec) -> None:
        """What no component could do anything with: no data at all, data for two occasions, a model of another kind."""
        path: Path = ("components", name, "input")
        data = text.input.data
        if spec.needs_data and name in self._dsl.value["components"] and not any(data.values()):
            message = f"{name} ({spec.module}) is given no data: it will fail"
            self._findings.warn(
                self._dsl, path, message, 'Write "input": {"data": {"data": ["<component>.<output>"]}}.'
            )
        for other in ("validate_data", "test_data"):
            if data.get("eval_data") and data.get(other):
                message = f"eval_data stands for {other} in older releases: only one of them can be given"
                self._findings.error(self._dsl, (*path, "data", "eval_data"), message, "Remove one of them.")
        for index, source in enumerate(text.input.model):
            of = self._specs.get(source.partition(".")[0])
            if of is not None and of.module not in _GIVE_ANY_MODEL and of.module.lower() != spec.module.lower():
                message = f"{source} is a model of {of.module}, and {name} is a {spec.module}"
                remedy = "Take one of the same module, or write it as isometric_model if the module uses such."
                self._findings.error(self._dsl, (*path, "model", index), message, remedy)

    def _check_arbiter(self, name: str) -> None:
        """As FATE from 1.5 on: an organisation is guest and arbiter only where it is all of the hosts as well."""
        guests, hosts, arbiters = (
            {party.party_id for party in self._parties if party.role is role}
            for role in (Role.GUEST, Role.HOST, Role.ARBITER)
        )
        both = guests & arbiters
        if both and (not both <= hosts or len(both) != len(hosts)):
            message = f"{', '.join(sorted(both))} is guest and arbiter: it could decrypt what hosts encrypt in {name}"
            note = self._findings.error if self._settings.version == 2 else self._findings.warn
            note(self._conf, ("role", "arbiter"), message, "Let another organisation be the arbiter.")

    def _layers(self, name: str, spec: ModuleSpec, participants: tuple[Party, ...]) -> Mapping[Party, Layers]:
        layers = {party: Layers(self._base(name, spec, party)) for party in participants}
        for party, layer in layers.items():
            self._settings.lay(layer, name, party)
            if self._settings.version == 1:
                for old, new in spec.legacy_names.items():
                    layer.rename(old, new)
        return layers

    def _base(self, name: str, spec: ModuleSpec, party: Party) -> Mapping[str, object] | None:
        """What holds where the conf says nothing: what the component was trained with, or defaults of FATE's."""
        for node in self._trained.nodes if self._trained else ():
            if node.name == name and node.module == spec.module and party in node.parameters:
                return node.parameters[party]
        return spec.legacy_defaults if self._settings.version == 1 else None

    def _outputs(self, name: str, kind: EdgeKind) -> tuple[str, ...] | None:
        """The names of a component's outputs of a kind, no more than it makes; None when its module is unknown."""
        spec, text = self._specs.get(name), self._components.get(name)
        if text is None or self._findings.has_error(self._dsl, ("components", name, "output")):
            return None
        written: list[str] | None
        if kind is EdgeKind.CACHE:
            written, made, default = text.output.cache or [], spec.cache_outputs if spec else None, ""
        elif kind is EdgeKind.DATA:
            written, made, default = text.output.data, spec.data_outputs if spec else None, "component"
        else:
            written, made, default = text.output.model, spec.model_outputs if spec else None, DEFAULT_MODEL
        if written is None:
            written = [default] if self._settings.version == 1 else []
        return tuple(written[:made])

    def _edges(self, name: str, text: ComponentText) -> tuple[Edge, ...]:
        path: Path = ("components", name, "input")
        edges = [
            self._edge(EdgeKind.DATA, port, source, (*path, "data", port, index))
            for port, sources in text.input.data.items()
            for index, source in enumerate(sources)
        ]
        for kind, sources in (
            (EdgeKind.MODEL, text.input.model),
            (EdgeKind.ISOMETRIC_MODEL, text.input.isometric_model),
            (EdgeKind.CACHE, text.input.cache),
        ):
            edges += [self._edge(kind, kind, source, (*path, kind, index)) for index, source in enumerate(sources)]
        return tuple(edge for edge in edges if edge is not None)

    def _edge(self, kind: EdgeKind, port: str, source: str, path: Path) -> Edge | None:
        component, dot, output = source.partition(".")
        what = "data" if kind is EdgeKind.DATA else "a cache" if kind is EdgeKind.CACHE else "a model"
        if not dot or not component or not output:
            message = f"{shorten(source)} names no output of a component"
            self._findings.error(self._dsl, path, message, "Write <component>.<output>.")
        elif component == TRAINED and component not in self._components:
            return self._trained_edge(kind, port, output, path)
        elif component == "args" and component not in self._components:
            message = f"{shorten(source)} is a table of a version 1 conf"
            self._findings.error(self._dsl, path, message, "Read it with a component of module Reader.")
        elif component not in self._dsl.value["components"] and component not in self._components:
            message = f"no component is named {shorten(component)}"
            self._findings.error(self._dsl, path, message, partial(suggest, component, self._components))
        else:
            outputs = self._outputs(component, kind)
            if outputs is not None and output not in outputs:
                message = f"{component} makes no {what.removeprefix('a ')} named {shorten(output)}"
                remedy = suggest(output, outputs) or f"{component} has no output of this kind."
                self._findings.error(self._dsl, path, message, remedy)
            elif component in self._components:
                return Edge(kind, port, component, output)
        return None

    def _trained_edge(self, kind: EdgeKind, port: str, source: str, path: Path) -> Edge | None:
        """The edge of a model that an earlier job trained, which the dsl writes ``pipeline.<component>.<alias>``."""
        component, dot, alias = source.partition(".")
        shown = shorten(f"{TRAINED}.{source}")
        if kind not in (EdgeKind.MODEL, EdgeKind.ISOMETRIC_MODEL):
            message = f"{shown}: of an earlier job only models can be used"
            self._findings.error(self._dsl, path, message, "Read the data with a component of module Reader.")
        elif not dot or not component or not alias:
            message = f"{shown} names no model of an earlier job"
            self._findings.error(self._dsl, path, message, f"Write {TRAINED}.<component>.<model>.")
        elif self._settings.mode is not Mode.PREDICT:
            message = f"{shown} is a model of an earlier job, and this job does not predict"
            self._findings.error(self._dsl, path, message, 'Add "job_type": "predict" to the job parameters.')
        elif self._trained is not None and not self._was_trained(component, alias):
            message = f"the job that trained has no model {shorten(f'{component}.{alias}')}"
            known = [f"{node.name}.{name}" for node in self._trained.nodes for name in node.model_outputs]
            self._findings.error(self._dsl, path, message, partial(suggest, f"{component}.{alias}", known))
        else:
            return Edge(kind, port, component, alias, trained=True)
        return None

    def _was_trained(self, component: str, alias: str) -> bool:
        nodes = self._trained.nodes if self._trained else ()
        return any(node.name == component and alias in node.model_outputs for node in nodes)

    def _in_order(self, nodes: Mapping[str, Node]) -> list[str]:
        position = {name: index for index, name in enumerate(nodes)}
        waits_for = {name: set(node.upstream) for name, node in nodes.items()}
        leads_to: dict[str, list[str]] = {name: [] for name in nodes}
        for name, sources in waits_for.items():
            for source in sources:
                leads_to[source].append(name)
        ready = [position[name] for name, sources in waits_for.items() if not sources]
        names = list(nodes)
        order: list[str] = []
        while ready:
            name = names[heapq.heappop(ready)]
            order.append(name)
            for following in leads_to[name]:
                waits_for[following].discard(name)
                if not waits_for[following]:
                    heapq.heappush(ready, position[following])
        if len(order) < len(nodes):
            self._note_cycles({name: waits_for[name] for name in names if waits_for[name]})
        return order

    def _note_cycles(self, waits_for: dict[str, set[str]]) -> None:
        """Note those that have no component in common; every node left waits for another one that is left."""
        while waits_for:
            trail: list[str] = []
            name = next(iter(waits_for))
            while name not in trail:
                trail.append(name)
                name = min(waits_for[name])
            cycle = [*trail[trail.index(name) :], name][::-1]
            message = f"the components wait for each other: {' -> '.join(cycle)}"
            self._findings.error(self._dsl, ("components", name, "input"), message, "Remove one of these inputs.")
            left = {name: sources - set(cycle) for name, sources in waits_for.items() if name not in cycle}
            while any(not sources for sources in left.values()):
                free = {name for name, sources in left.items() if not sources}
                left = {name: sources - free for name, sources in left.items() if name not in free}
            waits_for = left
