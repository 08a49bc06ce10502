"""Checking a message while it passes through."""

from __future__ import annotations

import asyncio
import hashlib

from fate_federated.errors import MessageRejected
from fate_federated.wire.records import Header

INLINE_BYTES = 64 << 10
"""Hashing less than this takes less time than asking a thread to do it."""


class Checked:
    """Compares a body with what its header announces.

    Raises (from :meth:`update` and :meth:`finish`):
        MessageRejected: it is longer, shorter or another.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self._left = header.body_bytes
        self._digest = hashlib.sha256(header.structure)

    async def update(self, part: bytes) -> None:
        """Take the next part, in a thread if it is long."""
        if len(part) < INLINE_BYTES:
            self.update_now(part)
        else:
            await asyncio.to_thread(self.update_now, part)

    def update_now(self, part: bytes) -> None:
        """Take the next part."""
        self._left -= len(part)
        if self._left < 0:
            raise MessageRejected(f"The message {self._header.tag!r} is longer than it announces.")
        self._digest.update(part)

    def finish(self) -> None:
        """The body has ended."""
        if self._left:
            raise MessageRejected(f"The message {self._header.tag!r} ends {self._left} bytes before its end.")
        if self._digest.digest() != self._header.digest:
            raise MessageRejected(f"The message {self._header.tag!r} was changed on its way: its digest differs.")
