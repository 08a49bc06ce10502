"""FATE's own example files, where the folder is there: no parameter that FATE took is called a mistake."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fate_federated.catalog.discovery import find_module
from fate_federated.catalog.spec import UNAVAILABLE, ModuleSpec

FOLDER = Path(__file__).parents[3] / "shared" / "fate-examples"
INDEX = FOLDER / "index.tsv"

Json = dict[str, Any]

REFUSED_BY_FATE: dict[tuple[str, str, str], str] = {}
"""By file, component and parameter: why FATE refused it as well."""


def pairs() -> list[tuple[str, str, str]]:
    if not INDEX.exists():
        return []
    with INDEX.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dsl"] != "-"]
    return [(row["tag"], row["dsl"], row["conf"]) for row in rows]


def merge(base: Json, over: Mapping[str, Any]) -> Json:
    """Objects key by key; of anything else the last wins."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = deepcopy(value)
    return base


def element(value: Any, index: int) -> Any:
    """Of version 1's role parameters: what holds for the party at a position; lists that are too short say nothing."""
    if isinstance(value, dict):
        found = {key: element(inner, index) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner is not NOTHING}
    return value[index] if index < len(value) else NOTHING


NOTHING = object()


def of_version_1(conf: Json, component: str, role: str, index: int, spec: ModuleSpec) -> Json:
    values = merge({}, spec.legacy_defaults)
    merge(values, conf.get("algorithm_parameters", {}).get(component, {}))
    return merge(values, element(conf.get("role_parameters", {}).get(role, {}).get(component, {}), index))


def of_version_2(conf: Json, component: str, role: str, index: int) -> Json:
    given = conf.get("component_parameters", {})
    values = merge({}, given.get("common", {}).get(component, {}))
    for key, at_parties in given.get("role", {}).get(role, {}).items():
        if key == "all" or str(index) in key.split("|"):
            merge(values, at_parties.get(component, {}))
    return values


def parameters(dsl: Json, conf: Json) -> Iterator[tuple[str, ModuleSpec, Json, bool]]:
    """Of every component at every party: its name, its module, its parameters, and whether strangers are ignored."""
    for component, text in dsl["components"].items():
        spec = find_module(text["module"])
        assert spec is not None, f"{text['module']} is no module"
        assert spec.needs <= conf["role"].keys()
        for role in spec.roles & conf["role"].keys():
            for index in range(len(conf["role"][role])):
                if str(conf.get("dsl_version", 1)) == "2":
                    yield component, spec, of_version_2(conf, component, role, index), False
                elif spec.module != "Reader":
                    yield component, spec, of_version_1(conf, component, role, index, spec), True


def is_prediction(conf: Json) -> bool:
    """Such a conf adds to the one of the training."""
    job = conf.get("job_parameters", {})
    return "predict" in (job.get("job_type"), job.get("common", {}).get("job_type"))


def mistakes(spec: ModuleSpec, values: Json, ignore_unknown: bool) -> list[ErrorDetails]:
    try:
        spec.params.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        unknown = [detail for detail in found if detail["type"] == "extra_forbidden"]
        if not ignore_unknown or not unknown:
            return [detail for detail in found if detail["type"] != UNAVAILABLE]
        for detail in unknown:
            at = values
            for part in detail["loc"][:-1]:
                at = at[part]
            del at[detail["loc"][-1]]
        return mistakes(spec, values, ignore_unknown)
    return []


@pytest.mark.skipif(not INDEX.exists(), reason="FATE's examples are not beside this repository")
def test_no_example_has_a_mistake_in_its_parameters() -> None:
    found: dict[tuple[str, str, str], str] = {}
    for tag, dsl, conf in pairs():
        try:
            text = json.loads((FOLDER / tag / dsl).read_text(encoding="utf-8"))
            said = json.loads((FOLDER / tag / conf).read_text(encoding="utf-8"))
        except ValueError:
            continue
        if "components" not in text or is_prediction(said):
            continue
        for component, spec, values, ignore_unknown in parameters(text, said):
            for detail in mistakes(spec, values, ignore_unknown):
                place = ".".join(map(str, detail["loc"]))
                found[f"{tag}/{conf}", f"{component} ({spec.module})", place] = f"{detail['msg']}: {detail['input']}"
    assert found.keys() == REFUSED_BY_FATE.keys(), "\n".join(f"{place}: {said}" for place, said in found.items())
