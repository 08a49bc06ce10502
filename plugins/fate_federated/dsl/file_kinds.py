"""What a file among a user's files is: a dsl, a conf, both, a test suite, or none of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from typing import Any

from fate_federated.dsl.document import MAX_TEXT_BYTES, members
from fate_federated.dsl.predict import TRAINED

SUFFIXES = (".json", ".dsl")
SUITE_SUFFIX = "testsuite.json"
COMBINED_SUFFIX = ".fate.json"

_ARGS = "args."
_PARAMETERS = ("role_parameters", "algorithm_parameters", "component_parameters")
_VALIDATION_PORTS = frozenset({"eval_data", "validate_data"})
_VALIDATION_PARAMETERS = frozenset({"validation_freqs", "early_stopping_rounds"})
_HALF = re.compile(r"(^|[_.-])(?:dsl|conf)(?=[_.-]|$)")
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")


class FileKind(Enum):
    """What a file holds."""

    DSL = auto()
    CONF = auto()
    BOTH = auto()
    SUITE = auto()
    OTHER = auto()


@dataclass(frozen=True)
class JobFile:
    """A file that was looked into, to find out what it belongs to. It may be wrong in any way.

    Attributes:
        path: as the user gave it, or below what the user gave.
        content: what its JSON holds; empty when that is no object, or no JSON.
    """

    path: Path
    kind: FileKind
    content: Mapping[str, Any] = field(repr=False)

    @cached_property
    def name(self) -> tuple[str, ...]:
        """The words of its name, without those that tell a dsl from a conf."""
        return tuple(word for word in _words(self.path) if word not in ("dsl", "conf"))

    @cached_property
    def stem(self) -> str:
        """Its name but for the word that tells a dsl from a conf: the same for both halves of a job."""
        return _HALF.sub(r"\1", self.path.name.removesuffix(self.path.suffix))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.name)

    @cached_property
    def components(self) -> frozenset[str]:
        """Those that a dsl has, or that a conf gives parameters."""
        if self.kind is FileKind.DSL:
            return frozenset(members(self.content.get("components")))
        return frozenset(_conf_components(self.content))

    @cached_property
    def sources(self) -> frozenset[str]:
        """Where a dsl takes data from, and what a conf may have a table for: ``args.<key>``, or a reader's name."""
        if self.kind is FileKind.DSL:
            return frozenset(_dsl_sources(self.content))
        return self.tables | self.components

    @cached_property
    def tables(self) -> frozenset[str]:
        """``args.<key>`` that a conf of version 1 has tables for."""
        by_role = members(self.content.get("role_parameters")).values()
        keys = (key for role in by_role for key in members(members(members(role).get("args")).get("data")))
        return frozenset(_ARGS + key for key in keys)

    @cached_property
    def predicts(self) -> bool:
        """Whether it is of a job that applies a model."""
        if self.kind is FileKind.DSL:
            named = "predict" in self.words and "train" not in self.words
            everything = _everything_in(self.content)
            return named or any(isinstance(found, str) and found.startswith(f"{TRAINED}.") for found in everything)
        job = members(self.content.get("job_parameters"))
        return "predict" in (job.get("job_type"), members(job.get("common")).get("job_type"))

    @cached_property
    def validates(self) -> bool:
        """Whether a dsl has data to validate on while it trains, or a conf asks for that."""
        keys = _VALIDATION_PORTS if self.kind is FileKind.DSL else _VALIDATION_PARAMETERS
        objects = (found for found in _everything_in(self.content) if isinstance(found, dict))
        return any(found[key] not in (None, [None]) for found in objects for key in keys & found.keys())


def look_into(path: Path, *, meant: bool = False) -> JobFile:
    """Find out what a file is. One that cannot be read is told by its name.

    Args:
        meant: the user named this very file, so that it has to be of a job.
    """
    try:
        text = ""
        if path.is_file():  # reading from a pipe would wait for ever
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                text = file.read(MAX_TEXT_BYTES + 1)
    except OSError:
        text = ""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    content = value if isinstance(value, dict) else {}
    kind = _by_content(path, content) or _by_name(path, text, content, is_json=value is not None)
    if meant and kind is FileKind.OTHER:
        kind = FileKind.DSL if "components" in text else FileKind.CONF
    return JobFile(path, kind, content)


def _by_content(path: Path, content: Mapping[str, Any]) -> FileKind | None:
    both = set(content) == {"dsl", "conf"} and all(isinstance(half, dict) for half in content.values())
    if both or path.name.endswith(COMBINED_SUFFIX):
        return FileKind.BOTH
    if path.name.endswith(SUITE_SUFFIX):
        # Suites of Python scripts have pipeline_tasks only.
        return FileKind.SUITE if "tasks" in content or not content else FileKind.OTHER
    if isinstance(content.get("components"), dict):
        return FileKind.DSL
    job = members(content.get("job_parameters"))
    # Requests to load or bind a model have a role and job_parameters, too.
    if "role" in content and (any(key in content for key in (*_PARAMETERS, "dsl_version")) or "job_type" in job):
        return FileKind.CONF
    return None


def _by_name(path: Path, text: str, content: Mapping[str, Any], *, is_json: bool) -> FileKind:
    words = _words(path)
    if "dsl" in words or path.suffix == ".dsl":
        return FileKind.DSL
    if is_json:
        # A conf by name may as well say what to upload.
        job = any(key in content for key in ("role", "initiator", "job_parameters", *_PARAMETERS))
        return FileKind.CONF if "conf" in words and (job or not content) else FileKind.OTHER
    if "conf" in words or ('"initiator"' in text and '"role"' in text):
        return FileKind.CONF
    return FileKind.DSL if '"components"' in text and '"module"' in text else FileKind.OTHER


def _words(path: Path) -> list[str]:
    stem = path.name.lower().removesuffix(path.suffix.lower())
    return [word for word in _BETWEEN_WORDS.split(stem) if word]


def _conf_components(conf: Mapping[str, Any]) -> Iterator[str]:
    yield from members(conf.get("algorithm_parameters"))
    for by_component in members(conf.get("role_parameters")).values():
        yield from (name for name in members(by_component) if name != "args")
    parameters = members(conf.get("component_parameters"))
    yield from members(parameters.get("common"))
    for by_index in members(parameters.get("role")).values():
        for by_component in members(by_index).values():
            yield from members(by_component)


def _dsl_sources(dsl: Mapping[str, Any]) -> Iterator[str]:
    for name, component in members(dsl.get("components")).items():
        if members(component).get("module") == "Reader":
            yield name
        for sources in members(members(members(component).get("input")).get("data")).values():
            if isinstance(sources, list):
                yield from (source for source in sources if isinstance(source, str) and source.startswith(_ARGS))


def _everything_in(value: object) -> Iterator[object]:
    """A JSON value and all that is inside it."""
    left = [value]
    while left:
        found = left.pop()
        yield found
        left += found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
