"""Attempts: joined, run, decided, the same at every party."""

from __future__ import annotations

import pytest
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation, decided

from fate_federated.errors import AttemptFailed
from fate_federated.status import AttemptState, Presence


def test_an_attempt_runs_when_all_have_joined_and_succeeds_when_all_have(loopback: Federation) -> None:
    job = loopback.start_job()
    guest = loopback.attend(job, GUEST)
    host = loopback.attend(job, HOST)
    assert guest.wait_running(0.3) is None
    arbiter = loopback.attend(job, ARBITER)
    for attendance in (guest, host, arbiter):
        attempt = attendance.wait_running(5)
        assert attempt is not None
        assert attempt.state is AttemptState.RUNNING
        assert attempt.number == 1
    guest.report(Presence.SUCCEEDED)
    host.report(Presence.SUCCEEDED)
    assert arbiter.wait_decided(0.2) is None
    arbiter.report(Presence.SUCCEEDED)
    for attendance in (guest, host, arbiter):
        assert decided(attendance).state is AttemptState.SUCCESS


def test_a_failure_at_one_party_fails_the_attempt_at_all_and_names_it(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[HOST].report(Presence.FAILED, "DataError: no such column")
    for attendance in attendances.values():
        attempt = decided(attendance)
        assert attempt.state is AttemptState.FAILED
        assert attempt.detail == "host-10000: DataError: no such column"


@pytest.mark.parametrize("lost", ALL)
def test_an_attempt_fails_everywhere_when_one_party_is_lost(federation: Federation, lost) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances.pop(lost).close()
    for attendance in attendances.values():
        attempt = decided(attendance)
        assert attempt.state is AttemptState.FAILED
        assert str(lost) in attempt.detail
        with pytest.raises(AttemptFailed, match=str(lost)):
            attendance.wait_running(0)
