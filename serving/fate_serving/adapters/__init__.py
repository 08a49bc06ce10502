"""Where a host finds the features of a row: :class:`Adapter`, and how one is opened by its kind.

Another package adds a kind by an entry point in the group ``fate_serving.adapters``: a callable that takes the options
of ``serving.yaml`` as keyword arguments, and the folder of that file as ``home``, and gives an :class:`Adapter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from fate_federated.errors import ConfigError, suggest
from fate_serving.codes import ServingError

GROUP = "fate_serving.adapters"

Found = Mapping[str, Any] | ServingError | None
"""A row's features by name; None where the store does not know the row, or what is wrong with that row alone."""


class Adapter(Protocol):
    """A store of features."""

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        """The features of rows, in their order.

        Args:
            rows: what each request says of a row, which normally is one member with its id.

        Raises:
            ServingError: ADAPTER; the store does not answer.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


def open_adapter(kind: str, options: Mapping[str, Any], home: Path) -> Adapter:
    """The adapter of a kind.

    Raises:
        ConfigError: there is none of that kind, or its options are wrong.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if kind not in found:
        raise ConfigError(f"adapter.kind is {kind!r}, and no adapter has that name. {suggest(kind, found)}")
    make: Callable[..., Adapter] = found[kind].load()
    try:
        return make(home=home, **options)
    except (TypeError, ValueError, OSError) as error:
        raise ConfigError(f"The adapter {kind!r} cannot be opened with these options: {error}") from error
