"""A peer's gateway that goes silent while an attempt needs it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation, decided, eventually

from fate_federated.party import Party
from fate_federated.status import AttemptState, Presence
from fate_federated.wire.records import TaskRef

COMPONENT = "hetero_lr_0"


@pytest.fixture
def impatient(new_federation: Federation) -> Federation:
    return new_federation.add_sites((GUEST,), (HOST,), (ARBITER,), gateway={"peer_silence_seconds": 2.0})


def test_a_silent_site_fails_the_attempt_at_the_others(impatient: Federation) -> None:
    job = impatient.start_job()
    attendances = impatient.run_attempt(job)
    impatient[HOST].stop()
    for party in (GUEST, ARBITER):
        attempt = decided(attendances[party], 10)
        assert attempt.state is AttemptState.FAILED
        assert attempt.detail.startswith("host-10000: the gateway at 127.0.0.1:")
        assert "did not answer for" in attempt.detail
    impatient[HOST].start()
    assert decided(attendances[HOST], 10).detail == attempt.detail


def test_a_silent_coordinator_fails_the_attempt_at_the_sites_that_wait_for_it(impatient: Federation) -> None:
    job = impatient.start_job()
    attendances = impatient.run_attempt(job)
    with ThreadPoolExecutor(1) as pool:
        transport = impatient[HOST].client().transport(TaskRef(job.job_id, COMPONENT), 1, HOST)
        pull = pool.submit(transport.pull, GUEST, "never")
        impatient[GUEST].stop()
        for party in (HOST, ARBITER):
            attempt = decided(attendances[party], 10)
            assert attempt.state is AttemptState.FAILED
            assert attempt.detail.startswith("guest-9999: the gateway at ")
        assert "guest-9999" in str(pull.exception(10))
    # When it is back it hears of that, and all agree.
    impatient[GUEST].start()
    attempt = decided(attendances[GUEST], 10)
    assert attempt.state is AttemptState.FAILED
    assert "guest-9999: the gateway at " in attempt.detail
    for party in ALL:
        client = impatient[party].client()
        eventually(lambda c=client: c.get_job(job.job_id).tasks[0].state is AttemptState.FAILED)


@pytest.mark.parametrize("away", [GUEST, HOST], ids=str)
def test_a_short_silence_is_forgiven(new_federation: Federation, away: Party) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), (ARBITER,), gateway={"peer_silence_seconds": 6.0})
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    federation[away].stop()
    assert attendances[ARBITER].wait_decided(1.0) is None
    federation[away].start()
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    for attendance in attendances.values():
        assert decided(attendance, 10).state is AttemptState.SUCCESS


def test_a_site_without_a_part_may_be_silent(impatient: Federation) -> None:
    job = impatient.start_job()
    attendances = impatient.run_attempt(job, participants=(GUEST, HOST))
    impatient[ARBITER].stop()
    assert attendances[GUEST].wait_decided(3.0) is None
