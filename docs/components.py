"""Writes docs/components.md from the components that this project installs: ``make docs``.

What a component does and tells comes from its docstring, its parameters from its pydantic schema and the docstrings of
their attributes, and what it takes from its code.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import cleandoc, getdoc, getsource
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from fate_federated.catalog.discovery import component_names, find_component, load_component
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role
from fate_federated.task.run import PASS_THROUGH_PORTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "components.md"
INTRODUCTION = """\
# Components

FATE's names, parameters and defaults. A parameter that a component does not act on is accepted only where it changes
nothing; anything else is an error that names it. Jobs of dsl version 1 get the defaults of FATE up to 1.4 where these
differ. Words are taken in any case of letters.

A party in a role that a component does not name has the same task in its graph; the task follows the outcome and
computes nothing. With a model as input, a component applies it in place of learning one. What it learns from is its
`train_data` or `data`; what it predicts is its `test_data` or `eval_data`, or with a model its `data`.

`make docs` writes this page from the components themselves."""


def page() -> str:
    """The whole text; components of one package stand together."""
    found = [
        spec for spec in map(find_component, component_names()) if spec and "fate_components." in spec.implementation
    ]
    specs = sorted(found, key=lambda spec: (spec.implementation.partition(":")[0], spec.module))
    index = [[f"[{spec.module}](#{spec.module.lower()})", _roles(spec), _in_short(spec)] for spec in specs]
    sections = [_component(spec) for spec in specs]
    shared = sorted({name for section in sections for name in re.findall(r"\[(fate_components\.\w+)\]", section)})
    sections += [f"## {name}\n\n{_text(getdoc(import_module(name)), name)}" for name in shared]
    groups = {group.__name__: group for spec in specs for group in _groups(spec.params)}
    sections.append("## Objects of parameters")
    sections += [f"### {name}\n\n{getdoc(group)}\n\n{_parameters(group, {})}" for name, group in sorted(groups.items())]
    return "\n\n".join([INTRODUCTION, _table(["module", "roles", "what it makes"], index), *sections]) + "\n"


def _component(spec: ComponentSpec) -> str:
    component = load_component(spec)
    does = getdoc(component)
    if does == "See the module.":
        does = getdoc(sys.modules[component.__module__])
    tables = [f"{spec.data_outputs} table{'s' * (spec.data_outputs > 1)}"] * bool(spec.data_outputs)
    outputs = [*tables, *["a model"] * spec.model_outputs, *["a cache"] * spec.cache_outputs]
    facts = f"Roles: {_roles(spec)}. Inputs: {inputs(component)}. Outputs: {', '.join(outputs)}."
    if not spec.deploy:
        facts += " No part of a prediction pipeline unless the dsl says so."
    about = _text((getdoc(spec.params) or "").removeprefix("FATE's parameters.").strip(), spec.params.__module__)
    blocks = [f"## {spec.module}", _text(does, component.__module__), facts, about]
    return "\n\n".join([*filter(None, blocks), _parameters(spec.params, spec.legacy_defaults)])


def _roles(spec: ComponentSpec) -> str:
    return ", ".join(role for role in Role if role in spec.roles)


def _in_short(spec: ComponentSpec) -> str:
    package = import_module(spec.implementation.partition(":")[0].rpartition(".")[0])
    line = (getdoc(package) or "").partition("\n")[0].rpartition(": ")[2].rstrip(".")
    return line[:1].upper() + line[1:]


def inputs(component: type) -> str:
    """What the modules of a class and of its bases read of ``inputs``."""
    modules = {base.__module__ for base in component.__mro__ if base.__module__.startswith("fate_components.")}
    nodes = [node for name in modules for node in ast.walk(ast.parse(getsource(sys.modules[name])))]
    words = {node.value for node in nodes if isinstance(node, ast.Constant)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "inputs"}
    ports = [port for port in PASS_THROUGH_PORTS if port in words or "tables_of" in names]
    if not ports:
        ports = ["data"] if "input_table" in names else [*PASS_THROUGH_PORTS] if "data" in read else []
    others = {"model": "model", "isometric": "isometric_model", "cache": "cache"}
    return ", ".join(f"`{key}`" for key in [*ports, *(others[kind] for kind in others if kind in read)]) or "none"


def _text(docstring: str | None, module: str) -> str:
    """A docstring as Markdown; what it refers to becomes a link to its section or its source."""

    def link(match: re.Match[str]) -> str:
        base = module if hasattr(sys.modules[module], "__path__") else module.rpartition(".")[0]
        parts = f"{base}{match[1]}".split(".") if match[1].startswith(".") else match[1].split(".")
        if parts[:1] == ["fate_components"] and parts[1:] == match[1].split(".")[1:] and len(parts) == 2:
            return f"[{match[1]}](#{match[1].replace('.', '')})"
        while not (file := ROOT / "components" / Path(*parts).with_suffix(".py")).exists():
            parts.pop()
        return f"[{match[1].strip('.')}](../{file.relative_to(ROOT)})"

    text = re.sub(r":\w+:`~?([\w.]+)`", link, docstring or "").replace("``", "`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(text.split("`")))


def _groups(params: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The classes of nested parameters."""
    kinds = [field.annotation for field in params.model_fields.values()]
    while kinds:
        kind = kinds.pop()
        kinds += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind
            yield from _groups(kind)


def _parameters(params: type[BaseModel], legacy: Mapping[str, object]) -> str:
    schemas, meanings = params.model_json_schema()["properties"], dict(_meanings(params))
    rows = []
    for name, field in params.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        told = "required" if default is PydanticUndefined else f"`{json.dumps(to_jsonable_python(default))}`"
        if isinstance(default, BaseModel) and default == type(default)():
            told = ""
        told += f"; version 1: `{json.dumps(legacy[name])}`" if name in legacy else ""
        rows.append([f"`{name}`", told, _values(schemas[name]), _text(meanings.get(name), params.__module__)])
    return _table(["parameter", "default", "values", "meaning"], rows)


def _meanings(params: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Attributes with the docstrings below them, those of bases first."""
    for base in reversed(params.__mro__[: params.__mro__.index(BaseModel)]):
        for field, below in pairwise(ast.parse(getsource(base)).body[0].body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    yield name, cleandoc(text)


def _values(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(path)} if not path.endswith("/JsonValue"):
            name = path.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            number = {"type": "number"} in choices
            return " or ".join(_values(choice) for choice in choices if not (number and choice == {"type": "integer"}))
        case {"enum": list(words)}:
            return ", ".join(f"`{json.dumps(word)}`" for word in words)
        case {"const": word}:
            return f"`{json.dumps(word)}`"
        case {"type": "array" | "object" as kind, **rest}:
            inner = rest.get("items" if kind == "array" else "additionalProperties")
            each = _values(inner) if isinstance(inner, dict) else "any"
            return f"{'list' if kind == 'array' else 'object'} of {f'({each})' if ' or ' in each else each}"
        case {"type": "null"}:
            return "`null`"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"type": str(kind)}:
            signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
            bounds = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
            return (
                "text" + ", not empty" * ("minLength" in schema)
                if kind == "string"
                else " ".join([kind, ", ".join(bounds)]).strip()
            )
    return "any"


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
