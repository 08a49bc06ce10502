"""Messages on disk, between their arrival and the decision of their attempt.

A message is one file: the length of its header (8 bytes, big-endian), the header, the body. It is written beside its
place and renamed into it, so a file in its place is whole, whatever happens to the gateway.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError

from fate_federated.errors import MessageRejected
from fate_federated.gateway.digest import Checked
from fate_federated.pb import exchange_pb2
from fate_federated.transport.rpc import PART_BYTES
from fate_federated.wire.convert import header_in, header_out
from fate_federated.wire.records import Address, Header, TaskRef

log = logging.getLogger(__name__)

LENGTH_BYTES = 8
UNFINISHED = ".part"
SMALL_BYTES = 1 << 20
"""A body of this length is gathered in memory before it is written."""


class Mailbox:
    """The spool of a site: what its parties have been sent.

    Args:
        folder: its own; with one folder per job in it, and in that one per attempt.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrivals: dict[Path, asyncio.Event] = {}

    def remove_unfinished(self) -> None:
        """Remove what a killed gateway had begun to write. Nobody was told that it was there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._folder.glob(f"*/*/*{UNFINISHED}"):
            file.unlink()

    def jobs(self) -> list[str]:
        """The jobs that have a folder."""
        return [folder.name for folder in self._folder.iterdir() if folder.is_dir()]

    async def receive(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        """Keep a message; it is on disk when this returns.

        Returns:
            whether it was there already.

        Raises:
            MessageRejected: it is not what its header announces, or another message is under its tag.
        """
        writing = _Writing(self._place(header), header)
        if header.body_bytes <= SMALL_BYTES:
            # One thread's work from beginning to end: most messages are small, and handing over costs more than that.
            parts = [part async for part in _at_most(header, body)]
            repeated = await asyncio.to_thread(writing.whole, parts)
        else:
            repeated = await asyncio.to_thread(writing.begin)
            try:
                async for part in body:
                    await asyncio.to_thread(writing.append, part)
                await asyncio.to_thread(writing.finish)
            finally:
                writing.abandon()
        arrival = self._arrivals.pop(writing.place, None)
        if arrival is not None:
            arrival.set()
        return repeated

    def arrival(self, address: Address) -> asyncio.Event:
        """Is set when the message is there: ask for it before looking with :meth:`read`."""
        return self._arrivals.setdefault(self._place(address), asyncio.Event())

    async def read(
        self, address: Address, received: Sequence[str] = ()
    ) -> AsyncIterator[exchange_pb2.MessagePart] | None:
        """A message as its parts; None when it is not there.

        Args:
            received: tags of earlier messages from the same sender to the same receiver, which are removed.
        """
        place = self._place(address)
        done = [self._place(replace(address, tag=tag)) for tag in received]
        begun = await asyncio.to_thread(_begin_reading, place, done)
        if begun is None:
            return None
        self._arrivals.pop(place, None)
        return _parts(*begun)

    async def drop_attempt(self, task: TaskRef, number: int) -> None:
        """Remove the messages of an attempt that was decided."""
        await asyncio.to_thread(shutil.rmtree, self._attempt(task, number), ignore_errors=True)

    async def drop_job(self, job_id: str) -> None:
        """Remove all messages of a job."""
        await asyncio.to_thread(shutil.rmtree, self._folder / _safe(job_id), ignore_errors=True)

    def _attempt(self, task: TaskRef, number: int) -> Path:
        component = hashlib.sha256(task.component.encode()).hexdigest()[:16]
        return self._folder / _safe(task.job_id) / f"{component}.{number}"

    def _place(self, message: Header | Address) -> Path:
        # Tags and component names are a peer's words and no file names.
        name = f"{message.sender}\0{message.receiver}\0{message.tag}"
        return self._attempt(message.task, message.attempt) / hashlib.sha256(name.encode()).hexdigest()[:40]


def _safe(job_id: str) -> str:
    if not job_id.isascii() or not job_id.isalnum():
        raise MessageRejected(f"{job_id!r} is not a job id.")
    return job_id


class _Writing:
    """A message on its way into its place. A repetition is checked, and written nowhere."""

    def __init__(self, place: Path, header: Header) -> None:
        self.place = place
        self._header = header
        self._checked = Checked(header)
        self._unfinished = place.with_name(f"{place.name}.{uuid.uuid4().hex}{UNFINISHED}")
        self._file: BinaryIO | None = None

    def whole(self, parts: list[bytes]) -> bool:
        """All of it at once; returns whether it is a repetition."""
        repeated = self.begin()
        try:
            for part in parts:
                self.append(part)
            self.finish()
        finally:
            self.abandon()
        return repeated

    def begin(self) -> bool:
        """Returns whether the message is a repetition."""
        there = _read_header(self.place)
        if there is not None:
            if there.digest != self._header.digest:
                raise MessageRejected(f"Another message was sent before under the tag {self._header.tag!r}.")
            return True
        data = header_out(self._header).SerializeToString()
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._unfinished.open("xb", buffering=0)
        self._file.write(len(data).to_bytes(LENGTH_BYTES) + data)
        return False

    def append(self, part: bytes) -> None:
        self._checked.update_now(part)
        if self._file is not None:
            self._file.write(part)

    def finish(self) -> None:
        self._checked.finish()
        if self._file is None:
            return
        self._file.close()
        try:
            self._unfinished.replace(self.place)
        except FileNotFoundError as error:
            raise MessageRejected(f"The attempt ended while the message {self._header.tag!r} arrived.") from error
        self._file = None

    def abandon(self) -> None:
        """Remove what was not finished."""
        if self._file is not None:
            self._file.close()
            self._unfinished.unlink(missing_ok=True)


async def _at_most(header: Header, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts of a small body, not a byte more than it announces (and one more part, which then is refused)."""
    left = header.body_bytes
    async for part in body:
        yield part
        left -= len(part)
        if left < 0:
            return


def _read_header(path: Path) -> Header | None:
    try:
        with path.open("rb") as file:
            return header_in(_header_message(file))
    except FileNotFoundError:
        return None


def _header_message(file: BinaryIO) -> exchange_pb2.MessageHeader:
    length = int.from_bytes(file.read(LENGTH_BYTES))
    try:
        return exchange_pb2.MessageHeader.FromString(file.read(length))
    except DecodeError as error:
        raise MessageRejected(f"The spool file {file.name} is damaged.") from error


def _begin_reading(path: Path, done: list[Path]) -> tuple[BinaryIO, exchange_pb2.MessageHeader, bytes] | None:
    """An open message, its header and the first part of its body. Removes what is done with."""
    for former in done:
        former.unlink(missing_ok=True)
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
    return file, _header_message(file), file.read(PART_BYTES)


async def _parts(
    file: BinaryIO, header: exchange_pb2.MessageHeader, part: bytes
) -> AsyncIterator[exchange_pb2.MessagePart]:
    with file:
        yield exchange_pb2.MessagePart(header=header, body=part)
        left = header.body_bytes - len(part)
        while left > 0:
            part = await asyncio.to_thread(file.read, PART_BYTES)
            if not part:
                raise MessageRejected(f"The spool file {file.name} is damaged.")
            yield exchange_pb2.MessagePart(body=part)
            left -= len(part)
