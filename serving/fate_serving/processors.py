"""Code of the organisation's own before and after an inference.

A package adds a processor by an entry point in the group ``fate_serving.processors``: a callable without arguments that
gives a :class:`Processor`. ``serving.yaml`` names those that are applied, in order; afterwards in the reverse one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from fate_federated.errors import ConfigError, suggest
from fate_serving.codes import Code, ServingError

log = logging.getLogger(__name__)

GROUP = "fate_serving.processors"


class Processor(Protocol):
    """Looks at requests and answers, and changes them."""

    async def before(self, service_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """The request to go on with, of one row or of several.

        Raises:
            ServingError: it is refused.
        """
        ...

    async def after(self, service_id: str, body: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The answer to go on with."""
        ...


class Processors:
    """Several, one after the other.

    Args:
        processors: with the name and the version of each.
    """

    def __init__(self, processors: Sequence[tuple[str, str, Processor]]) -> None:
        self._processors = tuple(processors)

    @classmethod
    def named(cls, names: Sequence[str]) -> Processors:
        """Those of entry points.

        Raises:
            ConfigError: there is none of a name.
        """
        found = {point.name: point for point in entry_points(group=GROUP)}
        unknown = [name for name in names if name not in found]
        if unknown:
            raise ConfigError(
                f"processors names {unknown[0]!r}, and no processor has that name. {suggest(unknown[0], found)}"
            )
        return cls([(name, _version(found[name]), found[name].load()()) for name in names])

    def __bool__(self) -> bool:
        return bool(self._processors)

    @property
    def versions(self) -> dict[str, str]:
        """What they are called, and the versions of the packages that they are from."""
        return {name: version for name, version, _ in self._processors}

    async def before(self, service_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Processor`.

        Raises:
            ServingError: SYSTEM where one fails.
        """
        for name, _, processor in self._processors:
            try:
                body = await processor.before(service_id, body)
            except ServingError:
                raise
            except Exception:
                raise _failed(name) from None
        return body

    async def after(self, service_id: str, body: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """See :class:`Processor`.

        Raises:
            ServingError: SYSTEM where one fails.
        """
        for name, _, processor in reversed(self._processors):
            try:
                answer = await processor.after(service_id, body, answer)
            except ServingError:
                raise
            except Exception:
                raise _failed(name) from None
        return answer


def _version(point: EntryPoint) -> str:
    return "" if point.dist is None else point.dist.version


def _failed(name: str) -> ServingError:
    log.exception("the processor %s failed", name)
    return ServingError(Code.SYSTEM, f"The processor {name} failed. The log says why.")
