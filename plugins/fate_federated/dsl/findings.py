"""Collecting everything that is wrong with a job's files before saying so; checking parts of them against models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fate_federated.catalog.spec import UNAVAILABLE
from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.errors import DslProblem, ProblemKind, suggest


class Written(BaseModel):
    """Base of the models of what stands in a dsl or conf: exact types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


M = TypeVar("M", bound=BaseModel)
Remedy = str | Callable[[], str]
"""What to do, or how to find out: looking for a similar name is only worth it for what is shown."""

_UNCHECKED = "Write other values; that they are not refused more clearly is a mistake of the component's rules."
MAX_FINDINGS = 100
"""Of each kind: nobody reads more, and what another organisation sends may be wrong any number of times."""


class Findings:
    """What was found so far: errors stop the job, what is not installed stops it here, warnings are shown with it."""

    def __init__(self) -> None:
        self.errors: list[DslProblem] = []
        self.not_installed: list[DslProblem] = []
        self.warnings: list[DslProblem] = []

    def error(
        self, document: Document, path: Path, message: str, remedy: Remedy = "", kind: ProblemKind = ProblemKind.INVALID
    ) -> None:
        problems = self.errors if kind is ProblemKind.INVALID else self.not_installed
        _note(problems, document, path, message, remedy, kind)

    def has_error(self, document: Document, path: Path) -> bool:
        """Whether something is wrong at a place of a document, or within it."""
        place = document.problem(path, "")
        if document.nearest(path) != path:
            return False
        inside = (place.pointer, f"{place.pointer}/")
        return any(
            found.file == place.file and (found.pointer == inside[0] or found.pointer.startswith(inside[1]))
            for found in self.errors
        )

    def warn(self, document: Document, path: Path, message: str, remedy: Remedy = "") -> None:
        _note(self.warnings, document, path, message, remedy, ProblemKind.INVALID)

    def check(self, model: type[M], document: Document, path: Path, value: object) -> M | None:
        """The value as a model, or None after noting what is wrong with it."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for found in islice(explain(error, model, value), MAX_FINDINGS):
                self.error(document, path + found.where, found.message, found.remedy, found.kind)
            return None
        except Exception as error:  # of a component's own rule: one that fails must not end the check of the whole job
            self.error(document, path, f"{model.__name__} cannot be checked ({type(error).__name__})", _UNCHECKED)
            return None

    def check_rest(self, model: type[M], document: Document, path: Path, value: object) -> M | None:
        """As :meth:`check`, but what is right of an object is given even if there is something wrong beside it."""
        read = self.check(model, document, path, value)
        if read is not None or not isinstance(value, dict):
            return read
        try:
            model.model_validate(value)
        except ValidationError as error:
            wrong = {detail["loc"][0] for detail in error.errors(include_url=False) if detail["loc"]}
            rest = {key: inner for key, inner in value.items() if key not in wrong}
        except Exception:  # said already
            return None
        try:
            return model.model_validate(rest)
        except ValidationError:  # nothing can be said without what is wrong
            return None

    def ignore_unknown(self, document: Document, path: Path, value: object, known: tuple[str, ...]) -> None:
        """Warn of keys that mean nothing here; FATE passes over them in silence."""
        if isinstance(value, dict):
            for key in value:
                if key not in known:
                    self.warn(
                        document, (*path, key), f"{shorten(key)} means nothing here", partial(suggest, key, known)
                    )


def _note(
    problems: list[DslProblem], document: Document, path: Path, message: str, remedy: Remedy, kind: ProblemKind
) -> None:
    if len(problems) < MAX_FINDINGS:
        problem = document.problem(path, message, remedy if isinstance(remedy, str) else remedy())
        problem = replace(problem, kind=kind)
        if problem not in problems:
            problems.append(problem)


@dataclass(frozen=True, slots=True)
class Explained:
    """What pydantic found at one place of a value."""

    where: Path
    message: str
    remedy: str = ""
    kind: ProblemKind = ProblemKind.INVALID
    missing: bool = False


def explain(error: ValidationError, model: type[BaseModel], value: object) -> Iterator[Explained]:
    """What pydantic found, in plain words; what it says of one place is said once."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_context=False):
        by_place.setdefault(place_of(detail, value), []).append(detail)
    for where, details in by_place.items():
        yield _explained(where, details, model)


def _explained(where: Path, details: list[ErrorDetails], model: type[BaseModel]) -> Explained:
    name = ".".join(map(str, where))
    first = details[0]
    not_there = [detail["msg"] for detail in details if detail["type"] == UNAVAILABLE]
    if not_there:
        return Explained(where, f"{name}: {not_there[0]}" if name else not_there[0], kind=ProblemKind.NOT_INSTALLED)
    if first["type"] == "extra_forbidden":
        return Explained(where, f"{name} is not a known key", suggest(str(where[-1]), _keys(model, where[:-1])))
    if first["type"] == "missing":
        return Explained(where, f"{name} is missing", f'Add "{where[-1]}".', missing=True)
    said = " or ".join(dict.fromkeys(_plain(detail["msg"]) for detail in details))
    found = "" if isinstance(first["input"], dict | list) else f"is {shorten(first['input'])}"
    what = " ".join(part for part in (name, found) if part)
    return Explained(where, f"{what}: {said}" if what else said, _remedy(where, details, model))


def _remedy(where: Path, details: list[ErrorDetails], model: type[BaseModel]) -> str:
    """What to write in place of a wrong value, as far as that can be told."""
    value = details[0]["input"]
    if isinstance(value, str):
        allowed = [word for detail in details if detail["type"] == "literal_error" for word in _quoted(detail["msg"])]
        near = suggest(value, allowed)
        if near.startswith("Did you mean"):
            return near
        if any(detail["type"] in ("int_type", "float_type", "bool_type") for detail in details) and _is_json(value):
            return f"Write {value}, without quotes."
    form = next((_FORMS[detail["type"]] for detail in details if detail["type"] in _FORMS), "Write another value.")
    field = _field(model, where)
    if field is None or field.is_required():
        return form
    default = field.get_default(call_default_factory=True, validated_data={})
    return form if isinstance(default, BaseModel) else f"Leave it out for the default, {shorten(default)}."


_FORMS = {
    "dict_type": 'Write an object, {"name": value}.',
    "model_type": 'Write an object, {"name": value}.',
    "model_attributes_type": 'Write an object, {"name": value}.',
    "list_type": "Write a list, [value].",
    "string_type": "Write a text in double quotes.",
}
"""What to write in place of a value of the wrong JSON type, by pydantic's error type."""


def _quoted(message: str) -> list[str]:
    return re.findall(r"'([^']*)'", message)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), int | float)
    except ValueError:
        return False


def _field(model: Any, where: Path) -> FieldInfo | None:
    """The field at a place of a model, None where there is no model, or a list in between."""
    field: FieldInfo | None = None
    for part in where:
        field = getattr(model, "model_fields", {}).get(part)
        model = _model_in(field.annotation) if field else None
    return field


def place_of(detail: ErrorDetails, value: object) -> Path:
    """The location as keys and indices of the value, without the names that pydantic gives the branches of a union."""
    place: list[str | int] = []
    for part in detail["loc"]:
        inside: Any = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inside, dict) and part in inside:
            value = inside[part]
        elif not (detail["type"] == "missing" and part == detail["loc"][-1]):
            continue
        place.append(part)
    return tuple(place)


_AS_JSON = {"None": "null", "True": "true", "False": "false"}


def _plain(message: str) -> str:
    """pydantic's words in the middle of a sentence, with JSON's names of values."""
    message = re.sub(r"\b(None|True|False)\b", lambda match: _AS_JSON[match[0]], message)
    message = message.removeprefix("Value error, ")
    message = re.sub(r"a valid dictionary( or (instance|object) .*)?$|a valid object$", "an object", message)
    return message[:1].lower() + message[1:]


def _keys(model: Any, where: Path) -> tuple[str, ...]:
    """The keys that the object at a place of a model may have."""
    for part in where:
        field = getattr(model, "model_fields", {}).get(part)
        model = _model_in(field.annotation) if field else None
    return tuple(field.alias or name for name, field in getattr(model, "model_fields", {}).items())


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inside if model is not None), None)
