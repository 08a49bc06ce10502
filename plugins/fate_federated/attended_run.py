"""Computing in an attempt that others may end at any moment."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from fate_federated.gateway.attendance import Attendance, attempt_ended
from fate_federated.wire.records import Attempt

T = TypeVar("T")

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Result(Generic[T]):
    value: T


def run_attended(work: Callable[[], T], attendance: Attendance, tick: Callable[[], None]) -> T:
    """Run ``work`` in a thread until it ends or the attempt is decided by others, whichever is first.

    The thread of a decided attempt is left behind: nothing interrupts arithmetic from outside, and the process of an
    Airflow task ends without waiting for daemon threads.

    Args:
        tick: called about every second meanwhile, in the calling thread.

    Raises:
        AttemptEnded: the attempt was decided first.
        whatever ``work`` raised.
    """
    # put() of a SimpleQueue may be called again from a signal handler that interrupts it, an Event's set() may not.
    events: SimpleQueue[_Result[T] | Attempt | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            events.put(_Result(work()))
        except BaseException as error:
            events.put(error)

    # Airflow's loggers name the task by context variables.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="component", daemon=True).start()
    attendance.on_decided(events.put)
    while True:
        try:
            event = events.get(timeout=TICK_SECONDS)
        except Empty:
            tick()
            continue
        if isinstance(event, _Result):
            return event.value
        if isinstance(event, BaseException):
            raise event
        raise attempt_ended(event)
