"""Waiting in the triggerer, on a real gateway."""

from __future__ import annotations

import asyncio
import logging

import pytest
from airflow.triggers.base import TriggerEvent
from tests.airflow_edge.conftest import CONNECTION, connection_to
from tests.gateway.conftest import ARBITER, GUEST, HOST, Federation, decided

from fate_federated.party import Party
from fate_federated.status import AttemptState, Presence
from fate_federated.triggers import AttemptTrigger
from fate_federated.wire.records import Job

PARTICIPANTS = (GUEST, HOST)


@pytest.fixture
def job(loopback: Federation, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv(CONNECTION, connection_to(loopback[GUEST].address))
    return loopback.start_job()


def trigger_of(job: Job, party: Party, attempt: int = 1) -> AttemptTrigger:
    return AttemptTrigger(
        job_id=job.job_id,
        component="hetero_lr_0",
        party=str(party),
        participants=[str(participant) for participant in PARTICIPANTS],
        attempt=attempt,
        gateway_conn_id="fate_gateway",
    )


async def first_event(trigger: AttemptTrigger) -> dict[str, object]:
    event: TriggerEvent = await anext(trigger.run())
    payload: dict[str, object] = event.payload
    return payload


def park(federation: Federation, job: Job, party: Party) -> None:
    assert federation.attend(job, party, participants=PARTICIPANTS).park()


async def test_a_parked_party_is_woken_when_the_others_are_there(loopback: Federation, job: Job) -> None:
    await asyncio.to_thread(park, loopback, job, GUEST)
    waiting = asyncio.create_task(first_event(trigger_of(job, GUEST)))
    await asyncio.to_thread(loopback.attend, job, HOST, participants=PARTICIPANTS)
    assert await asyncio.wait_for(waiting, 10) == {"attempt": 1, "error": ""}


async def test_a_follower_is_woken_by_the_decision(loopback: Federation, job: Job) -> None:
    waiting = asyncio.create_task(first_event(trigger_of(job, ARBITER)))
    attendances = await asyncio.to_thread(loopback.run_attempt, job, participants=PARTICIPANTS)
    assert not waiting.done()
    for attendance in attendances.values():
        await asyncio.to_thread(attendance.report, Presence.SUCCEEDED)
    assert await asyncio.wait_for(waiting, 10) == {"attempt": 1, "error": ""}


async def test_it_comes_back_from_its_own_serialization(loopback: Federation, job: Job) -> None:
    path, arguments = trigger_of(job, GUEST, attempt=3).serialize()
    assert path == "fate_federated.triggers.AttemptTrigger"
    assert AttemptTrigger(**arguments).serialize() == (path, arguments)


async def test_it_waits_through_a_restart_of_the_gateway(
    loopback: Federation, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(park, loopback, job, GUEST)
    waiting = asyncio.create_task(first_event(trigger_of(job, GUEST)))
    await asyncio.to_thread(loopback[GUEST].restart)
    assert not waiting.done()
    await asyncio.to_thread(loopback.attend, job, HOST, participants=PARTICIPANTS)
    assert await asyncio.wait_for(waiting, 20) == {"attempt": 1, "error": ""}
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_the_gateway_refuses_is_told_to_the_task(loopback: Federation, job: Job) -> None:
    unknown = AttemptTrigger(**{**trigger_of(job, GUEST).serialize()[1], "job_id": "20990101"})
    event = await asyncio.wait_for(first_event(unknown), 10)
    assert event["attempt"] == 0
    assert "There is no job 20990101" in str(event["error"])


async def test_a_person_who_ends_a_waiting_task_cancels_the_attempt_for_all(loopback: Federation, job: Job) -> None:
    await asyncio.to_thread(park, loopback, job, GUEST)
    trigger = trigger_of(job, GUEST)
    waiting = asyncio.create_task(first_event(trigger))
    await trigger.on_kill()
    waiting.cancel()
    host = await asyncio.to_thread(loopback.attend, job, HOST, participants=PARTICIPANTS)
    attempt = await asyncio.to_thread(decided, host)
    assert (attempt.number, attempt.state) == (1, AttemptState.CANCELED)
    assert attempt.detail == "guest-9999: stopped by a person"


async def test_a_triggerer_that_restarts_ends_nothing(loopback: Federation, job: Job) -> None:
    await asyncio.to_thread(park, loopback, job, GUEST)
    trigger = trigger_of(job, GUEST)
    waiting = asyncio.create_task(first_event(trigger))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await trigger.cleanup()
    again = asyncio.create_task(first_event(trigger_of(job, GUEST)))
    await asyncio.to_thread(loopback.attend, job, HOST, participants=PARTICIPANTS)
    assert (await asyncio.wait_for(again, 10))["attempt"] == 1


async def test_a_follower_that_a_person_ends_leaves_the_others_alone(loopback: Federation, job: Job) -> None:
    attendances = await asyncio.to_thread(loopback.run_attempt, job, participants=PARTICIPANTS)
    await trigger_of(job, ARBITER).on_kill()
    for attendance in attendances.values():
        await asyncio.to_thread(attendance.report, Presence.SUCCEEDED)
    assert (await asyncio.to_thread(decided, attendances[GUEST])).state is AttemptState.SUCCESS
