"""Messages on their way: out of this site's tasks, into its mailbox, to its tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from fate_federated.errors import MessageRejected, NeverSent
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.attendance import attempt_ended
from fate_federated.gateway.ledger import Ledger
from fate_federated.gateway.links import Links
from fate_federated.gateway.mailbox import Mailbox
from fate_federated.gateway.roster import Roster
from fate_federated.pb import exchange_pb2
from fate_federated.status import AttemptState, Presence
from fate_federated.wire.records import Address, Attempt, Header, TaskRef

log = logging.getLogger(__name__)

MAX_STRUCTURE_BYTES = 4 << 20
"""The same as in :mod:`fate_federated.wire.payload`, which imports NumPy."""


class Exchange:
    """One per gateway.

    Args:
        max_message_bytes: structure and body of the largest message that this site takes or sends.
    """

    def __init__(
        self,
        links: Links,
        board: AttemptBoard,
        roster: Roster,
        mailbox: Mailbox,
        ledger: Ledger,
        max_message_bytes: int,
    ) -> None:
        self._links, self._board, self._roster = links, board, roster
        self._mailbox, self._ledger, self._max_message_bytes = mailbox, ledger, max_message_bytes

    async def push(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        """Relay a message of one of this site's tasks; it is on the receiver's disk when this returns.

        Returns:
            whether it was there already.

        Raises:
            AttemptEnded: the attempt is decided.
            MessageRejected: it does not run, or the message is not what its header announces.
            PartyUnreachable: the receiver's gateway does not answer.
        """
        self._check_size(header)
        await self._check_parties(header)
        attempt = await self._board.get(header.task, header.attempt)
        if attempt is not None and attempt.decided:
            raise attempt_ended(attempt)
        if attempt is None or attempt.state is not AttemptState.RUNNING:
            raise MessageRejected(f"Attempt {header.attempt} of {header.task} does not run.")
        await self._ledger.record(header, left_site=not self._links.is_local(header.receiver))
        return await self._links.of(header.receiver).deliver(header, body)

    async def accept(self, header: Header, body: AsyncIterator[bytes]) -> bool:
        """Take a message from a peer's gateway. The news that its attempt runs may be still on its way here."""
        if not self._links.is_local(header.receiver):
            raise MessageRejected(f"{header.receiver} is not hosted here.")
        self._check_size(header)
        await self._check_parties(header)
        await self._check_attempt(header.task, header.attempt)
        return await self._mailbox.receive(header, body)

    async def pull(self, address: Address, received: Sequence[str] = ()) -> AsyncGenerator[exchange_pb2.MessagePart]:
        """A message for one of this site's tasks, as soon as it is there.

        Args:
            received: tags of the sender's messages that the task has whole and will not ask for again.

        Raises:
            AttemptEnded: the attempt is decided first.
            NeverSent: the sender's part is over without it.
        """
        await self._check_parties(address)
        while True:
            change = self._board.change(address.task)
            arrival = self._mailbox.arrival(address)
            newest = await self._check_attempt(address.task, address.attempt)
            parts = await self._mailbox.read(address, received)
            if parts is not None:
                async for part in parts:
                    yield part
                return
            # Asked before the mailbox: what a party sends is in there before it reports its end.
            if newest is not None and newest.number == address.attempt:
                seat = newest.seat(address.sender)
                if seat is not None and seat.presence is Presence.SUCCEEDED:
                    raise NeverSent(address.sender, address.receiver, address.tag)
            waits = [asyncio.ensure_future(change.wait()), asyncio.ensure_future(arrival.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    def _check_size(self, header: Header) -> None:
        if len(header.structure) > MAX_STRUCTURE_BYTES:
            raise MessageRejected(f"The structure of the message {header.tag!r} has {len(header.structure)} bytes.")
        if header.bytes > self._max_message_bytes:
            raise MessageRejected(
                f"The message {header.tag!r} has {header.bytes} bytes. "
                f"This site takes {self._max_message_bytes}: see gateway.max_message_bytes in site.yaml."
            )

    async def _check_parties(self, message: Header | Address) -> None:
        members = await self._roster.of(message.task.job_id)
        for party in (message.sender, message.receiver):
            if party not in members.parties:
                raise MessageRejected(f"{party} does not take part in job {message.task.job_id}.")

    async def _check_attempt(self, task: TaskRef, number: int) -> Attempt | None:
        newest = await self._board.newest(task)
        if newest is not None and number == newest.number and newest.decided:
            raise attempt_ended(newest)
        expected = (1,) if newest is None else (newest.number, newest.number + 1)
        if number not in expected:
            raise MessageRejected(f"Attempt {number} of {task} is not the current one.")
        return newest
