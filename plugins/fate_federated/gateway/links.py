"""How a gateway reaches the sites of a job: itself and its peers, by the same methods."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc
import grpc.aio

from fate_federated.errors import FateFederatedError, GatewayUnavailable, JobError, PartyUnreachable
from fate_federated.gateway.digest import Checked
from fate_federated.party import Party
from fate_federated.pb import exchange_pb2, federation_pb2
from fate_federated.pb.federation_pb2_grpc import FederationStub
from fate_federated.transport.rpc import Patience, error_of, is_transient
from fate_federated.wire.convert import (
    attempt_in,
    attempt_out,
    end_out,
    header_out,
    order_out,
    party_out,
    report_out,
    update_out,
    verdict_in,
)
from fate_federated.wire.records import (
    Attempt,
    Header,
    JobEnd,
    JobOrder,
    JobReport,
    JobVerdict,
    PresenceUpdate,
    TaskRef,
)

if TYPE_CHECKING:
    from fate_federated.pb.federation_pb2_grpc import FederationAsyncStub

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS = 10.0
CREATE_SECONDS = 100.0
"""A site waits a minute for its Airflow to compile a DAG."""
PING_SECONDS = 3.0
DELIVER_SECONDS = 3600.0
PUBLISH_PATIENCE_SECONDS = 24 * 3600.0


class SiteLink(Protocol):
    """What a coordinator and the gateways of a job's parties say to each other.

    Raises (every async method): PartyUnreachable when the site does not answer, else what it answered.
    """

    parties: tuple[Party, ...]

    async def create_job(self, order: JobOrder) -> None: ...

    async def end_job(self, end: JobEnd) -> None: ...

    async def report_job(self, report: JobReport) -> JobVerdict: ...

    async def update_presence(self, update: PresenceUpdate) -> Attempt: ...

    def publish_attempt(self, attempt: Attempt) -> None:
        """Make an attempt known there, as soon as the site can be reached; a newer revision replaces an older."""
        ...

    async def deliver(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        """Hand over a message; returns whether the site had it already."""
        ...


class RemoteSite:
    """A peer.

    Attributes:
        heard_at: when it last answered or called, on the monotonic clock.
        channel: to its gateway, for :meth:`call`.
    """

    def __init__(self, channel: grpc.aio.Channel, address: str, parties: tuple[Party, ...]) -> None:
        self.parties = parties
        self.address = address
        self.heard_at = time.monotonic()
        self.channel = channel
        self._stub: FederationAsyncStub = FederationStub(channel)
        self._unpublished: dict[tuple[TaskRef, int], Attempt] = {}
        self._publishing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop publishing and close the channel."""
        if self._publishing is not None:
            self._publishing.cancel()
        await self.channel.close()

    async def create_job(self, order: JobOrder) -> None:
        await self.call(self._stub.CreateJob(order_out(order), timeout=CREATE_SECONDS))

    async def end_job(self, end: JobEnd) -> None:
        await self.call(self._stub.EndJob(end_out(end), timeout=CALL_SECONDS))

    async def report_job(self, report: JobReport) -> JobVerdict:
        return verdict_in(await self.call(self._stub.ReportJob(report_out(report), timeout=CALL_SECONDS)))

    async def update_presence(self, update: PresenceUpdate) -> Attempt:
        return attempt_in(await self.call(self._stub.UpdatePresence(update_out(update), timeout=CALL_SECONDS)))

    async def ping(self, hosted: Iterable[Party]) -> None:
        """Hear whether it is there."""
        await self.call(
            self._stub.Ping(federation_pb2.PingRequest(parties=map(party_out, hosted)), timeout=PING_SECONDS)
        )

    def heard(self) -> None:
        """The peer has called."""
        self.heard_at = time.monotonic()

    def publish_attempt(self, attempt: Attempt) -> None:
        self._unpublished[attempt.task, attempt.number] = attempt
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while self._unpublished:
            batch, self._unpublished = self._unpublished, {}
            await asyncio.gather(*map(self._publish_one, batch.values()))

    async def _publish_one(self, attempt: Attempt) -> None:
        key = (attempt.task, attempt.number)

        async def send() -> None:
            # One that was replaced while this waited is not worth sending.
            if key not in self._unpublished:
                await self.call(self._stub.PublishAttempt(attempt_out(attempt), timeout=CALL_SECONDS))

        try:
            await with_patience(send, PUBLISH_PATIENCE_SECONDS)
        except FateFederatedError as error:
            log.warning("attempt %d of %s could not be told to %s: %s", attempt.number, attempt.task, self, error)

    async def deliver(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        call = self._stub.Deliver(timeout=DELIVER_SECONDS)
        checked = Checked(header)
        try:
            message = exchange_pb2.MessagePart(header=header_out(header))
            async for part in body:
                await checked.update(part)
                message.body = part
                await call.write(message)
                message = exchange_pb2.MessagePart()
            checked.finish()
            if message.HasField("header"):
                await call.write(message)  # nothing followed it
            await call.done_writing()
        except asyncio.InvalidStateError:
            # The peer has ended the call; awaiting it tells how.
            pass
        except grpc.RpcError as error:
            raise self._error(error) from None
        except BaseException:
            # Without its end the peer does not keep the message.
            call.cancel()
            raise
        return (await self.call(call)).repeated

    async def call(self, call: Awaitable[T]) -> T:
        """The answer to a call on :attr:`channel`, its errors as ours; an answer is a sign of life."""
        try:
            reply = await call
        except grpc.RpcError as error:
            raise self._error(error) from None
        self.heard()
        return reply

    def _error(self, error: grpc.RpcError) -> FateFederatedError:
        ours = error_of(error, self.address)
        if isinstance(ours, GatewayUnavailable):
            log.info("%s does not answer: %s", self, error.details())
            return PartyUnreachable(self.parties[0], self.address)
        return ours

    def __str__(self) -> str:
        return f"the site of {', '.join(map(str, self.parties))} at {self.address}"


class Links:
    """All sites that this one knows, itself among them."""

    def __init__(self, remotes: Iterable[RemoteSite]) -> None:
        self.remotes = tuple(remotes)
        self._of: dict[Party, SiteLink] = {party: site for site in self.remotes for party in site.parties}

    def add_local(self, site: SiteLink) -> None:
        """Make this gateway's own face known; done once, when its parts have been put together."""
        self._of.update(dict.fromkeys(site.parties, site))

    def of(self, party: Party) -> SiteLink:
        """The site that hosts a party.

        Raises:
            JobError: none that is configured does.
        """
        site = self._of.get(party)
        if site is None:
            raise JobError(f"No site that hosts {party} is known here. Add it under peers in site.yaml.")
        return site

    def sites(self, parties: Iterable[Party]) -> tuple[SiteLink, ...]:
        """The sites of some parties, each once. Parties of sites that are no longer configured are passed over."""
        return tuple(dict.fromkeys(self._of[party] for party in parties if party in self._of))

    def remote_of(self, party: Party) -> RemoteSite | None:
        """The peer that hosts a party; None for a party of this site."""
        site = self._of.get(party)
        return site if isinstance(site, RemoteSite) else None

    def is_local(self, party: Party) -> bool:
        """Whether this site hosts a party."""
        return not isinstance(self._of.get(party), RemoteSite | None)

    async def close(self) -> None:
        """Close the channels to all peers."""
        await asyncio.gather(*(site.close() for site in self.remotes))


async def with_patience(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Repeat a call while the site does not answer.

    Raises:
        PartyUnreachable: it did not answer for that long.
    """
    patience = Patience(seconds)
    while True:
        try:
            return await call()
        except FateFederatedError as error:
            pause = patience.next_pause() if is_transient(error) else None
            if pause is None:
                raise
        await asyncio.sleep(pause)
