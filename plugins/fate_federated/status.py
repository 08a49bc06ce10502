"""The states of jobs, attempts and tasks, named as FATE names them."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """State of a job as one party sees it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        return self not in (JobStatus.WAITING, JobStatus.RUNNING)


class AttemptState(StrEnum):
    """State of one federated execution of a component.

    WAITING for parties to join; ASSEMBLING when all have announced themselves and the deferred ones are being woken;
    RUNNING from the moment all have joined; then one decision for every party.
    """

    WAITING = "waiting"
    ASSEMBLING = "assembling"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def decided(self) -> bool:
        return self in (AttemptState.SUCCESS, AttemptState.FAILED, AttemptState.CANCELED)


class Presence(StrEnum):
    """Where one party stands in an attempt."""

    ABSENT = "absent"
    PARKED = "parked"
    """Its task is deferred to the triggerer and comes back when the attempt assembles."""
    JOINED = "joined"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"
    """Its task's process, or its gateway, went away without a word."""

    @property
    def reported(self) -> bool:
        return self in (Presence.SUCCEEDED, Presence.FAILED, Presence.CANCELED, Presence.LOST)
