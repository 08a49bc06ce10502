"""The parameters of one run: what the conf says, and over it what the run was triggered with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fate_federated.dsl.pipeline import Node
from fate_federated.errors import DslError
from fate_federated.party import Party

OVERRIDES = "component_parameters"


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
    overrides = _object(run_conf, OVERRIDES, "")
    common = _object(overrides, "common", f"/{OVERRIDES}")
    merged = _merge(merged, _object(common, node.name, f"/{OVERRIDES}/common"))
    roles = _object(overrides, "role", f"/{OVERRIDES}")
    of_role = _object(roles, party.role, f"/{OVERRIDES}/role")
    for key in of_role:
        if key == "all" or _index(node, party) in key.split("|"):
            pointer = f"/{OVERRIDES}/role/{party.role}/{key}"
            of_party = _object(of_role, key, f"/{OVERRIDES}/role/{party.role}")
            merged = _merge(merged, _object(of_party, node.name, pointer))
    return merged


def _index(node: Node, party: Party) -> str:
    """The position of a party among those of its role, as a conf writes it; empty where it has no part."""
    of_role = [other for other in node.participants if other.role is party.role]
    return str(of_role.index(party)) if party in of_role else ""


def _object(parent: Mapping[str, Any], key: str, pointer: str) -> Mapping[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, Mapping):
        remedy = "Give a run's parameters in the shape of a v2 conf's component_parameters."
        raise DslError.at(f"{pointer}/{key}", "is not an object", remedy)
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
