"""A task's side of the stream over which it attends an attempt."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import overload

import grpc

from fate_federated.errors import AttemptCanceled, AttemptEnded, AttemptFailed, FateFederatedError, GatewayUnavailable
from fate_federated.party import Party
from fate_federated.pb import attempts_pb2 as pb
from fate_federated.pb.attempts_pb2_grpc import AttemptsStub
from fate_federated.status import AttemptState, Presence
from fate_federated.transport.rpc import Patience, error_of, is_transient
from fate_federated.wire.convert import MAX_DETAIL, attempt_in, party_out, task_out
from fate_federated.wire.records import Attempt, TaskRef

log = logging.getLogger(__name__)

ASSEMBLING_SECONDS = 30.0
PARK_SECONDS = 10.0
REPORT_SECONDS = 10.0


def attempt_ended(attempt: Attempt) -> AttemptEnded:
    """The error that a decision becomes for a task that still works."""
    kind = AttemptCanceled if attempt.state is AttemptState.CANCELED else AttemptFailed
    return kind(f"Attempt {attempt.number} of {attempt.task.component} {attempt.state}: {attempt.detail}")


class Attendance:
    """One party's place in an attempt, held by a background thread with a stream to the gateway.

    A broken stream is taken up again until the gateway has been silent for ``silence_seconds``; then the waiting
    methods raise GatewayUnavailable. They also raise what the gateway refused the task with, such as JobNotFound.
    """

    def __init__(
        self,
        stub: AttemptsStub,
        address: str,
        task: TaskRef,
        party: Party,
        participants: tuple[Party, ...],
        *,
        instance: str,
        attempt: int = 0,
        silence_seconds: float = 60.0,
    ) -> None:
        self.task = task
        self.party = party
        self._stub, self._address, self._silence_seconds = stub, address, silence_seconds
        self._join = pb.Join(
            task=task_out(task),
            party=party_out(party),
            participates=party in participants,
            instance=instance,
            attempt=attempt,
            participants=map(party_out, participants),
        )
        self._changed = threading.Condition()
        self._attempt: Attempt | None = None
        self._assembling_since = 0.0
        self._error: FateFederatedError | None = None
        self._parking = self._parked = self._closed = False
        self._report: pb.Report | None = None
        self._callbacks: list[Callable[[Attempt], None]] = []
        self._stream: object | None = None
        self._call: grpc.Call | None = None
        self._thread = threading.Thread(target=self._follow, name=f"attend-{task.component}", daemon=True)
        self._thread.start()

    @property
    def attempt(self) -> Attempt | None:
        """The latest known state; None before the gateway's first answer."""
        return self._attempt

    def wait_running(self, timeout_seconds: float, *, assembling_seconds: float = ASSEMBLING_SECONDS) -> Attempt | None:
        """The attempt once all participants have joined, or None when the grace is over.

        While the attempt is assembling, the grace is prolonged: the others are on their way.

        Raises:
            AttemptEnded: it was decided first.
        """
        end = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                attempt = self._checked()
                limit = end
                if attempt is not None:
                    if attempt.decided:
                        raise attempt_ended(attempt)
                    if attempt.state is AttemptState.RUNNING:
                        return attempt
                    if attempt.state is AttemptState.ASSEMBLING:
                        limit = max(end, self._assembling_since + assembling_seconds)
                left = limit - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def park(self) -> bool:
        """Leave before the attempt runs, to wait in the triggerer.

        Returns:
            False when the attempt has started, or was decided, in the meantime: the task is not parked then, and is
            to go on with :meth:`wait_running`.
        """
        with self._changed:
            self._checked()
            self._parking = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._parked or self._error is not None or self._too_late_to_park(),
                timeout=PARK_SECONDS,
            )
            self._checked()
            if not self._parked:
                self._parking = False
                if not self._too_late_to_park():
                    raise GatewayUnavailable(self._address, "no answer to a task that parks")
            return self._parked

    def report(self, outcome: Presence, detail: str = "") -> None:
        """Tell how the component ended at this party; returns when the gateway has it, or after some seconds.

        Args:
            outcome: SUCCEEDED, FAILED or CANCELED.
            detail: shown to the other parties, so never a value of a row; cut to 4 KiB.
        """
        with self._changed:
            self._checked()
            self._report = pb.Report(outcome=outcome, detail=detail[:MAX_DETAIL])
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error is not None or self._reported(), REPORT_SECONDS)
            self._checked()

    @overload
    def wait_decided(self, timeout_seconds: None = None) -> Attempt: ...
    @overload
    def wait_decided(self, timeout_seconds: float) -> Attempt | None: ...
    def wait_decided(self, timeout_seconds: float | None = None) -> Attempt | None:
        """The decided attempt; None when that takes longer than ``timeout_seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self._decided(), timeout_seconds)
            attempt = self._checked()
            return attempt if attempt is not None and attempt.decided else None

    def on_decided(self, callback: Callable[[Attempt], None]) -> None:
        """Have ``callback`` called once with the decided attempt, from the stream's thread; at once if it is decided.

        It is also called when the gateway is given up, with the attempt as it was last known and FAILED.
        """
        with self._changed:
            attempt = self._attempt
            if attempt is None or not attempt.decided:
                self._callbacks.append(callback)
                return
        callback(attempt)

    def close(self) -> None:
        """End the stream. A task that neither parked nor saw a decision counts as lost after the site's lease."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            call = self._call
        if call is not None:
            call.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _too_late_to_park(self) -> bool:
        running = self._attempt is not None and self._attempt.state is AttemptState.RUNNING
        return self._decided() or (running and self._join.participates)

    def _decided(self) -> bool:
        return self._attempt is not None and self._attempt.decided

    def _reported(self) -> bool:
        seat = self._attempt.seat(self.party) if self._attempt is not None else None
        return self._decided() or (seat is not None and seat.presence.reported)

    def _checked(self) -> Attempt | None:
        if self._error is not None and not self._decided():
            raise self._error
        return self._attempt

    def _follow(self) -> None:
        """The thread: keeps a stream until the attempt is decided, the task parks or closes, or the gateway is gone."""
        patience, broken = Patience(self._silence_seconds), False
        while True:
            before = self._attempt
            ended = self._attend_once()
            with self._changed:
                if self._decided() or self._closed:
                    return
                if self._parking and ended is None:
                    self._parked = True
                    self._changed.notify_all()
                    return
            if self._attempt is not before:
                patience, broken = Patience(self._silence_seconds), False
            error = ended or GatewayUnavailable(self._address, "it ended the stream")
            pause = patience.next_pause() if is_transient(error) else None
            if pause is None:
                self._give_up(error)
                return
            if not broken:
                log.warning("the stream to the gateway broke and is taken up again: %s", error)
            broken = True
            time.sleep(pause)

    def _attend_once(self) -> FateFederatedError | None:
        """One stream, to its end: None when the gateway ended it in good order, else what broke it."""
        stream = object()
        with self._changed:
            self._stream = stream
            call = self._call = self._stub.Attend(self._requests(stream))
            if self._closed:
                call.cancel()
        try:
            for message in call:
                self._hear(attempt_in(message))
        except grpc.RpcError as error:
            return error_of(error, self._address)
        except FateFederatedError as error:
            call.cancel()
            return error
        finally:
            with self._changed:
                self._stream = None
                self._changed.notify_all()
        return None

    def _requests(self, stream: object) -> Iterator[pb.AttendRequest]:
        """What one stream says: the join, then a park or a report when there is one."""
        join = pb.Join()
        join.CopyFrom(self._join)
        if self._attempt is not None:
            join.attempt = self._attempt.number
        yield pb.AttendRequest(join=join)
        park_said = False
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stream is not stream or self._report is not None or (self._parking and not park_said)  # noqa: B023 it is called before park_said changes
                )
                if self._stream is not stream:
                    return
                report = self._report
            if report is not None:
                yield pb.AttendRequest(report=report)
                return
            park_said = True
            yield pb.AttendRequest(park=pb.Park())

    def _hear(self, attempt: Attempt) -> None:
        with self._changed:
            if attempt.state is AttemptState.ASSEMBLING and (
                self._attempt is None or self._attempt.state is not AttemptState.ASSEMBLING
            ):
                self._assembling_since = time.monotonic()
            self._attempt = attempt
            callbacks: list[Callable[[Attempt], None]] = []
            if attempt.decided:
                callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback(attempt)

    def _give_up(self, error: FateFederatedError) -> None:
        with self._changed:
            self._error = error
            callbacks, self._callbacks = self._callbacks, []
            attempt = self._attempt
            self._changed.notify_all()
        if attempt is not None:
            for callback in callbacks:
                callback(replace(attempt, state=AttemptState.FAILED, detail=str(error)))
