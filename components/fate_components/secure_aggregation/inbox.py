"""Messages of several peers, none of whom is waited for longer than the others need."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from time import monotonic
from typing import Any

from fate_federated.errors import MessageRejected, TransportError
from fate_federated.task.context import Peer, step_tag

PATIENCE = 5
"""Others are waited for this many times as long as it took until enough had answered, if that is longer."""

_Asked = tuple[str, "Future[Any]"]


class Inbox:
    """Each peer's messages are read by a thread of its own, in the order in which they are asked for.

    Args:
        grace_seconds: how long others are waited for at least once enough have answered.
    """

    def __init__(self, peers: Sequence[Peer], grace_seconds: float) -> None:
        self._peers, self._grace_seconds = tuple(peers), grace_seconds
        self._asked: list[queue.SimpleQueue[_Asked | None]] = [queue.SimpleQueue() for _ in peers]
        for peer, asked in zip(peers, self._asked, strict=True):
            threading.Thread(target=_read, args=(peer, asked), name=f"inbox of {peer.party}", daemon=True).start()

    def collect(
        self, tag: str, step: int, peers: Collection[int], awaited: Collection[int], enough: int
    ) -> dict[int, Any]:
        """What so many peers at least sent under a tag, by place.

        Args:
            peers: who is asked.
            awaited: who among them is waited for.

        Raises:
            TransportError: fewer than ``enough`` can still answer.
            AttemptEnded: the attempt was decided meanwhile.
            MessageRejected: what came is not a well-formed message.
        """
        name = step_tag(tag, step)
        futures: dict[int, Future[Any]] = {place: Future() for place in peers}
        for place, future in futures.items():
            self._asked[place].put((name, future))
        started, ends = monotonic(), None
        while True:
            answered = {place: future for place, future in futures.items() if future.done() and not _lost(future)}
            waited_for = {future for future in futures.values() if not future.done()}
            if len(answered) >= enough:
                if not waited_for & {futures[place] for place in awaited}:
                    break
                now = monotonic()
                ends = now + max(self._grace_seconds, PATIENCE * (now - started)) if ends is None else ends
                if now >= ends:
                    break
            elif not waited_for:
                lost = ", ".join(str(self._peers[place].party) for place in futures.keys() - answered.keys())
                raise TransportError(
                    f"{len(answered)} parties answered where {enough} are needed to hide one another: "
                    f"{lost} did not send {name!r}."
                )
            wait(waited_for, None if ends is None else max(ends - monotonic(), 0), FIRST_COMPLETED)
        for place in answered:
            self._peers[place].traffic.received += 1
        return {place: future.result() for place, future in sorted(answered.items())}

    def close(self) -> None:
        """Read no more. Who still waits for a message ends with the attempt."""
        for asked in self._asked:
            asked.put(None)


def _lost(future: Future[Any]) -> bool:
    """Whether the peer is gone; raises what is anything else than that."""
    error = future.exception()
    if error is not None and (not isinstance(error, TransportError) or isinstance(error, MessageRejected)):
        raise error
    return error is not None


def _read(peer: Peer, asked: queue.SimpleQueue[_Asked | None]) -> None:
    transport = peer.transport.background()
    while (one := asked.get()) is not None:
        name, future = one
        try:
            future.set_result(transport.pull(peer.party, name))
        except Exception as error:  # a thread ends here: whoever waits for the message is told
            future.set_exception(error)
