"""This site as the other sites, and this gateway's own coordinator, see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.coordinator import Coordinator
from fate_federated.gateway.job_start import JobStart
from fate_federated.gateway.jobs import Jobs
from fate_federated.gateway.mailbox import Mailbox
from fate_federated.party import Party
from fate_federated.wire.records import (
    Attempt,
    Header,
    JobEnd,
    JobOrder,
    JobReport,
    JobVerdict,
    PresenceUpdate,
)


class LocalSite:
    """A :class:`~fate_federated.gateway.links.SiteLink` to where one is already."""

    def __init__(
        self,
        parties: tuple[Party, ...],
        start: JobStart,
        jobs: Jobs,
        coordinator: Coordinator,
        board: AttemptBoard,
        mailbox: Mailbox,
    ) -> None:
        self.parties = parties
        self._start, self._jobs, self._coordinator = start, jobs, coordinator
        self._board, self._mailbox = board, mailbox

    async def create_job(self, order: JobOrder) -> None:
        await self._start.create(order)

    async def end_job(self, end: JobEnd) -> None:
        if end.initiator in self.parties:
            await self._jobs.cancel(end)
        else:
            await self._jobs.end(end)

    async def report_job(self, report: JobReport) -> JobVerdict:
        return await self._jobs.report(report)

    async def update_presence(self, update: PresenceUpdate) -> Attempt:
        return await self._coordinator.update_presence(update)

    def publish_attempt(self, attempt: Attempt) -> None:
        # The coordinator of this very site has it in the database.
        self._board.learn(attempt)

    async def hear_attempt(self, attempt: Attempt) -> None:
        """What the coordinator at another site publishes."""
        if not attempt.decided and await self._board.get(attempt.task, attempt.number) is None:
            await self._jobs.reopen(attempt.task.job_id)
        await self._board.accept(attempt)

    async def deliver(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        return await self._mailbox.receive(header, body)
