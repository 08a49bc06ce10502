"""Moving a service to another version: at all parties or at none.

A host answers for any version that it has loaded, and every request of a guest names the version. So the switch itself
is one write at the guest, when every host has said that it has the new version loaded and warm; requests in progress
end with the old one, which is let go of when they must have ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
from collections.abc import Coroutine, Sequence
from typing import IO, Any

from fate_federated.party import Party, Role
from fate_serving.codes import Code, ServingError
from fate_serving.links import Links
from fate_serving.model_sources import ModelSources
from fate_serving.settings import FollowSettings, ServingSettings
from fate_serving.shelf import Key, Loaded, Shelf, check_service_id

log = logging.getLogger(__name__)


class Switching:
    """See the module.

    Args:
        parties: of this site.
    """

    def __init__(
        self,
        shelf: Shelf,
        sources: ModelSources,
        links: Links,
        settings: ServingSettings,
        parties: Sequence[Party],
    ) -> None:
        self._shelf, self._sources, self._links, self._settings = shelf, sources, links, settings
        self._parties = tuple(parties)
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._leading: IO[str] | None = None

    def start(self) -> None:
        """Follow what ``serving.yaml`` says is to be followed."""
        if self._settings.follow:
            self._run(self._follow())

    async def close(self) -> None:
        """Leave off."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._leading is not None:
            self._leading.close()

    async def to_ref(self, service_id: str, ref: str, party: Party, model: str = "") -> Loaded:
        """Switch to what a version, branch or tag means now.

        Raises:
            ServingError: see :meth:`to`.
        """
        return await self.to(service_id, await self._sources.resolve(ref, model, party))

    async def to(self, service_id: str, key: Key) -> Loaded:
        """Switch a service to a version.

        Raises:
            ServingError: a party cannot serve it, which the text names; all is as before then.
        """
        check_service_id(service_id)
        async with self._one_at_a_time:
            await self._shelf.refresh()
            old, before = self._shelf.bindings.get(service_id), self._shelf.has(key)
            loaded = await self._sources.ensure(key)
            try:
                await self._prepare(loaded)
                await self._shelf.bind(service_id, *key)
            except ServingError:
                if not before:
                    await self._shelf.unload(*key)
                raise
            log.info("service %s is switched to version %s", service_id, key[1])
            if old is not None and old != key:
                self._run(self._let_go(old))
            return loaded

    async def _prepare(self, loaded: Loaded) -> None:
        pipeline = loaded.compiled.guest
        if pipeline is None:
            raise ServingError(Code.BIND, f"{loaded.compiled.part.party} only answers guests: it has no services.")
        guest, hosts = loaded.compiled.part.party, pipeline.scorer.hosts
        outcomes = await asyncio.gather(
            *(self._links.to(host).prepare(guest, loaded.at_host(host)) for host in hosts), return_exceptions=True
        )
        refused = [(host, each) for host, each in zip(hosts, outcomes, strict=True) if each is not None]
        if not refused:
            return
        for host, outcome in zip(hosts, outcomes, strict=True):
            if outcome is None:
                await self._release(guest, host, loaded.at_host(host))
        host, error = refused[0]
        if not isinstance(error, ServingError):
            raise error
        raise ServingError(Code.SYNCHRONIZE, f"{host} cannot serve version {loaded.key[1]}: {error}")

    async def _let_go(self, key: Key) -> None:
        """Unload a version at all parties when no request can be in progress with it."""
        await asyncio.sleep(2 * self._settings.timeout_seconds)
        await self._shelf.refresh()
        if self._shelf.services_of(key) or not self._shelf.has(key):
            return
        loaded = self._shelf.model(*key)
        await self._shelf.unload(*key)
        if loaded.compiled.guest is not None:
            for host in loaded.compiled.guest.scorer.hosts:
                await self._release(loaded.compiled.part.party, host, loaded.at_host(host))

    async def _release(self, guest: Party, host: Party, key: Key) -> None:
        try:
            await self._links.to(host).release(guest, key)
        except ServingError as error:
            log.warning("%s keeps version %s: %s", host, key[1], error)

    async def _follow(self) -> None:
        while not self._leads():
            await asyncio.sleep(self._settings.follow_seconds)
        told: dict[str, str] = {}
        while True:
            for each in self._settings.follow:
                try:
                    await self._catch_up(each)
                    told.pop(each.service_id, None)
                except ServingError as error:
                    if told.get(each.service_id) != str(error):
                        log.error("service %s stays as it is: %s", each.service_id, error)
                    told[each.service_id] = str(error)
            await asyncio.sleep(self._settings.follow_seconds)

    async def _catch_up(self, follow: FollowSettings) -> None:
        party = Party.parse(follow.party) if follow.party else self._guest()
        key = await self._sources.resolve(follow.ref, follow.model, party)
        await self._shelf.refresh()
        if self._shelf.bindings.get(follow.service_id) != key:
            await self.to(follow.service_id, key)

    def _guest(self) -> Party:
        for party in self._parties:
            if party.role is Role.GUEST:
                return party
        raise ServingError(Code.BIND, "The site hosts no guest: name the party to follow as.")

    def _leads(self) -> bool:
        """Whether it is this process, of all that share a port, that follows."""
        self._settings.store.mkdir(parents=True, exist_ok=True)
        file = (self._settings.store / "following").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._leading = file
        return True

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
