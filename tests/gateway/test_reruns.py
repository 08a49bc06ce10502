"""The initiator runs a task again, and the other sites' ended tasks come along."""

from __future__ import annotations

import pytest
from tests.gateway.conftest import ARBITER, GUEST, HOST, RUN_ID, Federation, decided, eventually

from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import Job

COMPONENT = "hetero_lr_0"


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fate_federated.gateway.reruns.LOOK_SECONDS", 0.1)


def key(party: Party) -> tuple[str, str, str]:
    return (f"demo.{party}", RUN_ID, COMPONENT)


def fail_once(federation: Federation) -> Job:
    """A job whose component has failed, and whose Airflow tasks have ended so everywhere."""
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    attendances[HOST].report(Presence.FAILED, "out of memory")
    for attendance in attendances.values():
        decided(attendance)
    for party in (HOST, ARBITER):
        federation[party].airflow.tasks[key(party)] = "failed"
    return job


def run_again(federation: Federation, job: Job) -> None:
    again = federation.attend(job, GUEST)
    assert eventually(lambda: again.attempt).number == 2


@pytest.mark.parametrize("ended", [False, True], ids=["while the job runs", "after the job's end"])
def test_the_initiators_new_try_clears_exactly_this_task_at_the_others(federation: Federation, ended: bool) -> None:
    job = fail_once(federation)
    if ended:
        federation[GUEST].client().finish_job(job.job_id, GUEST, JobStatus.FAILED)
        eventually(lambda: federation[HOST].client().get_job(job.job_id).status is JobStatus.FAILED)
    guest = federation.attend(job, GUEST)
    for party in (HOST, ARBITER):
        airflow = federation[party].airflow
        eventually(lambda a=airflow: a.cleared)
        assert airflow.cleared == [key(party)]
        assert airflow.bodies == [
            {
                "dry_run": False,
                "dag_run_id": RUN_ID,
                "task_ids": [COMPONENT],
                "only_failed": False,
                "include_downstream": False,
                "include_upstream": False,
                "reset_dag_runs": True,
            }
        ]
    others = [federation.attend(job, party) for party in (HOST, ARBITER)]
    for attendance in (guest, *others):
        attempt = attendance.wait_running(5)
        assert attempt is not None
        assert (attempt.number, attempt.rerun) == (2, True)
        attendance.report(Presence.SUCCEEDED)
    assert decided(guest).state is AttemptState.SUCCESS


def test_parties_of_the_initiators_own_site_come_along(loopback: Federation) -> None:
    job = fail_once(loopback)
    loopback.attend(job, GUEST)
    eventually(lambda: sorted(loopback[GUEST].airflow.cleared) == sorted([key(HOST), key(ARBITER)]))


def test_a_party_that_only_follows_is_cleared_too(federation: Federation) -> None:
    job = federation.start_job()
    for attendance in federation.run_attempt(job, participants=(GUEST, HOST)).values():
        attendance.report(Presence.SUCCEEDED)
    for party in (HOST, ARBITER):
        federation[party].airflow.tasks[key(party)] = "success"
    decided(federation.attend(job, ARBITER, participants=(GUEST, HOST)))
    federation.attend(job, GUEST, participants=(GUEST, HOST))
    eventually(lambda: federation[ARBITER].airflow.cleared == [key(ARBITER)])


def test_what_comes_after_it_is_cleared_where_it_was_never_tried(federation: Federation) -> None:
    job = fail_once(federation)
    run_again(federation, job)
    after = (f"demo.{HOST}", RUN_ID, "evaluation_0")
    federation[HOST].airflow.tasks[after] = "upstream_failed"
    guest = federation.attend(job, GUEST, "evaluation_0")
    attempt = eventually(lambda: guest.attempt)
    assert (attempt.number, attempt.rerun) == (1, True)
    eventually(lambda: after in federation[HOST].airflow.cleared)


def test_a_follower_is_cleared_also_when_all_is_decided(federation: Federation) -> None:
    job = fail_once(federation)
    after = (f"demo.{ARBITER}", RUN_ID, "evaluation_0")
    airflow = federation[ARBITER].airflow
    airflow.tasks[after] = "running"
    run_again(federation, job)
    guest = federation.attend(job, GUEST, "evaluation_0", (GUEST,))
    assert guest.wait_running(5) is not None
    airflow.tasks[after] = "upstream_failed"
    guest.report(Presence.SUCCEEDED)
    eventually(lambda: after in airflow.cleared)
    late = federation.attend(job, ARBITER, "evaluation_0", (GUEST,))
    assert decided(late).state is AttemptState.SUCCESS


@pytest.mark.parametrize("state", ["queued", "running", "scheduled", "deferred", "up_for_retry"])
def test_a_task_that_comes_by_itself_is_left_alone(federation: Federation, state: str) -> None:
    job = fail_once(federation)
    federation[HOST].airflow.tasks[key(HOST)] = state
    guest = federation.attend(job, GUEST)
    eventually(lambda: federation[ARBITER].airflow.cleared)
    assert guest.wait_running(0.5) is None
    assert federation[HOST].airflow.cleared == []
    # Until it has ended after all.
    federation[HOST].airflow.tasks[key(HOST)] = "upstream_failed"
    eventually(lambda: federation[HOST].airflow.cleared)


@pytest.mark.parametrize("run", ["failed", "success"])
def test_a_task_that_its_runs_end_left_without_a_state_is_cleared(federation: Federation, run: str) -> None:
    job = fail_once(federation)
    airflow = federation[HOST].airflow
    airflow.tasks[key(HOST)] = None
    guest = federation.attend(job, GUEST)
    eventually(lambda: federation[ARBITER].airflow.cleared)
    assert guest.wait_running(0.5) is None
    # As long as the run goes on, its scheduler sees to the task.
    assert airflow.cleared == []
    airflow.runs[key(HOST)[:2]] = run
    eventually(lambda: airflow.cleared == [key(HOST)])


def test_another_partys_new_try_clears_nothing(federation: Federation) -> None:
    job = fail_once(federation)
    host = federation.attend(job, HOST)
    attempt = eventually(lambda: host.attempt)
    assert (attempt.number, attempt.rerun) == (2, False)
    assert host.wait_running(0.5) is None
    assert federation[ARBITER].airflow.cleared == []


def test_a_task_that_ends_each_time_is_not_cleared_for_ever(federation: Federation) -> None:
    job = fail_once(federation)
    airflow = federation[HOST].airflow
    guest = federation.attend(job, GUEST)
    for count in (1, 2, 3):
        eventually(lambda n=count: len(airflow.cleared) == n)
        airflow.tasks[key(HOST)] = "failed"
    assert guest.wait_running(0.5) is None
    assert len(airflow.cleared) == 3
