"""Noticing that a peer's gateway has gone silent while an attempt needs it."""

from __future__ import annotations

import asyncio
import logging
import time

from fate_federated.errors import FateFederatedError
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.attendances import Attendances
from fate_federated.gateway.coordinator import Coordinator
from fate_federated.gateway.links import Links, RemoteSite
from fate_federated.gateway.roster import Roster
from fate_federated.party import Party
from fate_federated.wire.records import Attempt

log = logging.getLogger(__name__)

PING_SECONDS = 2.0


class SilenceWatch:
    """While attempts run: the coordinator listens for the sites of their participants, a site for the coordinator.

    Args:
        limit_seconds: how long a peer may be silent.
    """

    def __init__(
        self,
        links: Links,
        board: AttemptBoard,
        roster: Roster,
        coordinator: Coordinator,
        attendances: Attendances,
        hosted: tuple[Party, ...],
        limit_seconds: float,
    ) -> None:
        self._links, self._board, self._roster, self._coordinator = links, board, roster, coordinator
        self._attendances, self._hosted, self._limit_seconds = attendances, hosted, limit_seconds
        self._needed_since: dict[RemoteSite, float] = {}

    async def run(self) -> None:
        """Watch until canceled."""
        while True:
            await asyncio.sleep(min(PING_SECONDS, self._limit_seconds / 4))
            try:
                await self._look()
            except Exception:
                log.exception("looking after the peers failed")

    async def _look(self) -> None:
        needed = await self._needed()
        now = time.monotonic()
        self._needed_since = {site: self._needed_since.get(site, now) for site in needed}
        await asyncio.gather(*map(self._ping, needed))
        for site, attempts in needed.items():
            silent = time.monotonic() - max(site.heard_at, self._needed_since[site])
            if silent < self._limit_seconds:
                continue
            detail = f"the gateway at {site.address} did not answer for {silent:.0f} s"
            log.warning("%s is silent: %s", site, detail)
            await self._coordinator.silence(site.parties, detail)
            for attempt, initiator in attempts:
                if initiator in site.parties:
                    self._attendances.give_up(attempt, f"{initiator}: {detail}")

    async def _needed(self) -> dict[RemoteSite, list[tuple[Attempt, Party]]]:
        """The peers that running attempts need, with those attempts and their initiators."""
        needed: dict[RemoteSite, list[tuple[Attempt, Party]]] = {}
        for attempt in self._board.running():
            initiator = (await self._roster.of(attempt.task.job_id)).initiator
            parties = attempt.participants if self._links.is_local(initiator) else (initiator,)
            for site in {self._links.remote_of(party) for party in parties}:
                if site is not None:
                    needed.setdefault(site, []).append((attempt, initiator))
        return needed

    async def _ping(self, site: RemoteSite) -> None:
        if time.monotonic() - site.heard_at < PING_SECONDS / 2:
            return
        try:
            await site.ping(self._hosted)
        except FateFederatedError as error:
            log.info("no answer to a ping: %s", error)
