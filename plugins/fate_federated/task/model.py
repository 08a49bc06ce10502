"""A trained component: two protobuf messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Model:
    """What one component learnt at one party.

    Attributes:
        module: FATE's name of the component.
        meta: how it was trained (``<Module>Meta``).
        param: what was learnt (``<Module>Param``).
    """

    module: str
    meta: Message
    param: Message


class ModelReader(Protocol):
    """What earlier jobs of this party learnt: the site's registry, as a task sees it."""

    def version(self, ref: str, model: str) -> str:
        """The version, or the job's id, that a text means now.

        Raises:
            RegistryError: nothing.
        """
        ...

    def read(self, version: str, component: str, alias: str) -> Model | None:
        """A component's model in a version, or of a job's end; None where this party has none."""
        ...

    def checkpoints(self, version: str, component: str, alias: str, step: int) -> tuple[int, ...]:
        """The attempts of a job in which a step was kept here."""
        ...

    def read_checkpoint(self, version: str, component: str, alias: str, step: int, attempt: int) -> Model:
        """A component's model as it was after a step.

        Raises:
            ModelError: it cannot be read.
        """
        ...

    def export(self, version: str, folder: Path) -> Path:
        """Write this party's part of a version as FATE's zip into a folder.

        Raises:
            RegistryError: there is none.
        """
        ...

    def import_part(self, file: Path) -> None:
        """Hand in this party's part of a version.

        Raises:
            RegistryError: it cannot be taken, or other parties have not handed in theirs yet.
        """
        ...
