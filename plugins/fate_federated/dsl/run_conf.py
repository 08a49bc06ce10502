"""The parameters of one run: what the conf says, and over it what the run was triggered with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fate_federated.catalog.discovery import find_component
from fate_federated.dsl.airflow_block import FormParam
from fate_federated.dsl.components import ComponentText
from fate_federated.dsl.document import Document, Path, pointer, read_json, shorten
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.nodes import Catalog
from fate_federated.dsl.parameters import Layers, check_parameters
from fate_federated.dsl.pipeline import Mode, Node, Pipeline
from fate_federated.dsl.v2 import ConfV2
from fate_federated.errors import DslError, suggest
from fate_federated.party import Party

OVERRIDES = "component_parameters"
MODEL_VERSION = "model_version"
"""Of a run that predicts: id of the job that trained the models, in place of the conf's."""

MODEL_BRANCH, MODEL_MESSAGE = "model_branch", "model_message"
"""Of a run that trains: the branch that its version goes to, and what the version's log says."""

_VERSION = re.compile(r"[0-9]{1,40}|[^@\s]{1,512}@[A-Za-z0-9_.-]{1,64}")
"""The id of a job, a version, or <model>@<branch or tag>."""


def run_parameters(node: Node, party: Party, run_conf: Mapping[str, Any]) -> dict[str, Any]:
    """A component's parameters at one party in one run.

    Args:
        run_conf: what ``airflow dags trigger --conf`` gave. Its ``component_parameters`` has the shape of a v2 conf:
            ``common.<component>``, and ``role.<role>.<index>.<component>`` with an index such as ``0``, ``0|1`` or
            ``all``. Objects are merged deeply; what is said later wins, and roles win over what is common.

    Raises:
        DslError: the overrides have another shape.
    """
    merged = _merge({}, node.parameters.get(party, {}))
    for _, over in _overrides(node, party, run_conf):
        merged = _merge(merged, over)
    return merged


def override_pointer(node: Node, party: Party, run_conf: Mapping[str, Any], parameter: str) -> str:
    """JSON pointer to what a run says last of a component's parameter at a party; empty where it says nothing.

    Raises:
        DslError: the overrides are of another shape than a v2 conf's.
    """
    said = [path for path, over in _overrides(node, party, run_conf) if parameter in over]
    return pointer((*said[-1], parameter)) if said else ""


def resolve_run_conf(params: Mapping[str, FormParam], run_conf: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was triggered with, its params put where they count: under ``component_parameters``, beneath what that
    says itself.

    Raises:
        DslError: ``component_parameters`` is no object.
    """
    by_form: dict[str, Any] = {}
    for name, param in params.items():
        if param.sets and (param.given or name in run_conf):
            by_form = _merge(by_form, _nested(param.sets, run_conf.get(name, param.default)))
    merged = _merge(by_form.get(OVERRIDES, {}), _object(run_conf, (OVERRIDES,)))
    return {**run_conf, OVERRIDES: merged} if merged else dict(run_conf)


def check_params(pipeline: Pipeline, conf: Document, catalog: Catalog, findings: Findings) -> None:
    """Check the params of the airflow block: whether each sets a parameter that there is, and to what that may be."""
    for name, param in pipeline.airflow.params.items():
        at: Path = ("airflow", "params", name)
        if name in (OVERRIDES, MODEL_VERSION):
            findings.error(conf, at, f"{name} is in every job's form already", "Choose another name.")
            continue
        if param.sets:
            where = _target(pipeline, param.sets)
            if where is None:
                said = pointer(param.sets)
                remedy = f"Write /{OVERRIDES}/common/<component>/<parameter>, or /{OVERRIDES}/role/<role>/<index>/…"
                findings.error(conf, (*at, "sets"), f"{said} names no parameter of a component", remedy)
                continue
            node, party, key = where
            value = param.default if param.given else _effective(node, party, key, catalog)[1]
            said_of = Findings()
            document = read_json(json.dumps(_nested(param.sets, value)))
            _check_overrides(pipeline, document, said_of, catalog)
            for problem in (*said_of.errors, *said_of.not_installed, *said_of.warnings):
                place = (*at, "default") if param.given and problem.pointer == pointer(param.sets) else (*at, "sets")
                findings.error(conf, place, problem.message, problem.remedy, problem.kind)
        if param.schema:
            _check_schema(name, param, default_of(pipeline, param, catalog), conf, at, findings)


def _check_schema(name: str, param: FormParam, default: Any, conf: Document, at: Path, findings: Findings) -> None:
    """Check that a param's default is what its own schema allows, as Airflow does, but for patterns.

    A pattern of another organisation may take for ever to match, and no thread can be stopped that matches one.
    """
    from jsonschema import FormatChecker, SchemaError
    from jsonschema.validators import extend, validator_for

    schema = dict(param.schema)
    validator = extend(validator_for(schema), {"pattern": lambda *_: None})
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        place = (*at, *error.path) if error.path else at
        findings.error(conf, place, f"{name}: {_brief(error.message)}", "Write it as JSON Schema has it.")
        return
    remedy = "Give a default that the param's own type and limits allow."
    place = (*at, "default") if param.given else at
    for wrong in validator(schema, format_checker=FormatChecker()).iter_errors(default):
        findings.error(conf, place, f"{name}: {_brief(wrong.message)}", remedy)


def _brief(message: str) -> str:
    message = message.rstrip(".")
    return message if len(message) <= 200 else f"{message[:196]} …"


def default_of(pipeline: Pipeline, param: FormParam, catalog: Catalog) -> Any:
    """What a param is where a run says nothing of it: its own default, or what holds for the parameter that it sets."""
    where = None if param.given else _target(pipeline, param.sets)
    return param.default if where is None else _effective(*where, catalog)[1]


def _target(pipeline: Pipeline, sets: Path) -> tuple[Node, Party, Path] | None:
    """The node, a party and the parameter that a path of ``component_parameters`` is about."""
    rest = sets[1:]
    if rest[:1] == ("common",):
        rest, parties = rest[1:], pipeline.parties
    elif rest[:1] == ("role",) and len(rest) > 3:
        of_role = [party for party in pipeline.parties if party.role.value == rest[1]]
        indices = range(len(of_role)) if rest[2] == "all" else map(int, filter(str.isdecimal, str(rest[2]).split("|")))
        parties = tuple(of_role[index] for index in indices if index < len(of_role))
        rest = rest[3:]
    else:
        return None
    for node in pipeline.nodes:
        taking_part = [party for party in parties if party in node.participants]
        if len(rest) > 1 and node.name == rest[0] and taking_part:
            party = pipeline.initiator if pipeline.initiator in taking_part else taking_part[0]
            return node, party, rest[1:]
    return None


def _effective(node: Node, party: Party, key: Path, catalog: Catalog) -> tuple[bool, Any]:
    """Whether a component has a parameter, and its value at a party where no run says otherwise."""
    spec = catalog(node.module)
    value: Any = None
    if spec is not None:
        value = spec.params.model_validate(node.parameters[party]).model_dump(mode="json")
    for part in key:
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _nested(path: Path, value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {str(part): value}
    nested: dict[str, Any] = value
    return nested


def check_run_conf(pipeline: Pipeline, run_conf: Mapping[str, Any]) -> None:
    """Check what a run was triggered with as a conf is checked, and more strictly: what has no effect is an error.

    Beside ``component_parameters`` it may hold the params that the conf's airflow block declares, and that of a job
    that predicts ``model_version``.

    Raises:
        DslError: with everything that is wrong, each with its pointer in the run's conf.
    """
    document = read_json(json.dumps(run_conf))
    findings = Findings()
    predicts = pipeline.mode is Mode.PREDICT
    of_model = [MODEL_VERSION] if predicts else [MODEL_BRANCH, MODEL_MESSAGE]
    known = (OVERRIDES, *of_model, *pipeline.airflow.params)
    for key in run_conf:
        if key not in known:
            message = f"{shorten(key)} is neither {OVERRIDES} nor one of the params of the conf's airflow block"
            findings.error(document, (key,), message, partial(suggest, key, known))
    if predicts:
        version = run_conf.get(MODEL_VERSION, pipeline.job_parameters.model_version)
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            message = f"{shorten(version)} is neither the id of a job nor <model>@<branch or tag>"
            message = "no model is named" if version is None else message
            remedy = f'Trigger the DAG with --conf \'{{"{MODEL_VERSION}": "<id of the job that trained>"}}\'.'
            findings.error(document, (MODEL_VERSION,), message, remedy)
    if OVERRIDES in run_conf:
        value = {OVERRIDES: run_conf[OVERRIDES]}
        _check_overrides(pipeline, replace(document, value=value), findings, find_component)
    problems = [*findings.errors, *findings.not_installed, *findings.warnings]
    if problems:
        # A run's conf has no lines that a person could look up.
        raise DslError([replace(problem, file="the run's conf", line=0) for problem in problems])


def _check_overrides(pipeline: Pipeline, document: Document, findings: Findings, catalog: Catalog) -> None:
    components = {node.name: ComponentText(module=node.module) for node in pipeline.nodes}
    conf = ConfV2(document, pipeline.parties, components, findings)
    for node in pipeline.nodes:
        spec = catalog(node.module)
        if spec is None:
            raise ValueError(f"{node.module} is not installed, and {node.name} was compiled with it")
        layers = {party: Layers(node.parameters[party]) for party in node.participants}
        for party, layer in layers.items():
            conf.lay(layer, node.name, party)
        check_parameters(node.name, spec, layers, document, findings, ignore_unknown=False)


def _overrides(node: Node, party: Party, run_conf: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """What a run says of a component at a party, in the order in which it counts, and where."""
    at: Path = (OVERRIDES,)
    overrides = _object(run_conf, at)
    common = _object(overrides, (*at, "common"))
    yield (*at, "common", node.name), _object(common, (*at, "common", node.name))
    at = (*at, "role")
    of_role = _object(_object(overrides, at), (*at, party.role.value))
    for key in of_role:
        if key == "all" or _index(node, party) in [part.strip() for part in key.split("|")]:
            path = (*at, party.role.value, key)
            yield (*path, node.name), _object(_object(of_role, path), (*path, node.name))


def _index(node: Node, party: Party) -> str:
    """The position of a party among those of its role, as a conf writes it; empty where it has no part."""
    of_role = [other for other in node.participants if other.role is party.role]
    return str(of_role.index(party)) if party in of_role else ""


def _object(parent: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The member of an object that the last part of a path names; empty where there is none."""
    value = parent.get(str(path[-1]), {})
    if not isinstance(value, Mapping):
        remedy = "Give a run's parameters in the shape of a v2 conf's component_parameters."
        raise DslError.at(pointer(path), "is not an object", remedy)
    return value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``base``, objects within objects."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(old, value)
        else:
            merged[key] = _merge({}, value) if isinstance(value, Mapping) else value
    return merged
