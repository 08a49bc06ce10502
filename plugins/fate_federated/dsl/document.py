"""A JSON text that remembers where everything stands, so that what is wrong with it has a pointer and a line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from fate_federated.errors import DslError, DslProblem

MAX_TEXT_BYTES = 8 << 20
"""Of one text; a dsl and a conf travel together in one message of at most 16 MiB."""
MAX_DEPTH = 64
MAX_VALUES = 200_000
MAX_KEY_CHARACTERS = 256

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and indices from the root."""

_Place = int | tuple[int, "dict[str, _Place] | list[_Place]"]
"""Offset of a value in the text and, for a container, the places of what is in it."""

_SPACE = frozenset(" \t\n\r")
_NOT_SPACE = re.compile(r"[^ \t\n\r]")


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def shorten(value: object) -> str:
    """A value from a file, as JSON and short enough for a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    # Half of a surrogate pair could not be printed.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:56]} …"


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON text, or a part of one, that has been read.

    Attributes:
        value: what it holds, as :func:`json.loads` gives it.
        text: of the whole file.
        file: path of the file as the user knows it; empty where the text came without one.
        root: where ``value`` stands in the file.
        repeated: of every key that stands twice in one object, of which the last counts.
    """

    value: Any
    text: str = field(repr=False)
    file: str = ""
    root: Path = ()
    repeated: tuple[DslProblem, ...] = ()
    _place: _Place = field(default=0, repr=False)

    def problem(self, path: Path, message: str, remedy: str = "") -> DslProblem:
        """Something wrong at a place of this document, or at the nearest place above it that exists."""
        known, place = self._nearest(path)
        offset = place if isinstance(place, int) else place[0]
        return DslProblem(pointer(self.root + known), message, remedy, self.file, _line(self.text, offset))

    def nearest(self, path: Path) -> Path:
        """The longest beginning of a path that exists here."""
        return self._nearest(path)[0]

    def part(self, key: str) -> Document:
        """One member of an object, as a document of its own; KeyError when there is none."""
        value = self.value[key]
        _, place = self._nearest((key,))
        root = pointer((*self.root, key))
        repeated = tuple(problem for problem in self.repeated if f"{problem.pointer}/".startswith(f"{root}/"))
        return Document(value, self.text, self.file, (*self.root, key), repeated, place)

    @property
    def source(self) -> str:
        """The text of this part alone."""
        offset = self._place if isinstance(self._place, int) else self._place[0]
        if not self.root:
            return self.text
        return self.text[offset : _Reader(self.text, self.file).end_of(offset)]

    def _nearest(self, path: Path) -> tuple[Path, _Place]:
        place = self._place
        for depth, part in enumerate(path):
            inside: Any = None if isinstance(place, int) else place[1]
            if isinstance(inside, dict):
                found = inside.get(part)
            elif isinstance(inside, list) and isinstance(part, int) and 0 <= part < len(inside):
                found = inside[part]
            else:
                found = None
            if found is None:
                return path[:depth], place
            place = found
        return path, place


def read_json(text: str, file: str = "") -> Document:
    """Read a JSON text strictly, but for keys that stand twice in an object: the document tells them.

    Raises:
        DslError: it is not JSON, or is too large or too deep to be a job's.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise DslError([too_large(file)])
    text = text.removeprefix("\ufeff")
    reader = _Reader(text, file)
    value, place = reader.read()
    return Document(value, text, file, (), tuple(reader.repeated), place)


def too_large(file: str) -> DslProblem:
    """What is wrong with a file that no job needs."""
    message = f"it has more than {MAX_TEXT_BYTES >> 20} MiB"
    return DslProblem("", message, "A job's files hold parameters, and name tables that hold data.", file, 1)


def decode_utf8(data: bytes, file: str = "") -> str:
    """The text of a file's bytes.

    Raises:
        DslError: they are not UTF-8; it names the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {data[error.start]:#04x} is not UTF-8"
        line = data.count(b"\n", 0, error.start) + 1
        raise DslError([DslProblem("", message, "Save the file as UTF-8.", file, line)]) from None


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


class _BadNumber(ValueError):
    """A number that JSON does not have, or that no float holds."""


def _reject_constant(name: str) -> NoReturn:
    raise _BadNumber(f"{name} is not a number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _BadNumber(f"{shorten(digits)} is too large")
    return number


_SCALARS = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite)


class _Reader:
    """A recursive-descent reader; the standard library reads the scalars."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._path: list[str | int] = []
        self._values = 0
        self.repeated: list[DslProblem] = []

    def read(self) -> tuple[Any, _Place]:
        at = self._skip(0)
        if at == len(self._text):
            self._fail(0, "the file is empty", "Write the JSON of a dsl or a conf into it.")
        value, place, at = self._value(at)
        at = self._skip(at)
        if at != len(self._text):
            rest = shorten(self._text[at : at + 20])
            self._fail(at, f"there is more after the end of the JSON: {rest}", "Remove it.")
        return value, place

    def end_of(self, at: int) -> int:
        """Where the value that starts at an offset ends."""
        return self._value(at)[2]

    def _skip(self, at: int) -> int:
        if self._text[at : at + 1] not in _SPACE:
            return at
        match = _NOT_SPACE.search(self._text, at)
        return match.start() if match else len(self._text)

    def _fail(self, at: int, message: str, remedy: str = "") -> NoReturn:
        problem = DslProblem(pointer(tuple(self._path)), message, remedy, self._file, _line(self._text, at))
        raise DslError([*self.repeated, problem])

    def _value(self, at: int) -> tuple[Any, _Place, int]:
        self._values += 1
        if self._values > MAX_VALUES:
            self._fail(at, f"there are more than {MAX_VALUES} values", "Tables hold data, a job's files do not.")
        first = self._text[at : at + 1]
        if first in ("{", "["):
            if len(self._path) >= MAX_DEPTH:
                self._fail(at, f"it is nested more than {MAX_DEPTH} deep", "A job needs a few levels only.")
            return self._object(at) if first == "{" else self._array(at)
        value, end = self._scalar(at)
        return value, at, end

    def _scalar(self, at: int) -> tuple[Any, int]:
        try:
            value, end = _SCALARS.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            self._fail(error.pos, *self._explain(error))
        except _BadNumber as error:
            self._fail(at, str(error), "Write a finite number, or null.")
        except ValueError:
            self._fail(at, "an integer has too many digits", "Write a smaller number.")
        if isinstance(value, str) and "\\u" in self._text[at:end]:
            try:
                value.encode()
            except UnicodeEncodeError:
                self._fail(at, f"{shorten(value)} holds half of a surrogate pair", "Write the character itself.")
        return value, end

    def _explain(self, error: json.JSONDecodeError) -> tuple[str, str]:
        rest = self._text[error.pos : error.pos + 12]
        if error.msg.startswith("Unterminated string"):
            return "a string has no closing quote", "The file may be cut off."
        if error.msg.startswith("Invalid control character"):
            return "a string goes over the end of its line", "Close its quote, or write the break as \\n."
        if error.msg.startswith("Invalid \\"):
            return f"{error.msg[0].lower()}{error.msg[1:]}", "Write a backslash as \\\\."
        if not rest:
            return "the file ends where a value should be", "It may be cut off."
        if rest[0] in "]}":
            return f"there is a comma or colon before {rest[0]!r}", "Remove it, or write the value that is missing."
        return f"there is no value at {shorten(rest)}", self._hint(rest)

    @staticmethod
    def _hint(rest: str) -> str:
        if rest.startswith("'"):
            return "JSON strings have double quotes."
        if rest.startswith(("//", "#", "/*")):
            return "JSON has no comments."
        if rest.startswith(("True", "False", "None")):
            return "JSON writes true, false and null."
        if rest.startswith(("$", "<", "{")):
            return "A placeholder of a template has to be filled in first."
        if rest.startswith((",", "]", "}")):
            return "Remove it, or write the value that is missing."
        return "Write a value of JSON there: a text in double quotes, a number, true, false, null, [ or {."

    def _object(self, at: int) -> tuple[dict[str, Any], _Place, int]:
        text, start = self._text, at
        value: dict[str, Any] = {}
        places: dict[str, _Place] = {}
        at = self._skip(at + 1)
        if text[at : at + 1] == "}":
            return value, (start, places), at + 1
        while True:
            key_at = at
            if text[at : at + 1] != '"':
                rest = text[at : at + 12]
                if not rest:
                    self._fail(at, "the file ends before an object is closed", "It may be cut off.")
                if rest[0] == "}":
                    self._fail(at, "there is a comma before '}'", "Remove it.")
                self._fail(at, f"there is no key in double quotes at {shorten(rest)}", self._hint(rest))
            key, at = self._scalar(at)
            if len(key) > MAX_KEY_CHARACTERS:
                self._fail(key_at, f"a key has {len(key)} characters", f"At most {MAX_KEY_CHARACTERS} are allowed.")
            at = self._skip(at)
            if text[at : at + 1] != ":":
                self._fail(at, f"there is no colon after the key {shorten(key)}", "Write the colon and the value.")
            self._path.append(key)
            item, place, at = self._value(self._skip(at + 1))
            if key in value:
                message = f"the key {shorten(key)} stands twice in one object"
                line = _line(text, key_at)
                remedy = "Remove one of them."
                self.repeated.append(DslProblem(pointer(tuple(self._path)), message, remedy, self._file, line))
            self._path.pop()
            value[key] = item
            places[key] = place
            at = self._skip(at)
            match text[at : at + 1]:
                case ",":
                    at = self._skip(at + 1)
                case "}":
                    return value, (start, places), at + 1
                case _:
                    self._not_closed(at, "object", "}")

    def _array(self, at: int) -> tuple[list[Any], _Place, int]:
        text, start = self._text, at
        value: list[Any] = []
        places: list[_Place] = []
        at = self._skip(at + 1)
        if text[at : at + 1] == "]":
            return value, (start, places), at + 1
        while True:
            self._path.append(len(value))
            item, place, at = self._value(at)
            self._path.pop()
            value.append(item)
            places.append(place)
            at = self._skip(at)
            match text[at : at + 1]:
                case ",":
                    at = self._skip(at + 1)
                case "]":
                    return value, (start, places), at + 1
                case _:
                    self._not_closed(at, "array", "]")

    def _not_closed(self, at: int, what: str, close: str) -> NoReturn:
        rest = self._text[at : at + 12]
        if not rest:
            self._fail(at, f"the file ends before an {what} is closed", "It may be cut off.")
        self._fail(at, f"there is neither a comma nor {close!r} at {shorten(rest)}", self._hint(rest))


def members(value: object) -> Mapping[str, Any]:
    """The members of a value that may be an object; none when it is not."""
    return value if isinstance(value, Mapping) else {}
