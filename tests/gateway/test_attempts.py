"""Attempts: joined, run, decided, the same at every party."""

from __future__ import annotations

import asyncio

import pytest
from tests.gateway.conftest import (
    ALL,
    ARBITER,
    GUEST,
    HOST,
    Federation,
    decided,
    eventually,
    on_both_databases,
)

from fate_federated.errors import AttemptCanceled, AttemptFailed, JobError, JobNotFound
from fate_federated.gateway.client import AsyncGatewayClient, open_aio_channel
from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import Attempt, Job, TaskRef

COMPONENT = "hetero_lr_0"


@pytest.fixture
def federation(shared_federation: Federation) -> Federation:
    return shared_federation


def await_attempt(federation: Federation, job: Job, party: Party, *, until_decided: bool = False) -> Attempt:
    """As the triggerer does for a parked task."""

    async def work() -> Attempt:
        site = federation[party]
        async with AsyncGatewayClient(open_aio_channel(site.address, site.tls()), site.address) as client:
            return await asyncio.wait_for(
                client.await_attempt(TaskRef(job.job_id, COMPONENT), party, until_decided=until_decided), 10
            )

    return asyncio.run(work())


def presence(attempt: Attempt | None, party: Party) -> Presence:
    seat = attempt.seat(party) if attempt is not None else None
    return Presence.ABSENT if seat is None else seat.presence


@on_both_databases
def test_an_attempt_runs_when_all_have_joined_and_succeeds_when_all_have(loopback: Federation) -> None:
    job = loopback.start_job()
    guest = loopback.attend(job, GUEST)
    host = loopback.attend(job, HOST)
    assert guest.wait_running(0.3) is None
    arbiter = loopback.attend(job, ARBITER)
    for attendance in (guest, host, arbiter):
        attempt = attendance.wait_running(5)
        assert attempt is not None
        assert (attempt.state, attempt.number) == (AttemptState.RUNNING, 1)
        assert set(attempt.participants) == set(ALL)
    guest.report(Presence.SUCCEEDED)
    host.report(Presence.SUCCEEDED)
    assert arbiter.wait_decided(0.2) is None
    arbiter.report(Presence.SUCCEEDED)
    for attendance in (guest, host, arbiter):
        assert decided(attendance).state is AttemptState.SUCCESS


@on_both_databases
def test_a_failure_at_one_party_fails_the_attempt_at_all_and_names_it(fresh_federation: Federation) -> None:
    job = fresh_federation.start_job()
    attendances = fresh_federation.run_attempt(job)
    attendances[HOST].report(Presence.FAILED, "DataError: no such column")
    for attendance in attendances.values():
        attempt = decided(attendance)
        assert attempt.state is AttemptState.FAILED
        assert attempt.detail == "host-10000: DataError: no such column"
        with pytest.raises(AttemptFailed, match="host-10000"):
            attendance.wait_running(0)


@pytest.mark.parametrize("lost", ALL, ids=str)
def test_an_attempt_fails_everywhere_when_one_party_is_lost(federation: Federation, lost: Party) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances.pop(lost).close()
    for attendance in attendances.values():
        attempt = decided(attendance)
        assert attempt.state is AttemptState.FAILED
        assert attempt.detail == f"{lost}: the task's process at {lost} went away"


def test_a_task_that_goes_away_while_the_others_are_still_to_come_fails_the_attempt_too(
    federation: Federation,
) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST)
    host = federation.attend(job, HOST)
    eventually(lambda: presence(guest.attempt, HOST) is Presence.JOINED)
    host.close()
    assert "host-10000" in decided(guest).detail


def test_a_person_who_stops_a_task_cancels_the_attempt(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[ARBITER].report(Presence.CANCELED, "stopped by a person")
    for attendance in attendances.values():
        assert decided(attendance).state is AttemptState.CANCELED
        with pytest.raises(AttemptCanceled, match="arbiter-10000: stopped by a person"):
            attendance.wait_running(0)


def test_a_task_that_comes_back_within_the_lease_is_not_missed(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), (ARBITER,), gateway={"lease_seconds": 5.0})
    job = federation.start_job()
    attendances = {party: federation.attend(job, party, instance=f"{party}/try-1") for party in ALL}
    assert attendances[HOST].wait_running(10) is not None
    attendances[HOST].close()
    attendances[HOST] = federation.attend(job, HOST, instance="host-10000/try-1", attempt=1)
    assert attendances[HOST].wait_running(10) is not None
    assert attendances[GUEST].wait_decided(1.0) is None
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    assert decided(attendances[GUEST]).state is AttemptState.SUCCESS


def test_what_was_reported_before_a_task_went_away_counts(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[HOST].report(Presence.SUCCEEDED)
    attendances[HOST].close()
    assert attendances[GUEST].wait_decided(1.0) is None
    attendances[GUEST].report(Presence.SUCCEEDED)
    attendances[ARBITER].report(Presence.SUCCEEDED)
    assert decided(attendances[GUEST]).state is AttemptState.SUCCESS


@on_both_databases
def test_a_parked_party_is_woken_when_the_others_are_there(fresh_federation: Federation) -> None:
    job = fresh_federation.start_job()
    guest = fresh_federation.attend(job, GUEST)
    assert guest.wait_running(0.1) is None
    assert guest.park()
    host = fresh_federation.attend(job, HOST)
    assert host.wait_running(0.1) is None
    arbiter = fresh_federation.attend(job, ARBITER)
    assert await_attempt(fresh_federation, job, GUEST).state is AttemptState.ASSEMBLING
    for attendance in (host, arbiter):
        eventually(lambda a=attendance: a.attempt and a.attempt.state is AttemptState.ASSEMBLING)
    back = fresh_federation.attend(job, GUEST, attempt=1)
    # While the guest was on its way, the others' grace was prolonged.
    for attendance in (host, arbiter, back):
        attempt = attendance.wait_running(5 if attendance is back else 0)
        assert attempt is not None
        assert attempt.number == 1


def test_a_party_that_parks_again_does_not_hold_the_attempt_up(federation: Federation) -> None:
    job = federation.start_job()
    parked = {party: federation.attend(job, party) for party in ALL[:2]}
    for attendance in parked.values():
        assert attendance.park()
    arbiter = federation.attend(job, ARBITER)
    assert await_attempt(federation, job, HOST).state is AttemptState.ASSEMBLING
    assert arbiter.park()
    again = [federation.attend(job, party, attempt=1) for party in ALL]
    for attendance in again:
        assert attendance.wait_running(5) is not None


def test_parking_too_late_says_so(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    assert attendances[GUEST].park() is False
    assert attendances[GUEST].wait_running(0) is not None
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    assert decided(attendances[GUEST]).state is AttemptState.SUCCESS


def test_a_parked_party_hears_of_the_decision(federation: Federation) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST)
    assert guest.park()
    federation.attend(job, HOST).report(Presence.FAILED, "out of memory")
    woken = await_attempt(federation, job, GUEST)
    assert (woken.state, woken.detail) == (AttemptState.FAILED, "host-10000: out of memory")
    # The task that comes back to the attempt it was woken for is told its end, and opens no new one.
    back = federation.attend(job, GUEST, attempt=woken.number)
    assert decided(back).number == 1
    assert [state.attempt for state in federation[GUEST].client().get_job(job.job_id).tasks] == [1]


def test_a_party_without_a_part_follows_the_outcome_and_cannot_change_it(federation: Federation) -> None:
    job = federation.start_job()
    follower = federation.attend(job, ARBITER, participants=(GUEST, HOST))
    attendances = federation.run_attempt(job, participants=(GUEST, HOST))
    follower.close()
    assert attendances[GUEST].wait_decided(1.0) is None
    follower = federation.attend(job, ARBITER, participants=(GUEST, HOST))
    assert follower.park(), "a follower may park while the attempt runs"
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    assert await_attempt(federation, job, ARBITER, until_decided=True).state is AttemptState.SUCCESS


def test_a_follower_that_comes_late_ends_as_the_others_did(federation: Federation) -> None:
    job = federation.start_job()
    for attendance in federation.run_attempt(job, participants=(GUEST, HOST)).values():
        attendance.report(Presence.SUCCEEDED)
    eventually(lambda: federation[ARBITER].client().get_job(job.job_id).tasks)
    late = federation.attend(job, ARBITER, participants=(GUEST, HOST))
    assert (decided(late).number, decided(late).state) == (1, AttemptState.SUCCESS)
    again = federation.attend(job, ARBITER, participants=(GUEST, HOST))
    assert eventually(lambda: again.attempt).number == 2, "a task that has ended once waits for the next attempt"


def test_a_participant_that_comes_when_all_is_over_ends_as_the_others_did(federation: Federation) -> None:
    job = federation.start_job()
    federation.attend(job, GUEST).report(Presence.CANCELED, "stopped by a person")
    late = federation.attend(job, HOST)
    assert (decided(late).number, decided(late).state) == (1, AttemptState.CANCELED)
    again = federation.attend(job, GUEST)
    assert eventually(lambda: again.attempt).number == 2


def test_parties_that_disagree_on_the_participants_fail_the_attempt(federation: Federation) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST, participants=ALL)
    host = federation.attend(job, HOST, participants=(GUEST, HOST))
    for attendance in (guest, host):
        assert "not of the same dsl" in decided(attendance).detail


def test_a_restarted_task_fails_the_running_attempt_and_opens_the_next(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    fresh = federation.attend(job, HOST, instance="host-10000/try-2")
    assert decided(attendances[GUEST]).detail == "host-10000: its task was restarted"
    assert eventually(lambda: fresh.attempt).number == 2


def test_every_party_gets_the_same_decision_when_two_fail_at_once(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[GUEST].report(Presence.FAILED, "first")
    attendances[HOST].report(Presence.FAILED, "second")
    assert len({(decided(a).state, decided(a).detail) for a in attendances.values()}) == 1


def test_a_job_that_is_not_known_cannot_be_attended(loopback: Federation) -> None:
    job = loopback.start_job()
    attendance = loopback.attend(Job(**{**_fields(job), "job_id": "2026"}), GUEST)
    with pytest.raises(JobNotFound, match="2026"):
        attendance.wait_running(5)


def test_a_party_that_is_not_of_the_job_is_no_participant(loopback: Federation) -> None:
    job = loopback.start_job()
    attendance = loopback.attend(job, GUEST, participants=(GUEST, Party.parse("host-1")))
    with pytest.raises(JobError, match="not parties of the job"):
        attendance.wait_running(5)


def test_after_the_jobs_end_only_the_initiator_begins_anew(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[HOST].report(Presence.FAILED, "out of memory")
    decided(attendances[GUEST])
    federation[GUEST].client().finish_job(job.job_id, GUEST, JobStatus.FAILED, "hetero_lr_0 failed")
    host = federation[HOST].client()
    eventually(lambda: host.get_job(job.job_id).status is JobStatus.FAILED)
    late = federation.attend(job, HOST)
    with pytest.raises(AttemptFailed, match="clear the task at guest-9999"):
        late.wait_running(5)
    guest = federation.attend(job, GUEST)
    assert eventually(lambda: guest.attempt).number == 2
    eventually(lambda: host.get_job(job.job_id).status is JobStatus.RUNNING)
    assert host.get_job(job.job_id).ended_at == 0


def _fields(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__dataclass_fields__}
