"""Versions that a host has loaded because a guest is about to ask for them."""

from __future__ import annotations

from fate_federated.party import Party
from fate_serving.codes import ServingError
from fate_serving.hosting import Hosting
from fate_serving.model_sources import ModelSources
from fate_serving.shelf import Key, Shelf


class HostedVersions:
    """What guests have loaded here and let go of, over the network or in this very process."""

    def __init__(self, shelf: Shelf, sources: ModelSources, hosting: Hosting) -> None:
        self._shelf, self._sources, self._hosting = shelf, sources, hosting

    async def prepare(self, key: Key, guest: Party | None) -> None:
        """Have a version loaded that a guest is about to ask.

        Raises:
            ServingError: it cannot be served here.
        """
        await self._shelf.refresh()
        before = self._shelf.has(key)
        await self._sources.ensure(key, asked_by="" if guest is None else str(guest))
        try:
            await self._hosting.loaded(key, guest)
        except ServingError:
            if not before:
                await self._shelf.unload(*key)
            raise

    async def release(self, key: Key, guest: Party | None) -> None:
        """Let a version go that a guest asks no more.

        Raises:
            ServingError: it is not loaded, or the guest has no part in it.
        """
        loaded = await self._hosting.loaded(key, guest)
        if guest is not None and loaded.load.asked_by == str(guest):
            await self._shelf.unload(*key)
