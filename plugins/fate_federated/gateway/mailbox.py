"""Messages on disk, between their arrival and the decision of their attempt.

A message is one file: the length of its header (8 bytes, big-endian), the header, the body. It is written beside its
place and renamed into it, so a file in its place is whole, whatever happens to the gateway.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import AsyncIterator
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
        place = self._place(header)
        there = await asyncio.to_thread(_read_header, place)
        checked = Checked(header)
        if there is not None:
            if there.digest != header.digest:
                raise MessageRejected(f"Another message was sent before under the tag {header.tag!r}.")
            async for part in body:
                await checked.update(part)
            checked.finish()
            return True
        unfinished = place.with_name(f"{place.name}.{uuid.uuid4().hex}{UNFINISHED}")
        try:
            file = await asyncio.to_thread(_create, unfinished, header)
            try:
                async for part in body:
                    await asyncio.to_thread(_append, file, checked, part)
            finally:
                file.close()
            checked.finish()
            await asyncio.to_thread(unfinished.replace, place)
        except FileNotFoundError as error:
            raise MessageRejected(f"The attempt ended while the message {header.tag!r} arrived.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        arrival = self._arrivals.pop(place, None)
        if arrival is not None:
            arrival.set()
        return False

    def arrival(self, address: Address) -> asyncio.Event:
        """Is set when the message is there: ask for it before looking with :meth:`read`."""
        return self._arrivals.setdefault(self._place(address), asyncio.Event())

    async def read(self, address: Address) -> AsyncIterator[exchange_pb2.MessagePart] | None:
        """A message as its parts; None when it is not there."""
        place = self._place(address)
        try:
            file = await asyncio.to_thread(place.open, "rb")
        except FileNotFoundError:
            return None
        self._arrivals.pop(place, None)
        return _parts(file)

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


def _create(path: Path, header: Header) -> BinaryIO:
    data = header_out(header).SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("xb", buffering=0)
    file.write(len(data).to_bytes(LENGTH_BYTES) + data)
    return file


def _append(file: BinaryIO, checked: Checked, part: bytes) -> None:
    checked.update_now(part)
    file.write(part)


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


async def _parts(file: BinaryIO) -> AsyncIterator[exchange_pb2.MessagePart]:
    with file:
        yield exchange_pb2.MessagePart(header=await asyncio.to_thread(_header_message, file))
        size = os.fstat(file.fileno()).st_size
        while file.tell() < size:
            yield exchange_pb2.MessagePart(body=await asyncio.to_thread(file.read, PART_BYTES))
