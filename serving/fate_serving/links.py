"""How a guest asks hosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import grpc
import grpc.aio
import numpy as np

from fate_federated.errors import InvalidParty
from fate_federated.party import Party
from fate_federated.transport.rpc import ClientTls, open_aio_channel
from fate_serving.answers import Ask, Reply
from fate_serving.codes import Code, ServingError
from fate_serving.hosted_versions import HostedVersions
from fate_serving.hosting import Hosting
from fate_serving.pb import scoring_pb2
from fate_serving.pb.scoring_pb2_grpc import ScoringStub
from fate_serving.scoring import Answers
from fate_serving.shelf import Key

log = logging.getLogger(__name__)

CONTROL_SECONDS = 60.0
"""For a host to load a version."""


class Link(Protocol):
    """A way to a host's serving site."""

    async def ask(self, ask: Ask) -> Reply:
        """A host's answers.

        Raises:
            ServingError: NETWORK where it does not answer; the host's own code where it refuses everything.
        """
        ...

    async def prepare(self, guest: Party, key: Key) -> None:
        """Have the host load a version and keep it warm.

        Raises:
            ServingError: it cannot, or does not answer.
        """
        ...

    async def release(self, guest: Party, key: Key) -> None:
        """Tell the host that a version is not asked any more."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class LocalLink:
    """To a host of this very process."""

    def __init__(self, hosting: Hosting, versions: HostedVersions) -> None:
        self._hosting, self._versions = hosting, versions

    async def ask(self, ask: Ask) -> Reply:
        """See :class:`Link`."""
        reply = await self._hosting.answer(ask.key, ask.component, ask.rows, ask.guest, ask.timeout_seconds)
        return checked(ask, reply)

    async def prepare(self, guest: Party, key: Key) -> None:
        """See :class:`Link`."""
        await self._versions.prepare(key, guest)

    async def release(self, guest: Party, key: Key) -> None:
        """See :class:`Link`."""
        await self._versions.release(key, guest)

    async def close(self) -> None:
        """There is nothing to hang up."""


class StreamLink:
    """To a site of this project: requests and answers are numbered in one stream, which is made anew when it breaks."""

    def __init__(self, address: str, tls: ClientTls | None) -> None:
        self._address = address
        self._channel = open_aio_channel(address, tls)
        self._stub = ScoringStub(self._channel)
        self._stream: _Stream | None = None
        self._number = 0

    async def ask(self, ask: Ask) -> Reply:
        """See :class:`Link`. Asked once more where the stream broke: an answer changes nothing at the host."""
        self._number += 1
        request = scoring_pb2.ScoreRequest(
            number=self._number, namespace=ask.key[0], version=ask.key[1], component=ask.component,
            rows=ask.rows, timeout_seconds=ask.timeout_seconds, case_id=ask.case_id, guest=str(ask.guest),
        )  # fmt: skip
        try:
            async with asyncio.timeout(ask.timeout_seconds):
                try:
                    reply = await self._open().ask(request)
                except _StreamBroke:
                    reply = await self._open().ask(request)
        except TimeoutError:
            raise ServingError(
                Code.NETWORK, f"{ask.host} did not answer within {ask.timeout_seconds:.3g} seconds."
            ) from None
        except _StreamBroke as error:
            raise ServingError(Code.NETWORK, f"{ask.host} does not answer at {self._address}: {error}") from None
        return checked(ask, reply_in(ask, reply))

    async def prepare(self, guest: Party, key: Key) -> None:
        """See :class:`Link`."""
        await self._control(self._stub.Prepare, guest, key)

    async def release(self, guest: Party, key: Key) -> None:
        """See :class:`Link`."""
        await self._control(self._stub.Release, guest, key)

    async def close(self) -> None:
        """See :class:`Link`."""
        if self._stream is not None:
            self._stream.close()
        await self._channel.close()

    def _open(self) -> _Stream:
        if self._stream is None or self._stream.broken:
            self._stream = _Stream(self._stub)
        return self._stream

    async def _control(self, call: Any, guest: Party, key: Key) -> None:
        request = scoring_pb2.PrepareRequest(namespace=key[0], version=key[1], guest=str(guest))
        try:
            reply = await call(request, timeout=CONTROL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ServingError(
                Code.NETWORK, f"{self._address} does not answer: {error.code().name} {error.details()}"
            ) from None
        if reply.code:
            raise ServingError(reply.code, reply.message)


class _StreamBroke(Exception):
    pass


class _Stream:
    """One call of Score."""

    def __init__(self, stub: ScoringStub) -> None:
        self._call: Any = stub.Score()  # type: ignore[call-arg]  # the typed stub is that of blocking calls
        self._waiting: dict[int, asyncio.Future[scoring_pb2.ScoreReply]] = {}
        self._writing = asyncio.Lock()
        self._broken: str | None = None
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def broken(self) -> bool:
        return self._broken is not None

    async def ask(self, request: scoring_pb2.ScoreRequest) -> scoring_pb2.ScoreReply:
        if self._broken is not None:
            raise _StreamBroke(self._broken)
        answer: asyncio.Future[scoring_pb2.ScoreReply] = asyncio.get_running_loop().create_future()
        self._waiting[request.number] = answer
        try:
            async with self._writing:
                await self._call.write(request)
            return await answer
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            self._break(_described(error))
            raise _StreamBroke(_described(error)) from None
        finally:
            self._waiting.pop(request.number, None)

    def close(self) -> None:
        self._reader.cancel()
        self._call.cancel()
        self._break("this process hung up")

    async def _read(self) -> None:
        why = "the host ended the stream"
        try:
            while isinstance(reply := await self._call.read(), scoring_pb2.ScoreReply):
                answer = self._waiting.get(reply.number)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except grpc.aio.AioRpcError as error:
            why = _described(error)
        except asyncio.CancelledError:
            why = "this process hung up"
        self._break(why)

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_StreamBroke(why))
                answer.exception()


def _described(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name} {error.details()}"
    return str(error) or type(error).__name__


def reply_in(ask: Ask, reply: scoring_pb2.ScoreReply) -> Reply:
    """A message as arrays.

    Raises:
        ServingError: the host's code, or RESPONSE where it is malformed.
    """
    if reply.code:
        raise ServingError(reply.code, reply.message)
    faults = {fault.row: ServingError(fault.code or Code.SYSTEM, fault.message) for fault in reply.faults}
    if len(faults) == len(ask.rows):
        return Reply(ask.scorer.empty(ask.host, len(ask.rows)), faults)
    kind = reply.WhichOneof("answers")
    content = reply.scores if kind == "scores" else reply.decisions
    if len(content) != len(ask.rows) * reply.width * (8 if kind == "scores" else 1):
        raise ServingError(Code.RESPONSE, f"{ask.host} answered {len(content)} bytes for {len(ask.rows)} rows.")
    values: Answers = np.frombuffer(content, "<f8") if kind == "scores" else np.frombuffer(content, np.uint8)
    return Reply(values.reshape(len(ask.rows), reply.width), faults)


def checked(ask: Ask, reply: Reply) -> Reply:
    """Answers of the right shape.

    Raises:
        ServingError: RESPONSE; they are not.
    """
    wanted = ask.scorer.empty(ask.host, 1)
    values = reply.values
    if any(not 0 <= row < len(ask.rows) for row in reply.faults):
        raise ServingError(Code.RESPONSE, f"{ask.host} named a row that it was not asked for.")
    if len(reply.faults) == len(ask.rows):
        return Reply(ask.scorer.empty(ask.host, len(ask.rows)), reply.faults)
    if values.shape != (len(ask.rows), wanted.shape[1]) or values.dtype != wanted.dtype:
        raise ServingError(
            Code.RESPONSE,
            f"{ask.host} answered {values.dtype} of shape {values.shape}; its part of the model is of another "
            f"training, or it serves something else than the guest asks.",
        )
    if values.dtype == np.float64 and not np.isfinite(values).all():
        raise ServingError(Code.RESPONSE, f"{ask.host} answered scores that are no numbers.")
    return reply


class Links:
    """The ways to all hosts.

    Args:
        seconds: what each may take, where it is less than the request has.
    """

    def __init__(self, by_party: Mapping[Party, Link], seconds: Mapping[Party, float]) -> None:
        self._by_party, self._seconds = by_party, seconds

    async def ask(self, ask: Ask) -> Reply:
        """A host's answers; see :meth:`Link.ask`.

        Raises:
            ServingError: ROUTER where there is no way to the host, or what its link raises.
        """
        most = self._seconds.get(ask.host)
        if most is not None and most < ask.timeout_seconds:
            ask = replace(ask, timeout_seconds=most)
        return await self.to(ask.host).ask(ask)

    def to(self, party: Party) -> Link:
        """The way to a party.

        Raises:
            ServingError: ROUTER; there is none.
        """
        link = self._by_party.get(party)
        if link is None:
            raise ServingError(Code.ROUTER, f"serving.yaml names no peer with {party}.")
        return link

    async def close(self) -> None:
        """Hang up everywhere."""
        for link in set(self._by_party.values()):
            await link.close()


def party_in(text: str) -> Party | None:
    """A party that a peer names.

    Raises:
        ServingError: PARAMETER; it is none.
    """
    try:
        return Party.parse(text) if text else None
    except InvalidParty as error:
        raise ServingError(Code.PARAMETER, str(error)) from None
