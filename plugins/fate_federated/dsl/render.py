"""The canonical form of a job as a dsl and a conf of version 2: reading them again gives an equal Pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fate_federated.dsl.airflow_block import airflow_block_text
from fate_federated.dsl.components import ComponentText, InputText, OutputText, write_component
from fate_federated.dsl.pipeline import Edge, EdgeKind, Mode, Node, Pipeline
from fate_federated.dsl.predict import TRAINED
from fate_federated.party import Party, Role


@dataclass(frozen=True, slots=True)
class RenderedJob:
    """A job as JSON values."""

    dsl: dict[str, Any]
    conf: dict[str, Any]

    @property
    def dsl_text(self) -> str:
        return _text(self.dsl)

    @property
    def conf_text(self) -> str:
        return _text(self.conf)


def render(pipeline: Pipeline) -> RenderedJob:
    """Write a job in version 2."""
    return RenderedJob(
        {"components": {node.name: write_component(_component(node)) for node in pipeline.nodes}}, _conf(pipeline)
    )


def _component(node: Node) -> ComponentText:
    data: dict[str, list[str]] = {}
    others: dict[EdgeKind, list[str]] = {}
    for edge in node.inputs:
        if edge.kind is EdgeKind.DATA:
            data.setdefault(edge.port, []).append(_source(edge))
        else:
            others.setdefault(edge.kind, []).append(_source(edge))
    return ComponentText(
        module=node.module,
        input=InputText(
            data=data,
            model=others.get(EdgeKind.MODEL, []),
            isometric_model=others.get(EdgeKind.ISOMETRIC_MODEL, []),
            cache=others.get(EdgeKind.CACHE, []),
        ),
        output=OutputText(data=list(node.data_outputs), model=list(node.model_outputs), cache=list(node.cache_outputs)),
        need_deploy=node.need_deploy,
    )


def _source(edge: Edge) -> str:
    return f"{TRAINED}.{edge.source}.{edge.output}" if edge.trained else f"{edge.source}.{edge.output}"


def _conf(pipeline: Pipeline) -> dict[str, Any]:
    roles = dict.fromkeys(party.role for party in pipeline.parties)
    conf: dict[str, Any] = {
        "dsl_version": 2,
        "initiator": {"role": str(pipeline.initiator.role), "party_id": _party_id(pipeline.initiator)},
        "role": {str(role): [_party_id(party) for party in pipeline.of_role(role)] for role in roles},
    }
    common = dict(pipeline.job_parameters.settings)
    if pipeline.mode is Mode.PREDICT:
        common["job_type"] = str(Mode.PREDICT)
    by_party = _by_role(pipeline, pipeline.job_parameters.by_party)
    conf["job_parameters"] = _section(common, by_party)
    conf["component_parameters"] = _component_parameters(pipeline)
    airflow = airflow_block_text(pipeline.airflow)
    if airflow:
        conf["airflow"] = airflow
    return {key: value for key, value in conf.items() if value != {}}


def _component_parameters(pipeline: Pipeline) -> dict[str, Any]:
    common: dict[str, Any] = {}
    single: dict[Party, dict[str, Any]] = {}
    for node in pipeline.nodes:
        values = [node.parameters[party] for party in node.participants]
        if values and all(other == values[0] for other in values) and values[0]:
            common[node.name] = dict(values[0])
        else:
            for party in node.participants:
                if node.parameters[party]:
                    single.setdefault(party, {})[node.name] = dict(node.parameters[party])
        if node.module == "Reader":
            # What says in this dialect that a party has no table there; an arbiter never has one.
            for party in pipeline.parties:
                if party.role is not Role.ARBITER and party not in node.participants:
                    single.setdefault(party, {})[node.name] = {"need_run": False}
    return _section(common, _by_role(pipeline, single))


def _section(common: dict[str, Any], by_role: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (("common", common), ("role", by_role)) if value}


def _by_role(pipeline: Pipeline, by_party: Mapping[Party, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    roles: dict[str, dict[str, Any]] = {}
    for party in pipeline.parties:
        if by_party.get(party):
            index = pipeline.of_role(party.role).index(party)
            roles.setdefault(str(party.role), {})[str(index)] = dict(by_party[party])
    return roles


def _party_id(party: Party) -> int | str:
    """A number, as FATE writes them, where the same party comes back from it."""
    plain = party.party_id.isascii() and party.party_id.isdecimal() and str(int(party.party_id)) == party.party_id
    return int(party.party_id) if plain else party.party_id


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"
