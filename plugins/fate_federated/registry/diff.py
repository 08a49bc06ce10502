"""In what two versions differ: parameters, metrics, data, and what the components learnt."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError

from fate_federated.wire.model_records import DiffLine

MESSAGE_PACKAGE = "fate_federated.v1.model."
MOST_LINES = 2000
MOST_BYTES = 64 << 20
"""A model that is larger is only said to differ."""


def differences(part: str, old: Any, new: Any) -> Iterator[DiffLine]:
    """The leaves in which two JSON values differ, by path."""
    flat_old, flat_new = dict(_leaves(old)), dict(_leaves(new))
    for path in sorted(flat_old.keys() | flat_new.keys()):
        before, after = flat_old.get(path), flat_new.get(path)
        if before != after:
            yield DiffLine(part, path, before or "", after or "")


def content_of(message: str, data: bytes) -> Any:
    """A model's message as JSON values; None for a message that is not known here, or that it is not."""
    _import_messages()
    if len(data) > MOST_BYTES:
        return None
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(f"{MESSAGE_PACKAGE}{message}")
        parsed = message_factory.GetMessageClass(descriptor)()
        parsed.ParseFromString(data)
    except (KeyError, DecodeError):
        return None
    return json_format.MessageToDict(parsed, preserving_proto_field_name=True)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaves(member, f"{path}/{key}" if path else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping | list):
        for position, member in enumerate(value):
            yield from _leaves(member, f"{path}/{position}")
    else:
        yield path, json.dumps(value)


@cache
def _import_messages() -> None:
    """Make the messages of all components known."""
    import fate_federated.pb.model as package

    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package.__name__}.{module.name}")
