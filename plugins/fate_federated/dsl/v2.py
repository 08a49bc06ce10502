"""The conf of dsl version 2 (FATE 1.5 to 1.11)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field

from fate_federated.dsl.components import ComponentText
from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.dsl.job_parameters import check_job_parameters
from fate_federated.dsl.parameters import Layers
from fate_federated.errors import suggest
from fate_federated.party import Party, Role

KEYS = ("dsl_version", "initiator", "role", "job_parameters", "component_parameters", "provider", "airflow")

Parameters = dict[str, dict[str, Any]]


class CommonAndRole(Written):
    """``component_parameters`` and ``job_parameters``: what holds for all, and by role and index of the party."""

    common: dict[str, Any] = Field(default_factory=dict)
    role: dict[str, dict[str, Any]] = Field(default_factory=dict)


class ConfV2:
    """Parameters of each component at each party. What is wrong with the conf's form is noted when it is read."""

    version = 2

    def __init__(
        self, conf: Document, parties: tuple[Party, ...], components: Mapping[str, ComponentText], findings: Findings
    ) -> None:
        self._layers: list[tuple[frozenset[Party], Parameters, Path]] = []
        findings.ignore_unknown(conf, (), conf.value, KEYS)
        job = findings.check(CommonAndRole, conf, ("job_parameters",), conf.value.get("job_parameters", {}))
        self.job_parameters: Mapping[str, Any] = {}
        if job is not None:
            self.job_parameters = check_job_parameters(conf, ("job_parameters", "common"), job.common, findings)
            if job.role:
                message = "job parameters of single parties have no effect here"
                findings.warn(conf, ("job_parameters", "role"), message)
        path = ("component_parameters",)
        text = findings.check(CommonAndRole, conf, path, conf.value.get("component_parameters", {}))
        if text is None:
            return
        self._add(frozenset(parties), text.common, (*path, "common"), components, conf, findings)
        for role, by_index in text.role.items():
            at: Path = (*path, "role", role)
            if role not in list(Role):
                message = f"{shorten(role)} is not a role: what is under it has no effect"
                findings.warn(conf, at, message, partial(suggest, role, list(Role)))
                continue
            members_of_role = [party for party in parties if party.role == role]
            for index, parameters in by_index.items():
                chosen = _chosen(index, members_of_role, conf, (*at, index), findings)
                self._add(chosen, parameters, (*at, index), components, conf, findings)

    def lay(self, layers: Layers, component: str, party: Party) -> None:
        """Lay what holds for a component at a party: the common ones, then each matching entry in the conf's order."""
        layers.lay({}, ("component_parameters",))
        for chosen, parameters, path in self._layers:
            if party in chosen and component in parameters:
                layers.lay(parameters[component], (*path, component))

    def takes_part(self, component: str, party: Party) -> bool:
        """Whether a party of one of the component's roles has a part in it: always, in this dialect."""
        return True

    def _add(
        self, chosen: frozenset[Party], parameters: object, path: Path, components: Mapping[str, ComponentText],
        conf: Document, findings: Findings,
    ) -> None:  # fmt: skip
        if not isinstance(parameters, dict):
            findings.error(conf, path, f"{shorten(parameters)} is no object", "Write the parameters by component.")
            return
        for name, values in parameters.items():
            if name not in components:
                message = f"no component of the dsl is named {shorten(name)}: what is under it has no effect"
                findings.warn(conf, (*path, name), message, partial(suggest, name, components))
            elif not isinstance(values, dict):
                findings.error(conf, (*path, name), f"the parameters of {name} are no object", 'Write {"name": value}.')
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
