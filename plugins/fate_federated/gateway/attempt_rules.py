"""How an attempt goes from one state to the next: pure functions.

Each gives the attempt as it is afterwards, with the next revision; the very same object where nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fate_federated.party import Party
from fate_federated.status import AttemptState, Presence
from fate_federated.wire.records import Attempt, PartyPresence, TaskRef

_BROKEN = (Presence.FAILED, Presence.CANCELED, Presence.LOST)


def opened(task: TaskRef, number: int, parties: Sequence[Party], participants: Sequence[Party], now: float) -> Attempt:
    """A new attempt, in which nobody has joined yet."""
    seats = tuple(PartyPresence(party, party in participants, Presence.ABSENT) for party in parties)
    return Attempt(task, number, AttemptState.WAITING, "", seats, 1, now, 0.0, 0.0)


def joined(attempt: Attempt, party: Party, instance: str, now: float) -> Attempt:
    """A task has come, or has come back from being parked.

    A participant's new task while its former one still counts as running fails the attempt: the former one cannot
    have ended well without a word.
    """
    seat = _seat(attempt, party)
    if seat.instance == instance and seat.presence is not Presence.PARKED:
        return attempt
    if attempt.state is AttemptState.RUNNING and seat.participates:
        return failed(attempt, f"{party}: its task was restarted", now)
    return _with(attempt, replace(seat, presence=Presence.JOINED, detail="", instance=instance), now)


def parked(attempt: Attempt, party: Party, instance: str, now: float) -> Attempt:
    """A task defers until the others are there. Too late once the attempt runs, except for one that only follows."""
    seat = _seat(attempt, party)
    late = attempt.state is AttemptState.RUNNING and seat.participates
    if seat.instance != instance or seat.presence is not Presence.JOINED or late:
        return attempt
    return _with(attempt, replace(seat, presence=Presence.PARKED), now)


def reported(attempt: Attempt, party: Party, instance: str, outcome: Presence, detail: str, now: float) -> Attempt:
    """A task has ended, or (LOST) went away. What a party reported first stands."""
    seat = _seat(attempt, party)
    if seat.instance != instance or seat.presence.reported or attempt.decided:
        return attempt
    if outcome is Presence.SUCCEEDED and seat.participates and attempt.state is not AttemptState.RUNNING:
        return attempt
    return _with(attempt, replace(seat, presence=outcome, detail=detail), now)


def silenced(attempt: Attempt, parties: Sequence[Party], detail: str, now: float) -> Attempt:
    """The gateway of these parties does not answer."""
    for party in parties:
        seat = attempt.seat(party)
        if seat is not None and seat.participates and not seat.presence.reported and not attempt.decided:
            attempt = _with(attempt, replace(seat, presence=Presence.LOST, detail=detail), now)
    return attempt


def failed(attempt: Attempt, detail: str, now: float) -> Attempt:
    """Decide against the attempt."""
    return _decided(attempt, AttemptState.FAILED, detail, now)


def canceled(attempt: Attempt, detail: str, now: float) -> Attempt:
    """A person stops the attempt."""
    return _decided(attempt, AttemptState.CANCELED, detail, now)


def rerun(attempt: Attempt) -> Attempt:
    """The initiator asks for this attempt: sites clear their ended tasks."""
    return attempt if attempt.rerun else replace(attempt, rerun=True, revision=attempt.revision + 1)


def _seat(attempt: Attempt, party: Party) -> PartyPresence:
    seat = attempt.seat(party)
    if seat is None:
        raise KeyError(f"{party} is not of {attempt.task}")
    return seat


def _with(attempt: Attempt, seat: PartyPresence, now: float) -> Attempt:
    """Put a party where it stands now, and draw the consequences."""
    seats = tuple(seat if other.party == seat.party else other for other in attempt.parties)
    changed = replace(attempt, parties=seats, revision=attempt.revision + 1)
    if not seat.participates or attempt.decided:
        return changed
    if seat.presence in _BROKEN:
        verdict = AttemptState.CANCELED if seat.presence is Presence.CANCELED else AttemptState.FAILED
        return replace(changed, state=verdict, detail=f"{seat.party}: {seat.detail}", decided_at=now)
    presences = [other.presence for other in seats if other.participates]
    if attempt.state is AttemptState.RUNNING:
        if all(presence is Presence.SUCCEEDED for presence in presences):
            return replace(changed, state=AttemptState.SUCCESS, decided_at=now)
        return changed
    if all(presence is Presence.JOINED for presence in presences):
        return replace(changed, state=AttemptState.RUNNING, started_at=now)
    if all(presence in (Presence.JOINED, Presence.PARKED) for presence in presences):
        return replace(changed, state=AttemptState.ASSEMBLING)
    return replace(changed, state=AttemptState.WAITING)


def _decided(attempt: Attempt, state: AttemptState, detail: str, now: float) -> Attempt:
    if attempt.decided:
        return attempt
    return replace(attempt, state=state, detail=detail, decided_at=now, revision=attempt.revision + 1)
