"""Moving a service to another version: at all parties or at none.

A host answers for any version that it has loaded, and every request of a guest names the version. So the switch itself
is one write at the guest, when every host has said that it has the new version loaded and warm; requests in progress
end with the old one, which is let go of when they must have ended. That it is to be let go of is part of that write;
and before anybody loads the new one it is written that this is to be let go of, should there be no switch. So a process
that ends in between leaves nothing at any party for good.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any

from fate_federated.party import Party, Role
from fate_serving.codes import Code, ServingError
from fate_serving.links import Links
from fate_serving.model_sources import ModelSources
from fate_serving.settings import FollowSettings, ServingSettings
from fate_serving.shelf import Key, Loaded, Shelf, check_service_id

log = logging.getLogger(__name__)

SWITCH_SECONDS = 300.0
"""What a switch takes at most. What was loaded for one that came to nothing is let go of then."""
RETRY_SECONDS = 60.0
"""Before a host that did not answer is told again."""
LOOK_SECONDS = 1.0
"""Between looks for what is to be let go of, and for whether the process that does so has ended."""
WAIT_SECONDS = 0.02


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
        """Follow what ``serving.yaml`` says is to be followed, and let go of what is left behind."""
        self._run(self._lead())

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
        async with self._alone():
            before = self._shelf.has(key)
            if not before or key in self._shelf.leaving:
                await self._shelf.leave(key, SWITCH_SECONDS)
            try:
                loaded = await self._sources.ensure(key)
                await self._prepare(loaded)
                await self._shelf.bind(service_id, *key, let_go_seconds=2 * self._settings.timeout_seconds)
            except ServingError:
                if not before:
                    await self._forget(key)
                raise
            log.info("service %s is switched to version %s", service_id, key[1])
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

    async def _forget(self, key: Key) -> None:
        if self._shelf.has(key):
            await self._shelf.unload(*key)
        else:
            await self._shelf.stay(key)

    async def _let_go(self, key: Key) -> None:
        """Unload a version at all parties, unless a service is bound to it."""
        if not self._shelf.services_of(key) and self._shelf.has(key):
            loaded = self._shelf.model(*key)
            hosts = () if loaded.compiled.guest is None else loaded.compiled.guest.scorer.hosts
            for host in hosts:
                if not await self._release(loaded.compiled.part.party, host, loaded.at_host(host)):
                    await self._shelf.leave(key, RETRY_SECONDS)
                    return
            await self._shelf.refresh()  # somebody may have bound a service to it meanwhile
        if self._shelf.services_of(key):
            await self._shelf.stay(key)
        else:
            await self._forget(key)

    async def _release(self, guest: Party, host: Party, key: Key) -> bool:
        """Tell a host; says whether it knows now, or has to be told again."""
        try:
            await self._links.to(host).release(guest, key)
        except ServingError as error:
            if error.code != Code.NO_MODEL:
                log.warning("%s keeps version %s: %s", host, key[1], error)
            return error.code != Code.NETWORK
        return True

    async def _lead(self) -> None:
        while not self._leads():
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.gather(self._look_behind(), self._follow())

    async def _look_behind(self) -> None:
        while True:
            await self._shelf.refresh()
            for key in self._due():
                async with self._alone():
                    if key not in self._due():
                        continue
                    try:
                        await self._let_go(key)
                    except ServingError as error:
                        log.error("version %s is not let go of: %s", key[1], error)
            await asyncio.sleep(LOOK_SECONDS)

    def _due(self) -> list[Key]:
        return [key for key, due in self._shelf.leaving.items() if due <= time.time()]

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Let no other switch be under way, in whichever process of the site; the shelf is fresh then."""
        async with self._one_at_a_time:
            with (self._settings.store / "switching").open("w") as file:
                while not _locked(file):
                    await asyncio.sleep(WAIT_SECONDS)
                await self._shelf.refresh()
                yield

    async def _follow(self) -> None:
        told: dict[str, str] = {}
        while self._settings.follow:
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
        """Whether it is this process, of all that share a port, that follows branches and lets versions go."""
        file = (self._settings.store / "leading").open("w")
        if not _locked(file):
            file.close()
            return False
        self._leading = file
        return True

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _locked(file: IO[str]) -> bool:
    """Whether a file could be locked, which lasts until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
