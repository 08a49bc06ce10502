"""The components of a dsl as they stand there, the same in both dialects."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from pydantic import Field

from fate_federated.dsl.document import Document, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.errors import suggest

NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
MAX_COMPONENTS = 2000
RESERVED = frozenset({"start_job", "finish_job"})
"""Names of the tasks that every DAG has besides its components."""


DATA_PORTS = ("data", "train_data", "validate_data", "eval_data", "test_data")
_NUMBERED_PORT = re.compile(r"data_[0-9]+")


class InputText(Written):
    """``input`` of a component: each entry is ``<component>.<output>``, in a version 1 dsl also ``args.<key>``."""

    data: dict[str, list[str]] = Field(default_factory=dict)
    model: list[str] = Field(default_factory=list)
    isometric_model: list[str] = Field(default_factory=list)
    cache: list[str] = Field(default_factory=list)


class OutputText(Written):
    """``output`` of a component: the names that others call what it makes by."""

    data: list[str] | None = None
    model: list[str] | None = None
    cache: list[str] | None = None


class ComponentText(Written):
    """One component. ``need_run`` belongs to the parameters, ``CodePath`` and ``provider`` say which code of FATE's
    runs it: they are accepted here and mean nothing.
    """

    module: str
    input: InputText = InputText()
    output: OutputText = OutputText()
    need_deploy: bool | None = None
    need_run: bool | None = None
    provider: str | None = None
    code_path: Any = Field(None, alias="CodePath")


def write_component(text: ComponentText) -> dict[str, Any]:
    """A component as it stands in a dsl."""
    inputs = {
        "data": dict(text.input.data),
        "model": text.input.model,
        "isometric_model": text.input.isometric_model,
        "cache": text.input.cache,
    }
    outputs = {"data": text.output.data, "model": text.output.model, "cache": text.output.cache}
    written: dict[str, Any] = {"module": text.module}
    for key, named in (("input", inputs), ("output", outputs)):
        said = {kind: names for kind, names in named.items() if names}
        if said:
            written[key] = said
    if text.need_deploy is not None:
        written["need_deploy"] = text.need_deploy
    return written


def read_components(dsl: Document, findings: Findings) -> dict[str, ComponentText]:
    """The well-formed components by name, in the dsl's order; what is wrong with the others is noted."""
    if not isinstance(dsl.value, dict):
        findings.error(dsl, (), "a dsl is an object", 'Write {"components": {…}}.')
        return {}
    findings.ignore_unknown(dsl, (), dsl.value, ("components", "provider"))
    components = dsl.value.get("components")
    if not isinstance(components, dict) or not components:
        findings.error(dsl, ("components",), "a dsl has components, by name", 'Write {"components": {…}}.')
        return {}
    if len(components) > MAX_COMPONENTS:
        message = f"{len(components)} components are more than a job may have"
        findings.error(dsl, ("components",), message, f"Up to {MAX_COMPONENTS} can.")
        return {}
    read: dict[str, ComponentText] = {}
    for name, value in components.items():
        path = ("components", name)
        if not NAME.fullmatch(name):
            rule = "Use up to 128 letters, digits, _ and -."
            findings.error(dsl, path, f"{shorten(name)} is not a name for a component", rule)
        elif name in RESERVED:
            findings.error(dsl, path, f"{name} is the name of a task that every job has", "Choose another one.")
        text = findings.check_rest(ComponentText, dsl, path, value)
        if text is None:
            continue
        for port in text.input.data:
            if port not in DATA_PORTS and not _NUMBERED_PORT.fullmatch(port):
                message = f"no component takes data by the name {shorten(port)}: they have no effect"
                findings.warn(dsl, (*path, "input", "data", port), message, partial(suggest, port, DATA_PORTS))
        for kind, names in (("data", text.output.data), ("model", text.output.model), ("cache", text.output.cache)):
            seen: set[str] = set()
            for index, output in enumerate(names or ()):
                if output in seen:
                    message = f"{name} has two {kind} outputs named {shorten(output)}"
                    findings.error(dsl, (*path, "output", kind, index), message, "Rename one of them.")
                seen.add(output)
        read[name] = text
    return read
