"""The conf of dsl version 2 (FATE 1.5 to 1.11)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ConfigDict, Field

from fate_federated.dsl.components import ComponentText
from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.dsl.job_parameters import of_parties, read_job_parameters
from fate_federated.dsl.parameters import Layers
from fate_federated.dsl.predict import is_prediction
from fate_federated.errors import suggest
from fate_federated.party import Party, Role

KEYS = ("dsl_version", "initiator", "role", "job_parameters", "component_parameters", "provider", "airflow")

Parameters = dict[str, dict[str, Any]]


class CommonAndRole(Written):
    """``component_parameters`` and ``job_parameters``: what holds for all, and by role and index of the party."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)

    common: dict[str, Any] = Field(default_factory=dict)
    role: dict[str, Any] = Field(default_factory=dict)


class ConfV2:
    """Parameters of each component at each party. What is wrong with the conf's form is noted when it is read."""

    version = 2

    def __init__(
        self,
        conf: Document,
        parties: tuple[Party, ...],
        components: Mapping[str, ComponentText],
        findings: Findings,
        *,
        dsl_known: bool = True,
    ) -> None:
        self._conf, self._findings, self._parties, self._components = conf, findings, parties, components
        self._dsl_known = dsl_known
        findings.ignore_unknown(conf, (), conf.value, KEYS)
        path: Path = ("job_parameters",)
        common, by_role = self._sections(path)
        self.mode, parameters = read_job_parameters(
            conf, (*path, "common"), common, findings, predicts=is_prediction(components)
        )
        self.job_parameters = of_parties(conf, parameters, by_role, findings)
        self._layers: list[tuple[frozenset[Party], Parameters, Path]] = []
        path = ("component_parameters",)
        common, by_role = self._sections(path)
        self._add(frozenset(parties), common, (*path, "common"))
        for chosen, values, at in by_role:
            self._add(chosen, values, at)

    def lay(self, layers: Layers, component: str, party: Party) -> None:
        """Lay what holds for a component at a party: the common ones, then each matching entry in the conf's order."""
        layers.lay({}, ("component_parameters",))
        for chosen, parameters, path in self._layers:
            if party in chosen and component in parameters:
                layers.lay(parameters[component], (*path, component))

    def takes_part(self, component: str, party: Party) -> bool:
        """Whether a party of one of the component's roles has a part in it: a Reader has none where ``need_run`` is
        false, since it has no data to pass on, nor at a local party that no table is named for.
        """
        if self._components[component].module != "Reader":
            return True
        said: dict[str, Any] = {}
        for chosen, parameters, _ in self._layers:
            if party in chosen:
                said.update(parameters.get(component, {}))
        return said.get("need_run") is not False and (party.role is not Role.LOCAL or "table" in said)

    def _sections(self, path: Path) -> tuple[dict[str, Any], list[tuple[frozenset[Party], Any, Path]]]:
        """What a part of the conf says of all, and of whom else it says what, in its order."""
        value = self._conf.value.get(path[0], {})
        text = self._findings.check_rest(CommonAndRole, self._conf, path, value)
        if text is None:
            return {}, []
        self._findings.ignore_unknown(self._conf, path, value, ("common", "role"))
        by_role: list[tuple[frozenset[Party], Any, Path]] = []
        for role, by_index in text.role.items():
            at: Path = (*path, "role", role)
            if role not in list(Role):
                message = f"{shorten(role)} is not a role: what is under it has no effect"
                self._findings.warn(self._conf, at, message, partial(suggest, role, list(Role)))
            elif not isinstance(by_index, dict):
                message = f"{shorten(by_index)} says nothing by index of the party"
                self._findings.error(self._conf, at, message, 'Write {"0": {…}}.')
            else:
                members_of_role = [party for party in self._parties if party.role == role]
                for index, values in by_index.items():
                    chosen = _chosen(index, members_of_role, self._conf, (*at, index), self._findings)
                    if chosen:
                        by_role.append((chosen, values, (*at, index)))
        return text.common, by_role

    def _add(self, chosen: frozenset[Party], parameters: object, path: Path) -> None:
        if not isinstance(parameters, dict):
            message = f"{shorten(parameters)} is no object"
            self._findings.error(self._conf, path, message, "Write the parameters by component.")
            return
        for name, values in parameters.items():
            if self._dsl_known and name not in self._components:
                message = f"no component of the dsl is named {shorten(name)}: what is under it has no effect"
                remedy = partial(suggest, name, self._components)
                self._findings.warn(self._conf, (*path, name), message, remedy)
            elif not isinstance(values, dict):
                message = f"the parameters of {name} are no object"
                self._findings.error(self._conf, (*path, name), message, 'Write {"name": value}.')
        self._layers.append((chosen, {name: v for name, v in parameters.items() if isinstance(v, dict)}, path))


def _chosen(index: str, parties: list[Party], conf: Document, path: Path, findings: Findings) -> frozenset[Party]:
    """The parties of a role that ``"0"``, ``"0|1"`` or ``"all"`` means."""
    if index == "all":
        return frozenset(parties)
    chosen: set[Party] = set()
    for part in index.split("|"):
        if not part.strip().isdecimal() or len(part) > 9:
            message = f"{shorten(part)} is not the index of a party: what is under it has no effect"
            findings.warn(conf, path, message, 'Write "0", "0|1" or "all".')
        elif int(part) >= len(parties):
            message = f"there is no party with index {int(part)} in this role: what is under it has no effect"
            findings.warn(conf, path, message, f"The role has {len(parties)}, counted from 0.")
        else:
            chosen.add(parties[int(part)])
    return frozenset(chosen)
