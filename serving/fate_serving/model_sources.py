"""Where models come from: a file, or the site's registry."""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fate_federated.errors import FateFederatedError
from fate_federated.party import Party
from fate_serving.codes import Code, ServingError
from fate_serving.parts import namespace_of, split_namespace
from fate_serving.shelf import Key, Loaded, Shelf

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient


class Versions(Protocol):
    """Where versions are had by name."""

    async def fetch(self, ref: str, party: Party, folder: Path) -> Path:
        """A party's part of a version, branch or tag, as a zip in a folder.

        Raises:
            ServingError: LOAD.
        """
        ...

    async def resolve(self, ref: str, model: str = "") -> tuple[str, str]:
        """The model id and the version that a version, branch or tag means now.

        Raises:
            ServingError: LOAD.
        """
        ...


class Registry:
    """The site's registry, by its gateway.

    Args:
        connect: a client of the gateway.
    """

    def __init__(self, connect: Callable[[], GatewayClient]) -> None:
        self._connect = connect

    async def fetch(self, ref: str, party: Party, folder: Path) -> Path:
        """See :class:`Versions`."""

        def export() -> Path:
            with self._connect() as gateway:
                return gateway.models.export(ref, folder, party)

        try:
            return await asyncio.to_thread(export)
        except FateFederatedError as error:
            raise ServingError(Code.LOAD, f"The registry does not give {ref[:200]}: {error}") from None

    async def resolve(self, ref: str, model: str = "") -> tuple[str, str]:
        """See :class:`Versions`."""

        def resolve() -> tuple[str, str]:
            with self._connect() as gateway:
                version = gateway.models.version(ref, model)
                return version.model_id, version.version

        try:
            return await asyncio.to_thread(resolve)
        except FateFederatedError as error:
            raise ServingError(Code.LOAD, f"The registry does not know {ref[:200]}: {error}") from None


class ModelSources:
    """Loads models onto a shelf.

    Args:
        registry: None where the site has no gateway.
        parties: of this site.
    """

    def __init__(self, shelf: Shelf, registry: Versions | None, parties: tuple[Party, ...]) -> None:
        self._shelf, self._registry, self._parties = shelf, registry, parties

    async def resolve(self, ref: str, model: str, party: Party) -> Key:
        """Namespace and version of what a version, branch or tag means now.

        Raises:
            ServingError: LOAD.
        """
        if self._registry is None:
            raise ServingError(Code.LOAD, "This process has no registry.")
        model_id, version = await self._registry.resolve(ref, model)
        return namespace_of(party, model_id), version

    async def from_file(
        self,
        file: Path,
        party: Party | None,
        hosts: Mapping[str, Key] | None = None,
        expected: Key | None = None,
        asked_by: str = "",
    ) -> Loaded:
        """Load a zip that ``fate model export`` or FATE has made.

        Raises:
            ServingError: LOAD or MODEL_INIT.
        """
        if not await asyncio.to_thread(zipfile.is_zipfile, file):
            raise ServingError(Code.LOAD, f"There is no zip file {file}.")
        if party is not None and self._parties and party not in self._parties:
            raise ServingError(
                Code.LOAD, f"This site does not host {party}, only {', '.join(map(str, self._parties))}."
            )
        return await self._shelf.load(file, party, hosts, expected, asked_by)

    async def from_registry(
        self,
        ref: str,
        party: Party,
        hosts: Mapping[str, Key] | None = None,
        expected: Key | None = None,
        asked_by: str = "",
    ) -> Loaded:
        """Load a version, or what a branch or tag names now.

        Raises:
            ServingError: LOAD or MODEL_INIT.
        """
        if self._registry is None:
            raise ServingError(Code.LOAD, "This process has no registry: name a file.")
        with tempfile.TemporaryDirectory() as folder:
            file = await self._registry.fetch(ref, party, Path(folder))
            return await self.from_file(file, party, hosts, expected, asked_by)

    async def ensure(self, key: Key, hosts: Mapping[str, Key] | None = None, asked_by: str = "") -> Loaded:
        """Have a model loaded: from the disk if it was before, else from the registry.

        Raises:
            ServingError: LOAD or MODEL_INIT.
        """
        await self._shelf.refresh()
        namespace, version = key
        try:
            return self._shelf.model(namespace, version)
        except ServingError:
            party, _ = split_namespace(namespace)
        return await self.from_registry(version, party, hosts, key, asked_by)
