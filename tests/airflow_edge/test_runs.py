"""Whole DAG runs of three parties: real operators in real ``dag.test()`` runs, on a real gateway."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.airflow_edge.airflows import PartyRun
from tests.airflow_edge.conftest import COMPONENT, Parties, conf
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, eventually

from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus

BOTH = (GUEST, HOST)
"""The participants, where it does not matter that the arbiter follows."""


def states(runs: Mapping[Party, PartyRun], task: str = COMPONENT) -> dict[Party, str]:
    return {party: run.result()["tasks"][task]["state"] for party, run in runs.items()}


def test_a_job_succeeds_at_every_party_and_tells_its_story(parties: Parties) -> None:
    job = parties.prepare(conf())
    runs = parties.start_all()
    for party, run in runs.items():
        outcome = run.result()
        assert outcome["state"] == "success", (party, outcome)
        assert {task["state"] for task in outcome["tasks"].values()} == {"success"}
        assert outcome["tasks"]["start_job"]["xcom"] == job.job_id
        assert outcome["tasks"]["finish_job"]["xcom"] == "success"
    guest = runs[GUEST].result()["tasks"][COMPONENT]["xcom"]
    assert (guest["attempt"], guest["rows"], guest["messages"]) == (1, 2, 1)
    assert guest["summary"] == {"total": 3.0, "worst": "nan"}
    assert guest["bytes"] > 0
    assert runs[ARBITER].result()["tasks"][COMPONENT]["xcom"] == {"attempt": 1}
    story = runs[GUEST].log.read_text()
    for told in (
        f"attempt 1 of {COMPONENT} started: guest-9999, host-10000",
        "iteration 2: loss 1.000000",
        "1 messages",
        f"attempt 1 of {COMPONENT} succeeded at all parties",
    ):
        assert told in story
    client = parties.federation[GUEST].client()
    (metrics,) = client.get_metrics(job.job_id, party=GUEST)
    assert metrics.metrics[0].points == ((0.0, 3.0), (1.0, 1.5), (2.0, 1.0))
    (output,) = client.list_outputs(job.job_id)
    assert (output.party, output.kind, output.name, output.rows) == (GUEST, "data", "total", 2)
    assert client.get_job(job.job_id).status is JobStatus.SUCCESS


def test_a_run_overrides_parameters_at_every_party(parties: Parties) -> None:
    parties.prepare(conf())
    overrides = {"component_parameters": {"role": {"host": {"0": {COMPONENT: {"number": 40}}}}}}
    runs = parties.start_all(BOTH, run_conf=overrides)
    assert runs[GUEST].result()["tasks"][COMPONENT]["xcom"]["summary"]["total"] == 41


def test_a_run_with_a_wrong_parameter_fails_before_there_is_a_job(parties: Parties) -> None:
    parties.prepare(conf())
    overrides = {"component_parameters": {"common": {COMPONENT: {"nmber": 40}}}}
    run = parties.start(GUEST, run_conf=overrides)
    assert run.result()["tasks"]["start_job"]["state"] == "failed"
    told = f"the run's conf /component_parameters/common/{COMPONENT}/nmber: {COMPONENT}"
    assert told in run.log.read_text()
    assert "Did you mean 'number'?" in run.log.read_text()


def test_a_failure_names_party_and_kind_everywhere_and_its_cause_at_its_party(parties: Parties) -> None:
    job = parties.prepare(conf({"host": {"behaviour": "data_error"}}))
    runs = parties.start_all()
    assert states(runs) == dict.fromkeys(ALL, "failed")
    for party, run in runs.items():
        assert run.result()["state"] == "failed"
        assert f"The run failed: {COMPONENT} failed." in run.log.read_text(), party
    for party in (GUEST, ARBITER):
        log = runs[party].log.read_text()
        assert "host-10000: DataError (see the log of its task)" in log
        assert "x0" not in log
    assert "Column 'x0' holds text in row 3" in runs[HOST].log.read_text()
    told = parties.federation[GUEST].client().get_job(job.job_id)
    assert (told.status, told.detail) == (JobStatus.FAILED, f"{COMPONENT} failed")


def test_the_text_of_an_unexpected_error_stays_at_its_party(parties: Parties) -> None:
    job = parties.prepare(conf({"host": {"behaviour": "bug"}}))
    runs = parties.start_all(BOTH)
    assert states(runs) == dict.fromkeys(BOTH, "failed")
    assert "patient 4711" in runs[HOST].log.read_text()
    log = runs[GUEST].log.read_text()
    assert "host-10000: ZeroDivisionError (see the log of its task)" in log
    assert "patient" not in log
    assert "patient" not in str(parties.federation[GUEST].client().get_job(job.job_id))


def test_a_party_that_blocks_in_a_system_call_ends_when_another_fails(parties: Parties, gate: Path) -> None:
    parties.prepare(conf({"guest": {"behaviour": "block", "gate": str(gate)}, "host": {"behaviour": "data_error"}}))
    runs = parties.start_all(BOTH)
    assert states(runs) == dict.fromkeys(BOTH, "failed")
    assert "host-10000: DataError" in runs[GUEST].log.read_text()


def test_a_late_party_is_waited_for_in_the_triggerer(parties: Parties) -> None:
    parties.prepare(conf(), grace_seconds=0.1)
    runs = parties.start_all((GUEST, ARBITER))
    for party in (GUEST, ARBITER):
        wait_for_line(runs[party], "Pausing task as DEFERRED")
    assert "waiting for host-10000" in runs[GUEST].log.read_text()
    runs |= parties.start_all((HOST,))
    assert states(runs) == dict.fromkeys(ALL, "success")
    assert runs[GUEST].result()["tasks"][COMPONENT]["xcom"]["attempt"] == 1


def test_a_killed_process_fails_the_task_at_all_parties(parties: Parties, gate: Path) -> None:
    parties.prepare(conf({"host": {"behaviour": "block", "gate": str(gate)}}))
    runs = parties.start_all()
    wait_for_line(runs[HOST], f"attempt 1 of {COMPONENT} started")
    os.kill(runs[HOST].pid.result(), signal.SIGKILL)
    assert runs[HOST].outcome.result(10) == {}
    for party in (GUEST, ARBITER):
        assert runs[party].result(15)["tasks"][COMPONENT]["state"] == "failed"
        assert "host-10000" in told_of_the_decision(runs[party])


def test_a_task_that_a_person_stops_cancels_the_attempt(parties: Parties, gate: Path) -> None:
    parties.prepare(conf({"host": {"behaviour": "block", "gate": str(gate)}}, retries=3))
    runs = parties.start_all()
    wait_for_line(runs[HOST], f"attempt 1 of {COMPONENT} started")
    # As the UI does: the state first, then Airflow's signal to the process.
    with sqlite3.connect(parties.folder / str(HOST) / "airflow.db", timeout=10) as database:
        database.execute("UPDATE task_instance SET state = 'failed' WHERE task_id = ?", (COMPONENT,))
    os.kill(runs[HOST].pid.result(), signal.SIGTERM)
    for party in (GUEST, ARBITER):
        # Not tried again: a person wanted it to end.
        assert runs[party].result(15)["tasks"][COMPONENT]["state"] == "failed"
        assert "canceled: host-10000: stopped by a person" in told_of_the_decision(runs[party])


def test_a_worker_that_is_shut_down_fails_the_attempt(parties: Parties, gate: Path) -> None:
    parties.prepare(conf({"guest": {"behaviour": "block", "gate": str(gate)}}))
    runs = parties.start_all(BOTH)
    wait_for_line(runs[GUEST], f"attempt 1 of {COMPONENT} started")
    os.kill(runs[GUEST].pid.result(), signal.SIGTERM)
    assert states(runs) == dict.fromkeys(BOTH, "failed")
    assert "guest-9999: the task's worker was shut down" in told_of_the_decision(runs[HOST])


def test_a_task_that_takes_too_long_fails_the_attempt(parties: Parties, gate: Path) -> None:
    job = parties.prepare(conf({"guest": {"behaviour": "block", "gate": str(gate)}}, timeout=4))
    runs = parties.start_all(BOTH)
    assert states(runs) == dict.fromkeys(BOTH, "failed")
    # Both tasks may reach their limit before either is told of the other's.
    (task,) = parties.federation[GUEST].client().get_job(job.job_id).tasks
    assert (task.attempt, task.state) == (1, AttemptState.FAILED)
    assert "the task's execution_timeout passed" in task.detail


def test_a_task_is_tried_again_at_all_parties(parties: Parties, gate: Path) -> None:
    parties.prepare(conf({"host": {"behaviour": "fail_once", "gate": str(gate)}}, retries=1, retry_delay_seconds=1))
    runs = parties.start_all(BOTH)
    assert states(runs) == dict.fromkeys(BOTH, "success")
    assert runs[GUEST].result()["tasks"][COMPONENT]["xcom"]["attempt"] == 2


def test_a_gateway_that_is_down_is_named(parties: Parties) -> None:
    parties.prepare(conf())
    address = parties.federation[GUEST].address
    parties.federation[GUEST].stop()
    run = parties.start(GUEST)
    assert run.result()["state"] == "failed"
    assert run.result()["tasks"]["start_job"]["state"] == "failed"
    assert f"The gateway at {address} did not answer" in run.log.read_text()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A FIFO on which a component blocks; opened at the end, so that no thread stays behind in it."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    yield path
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def wait_for_line(run: PartyRun, text: str, within_seconds: float = 30.0) -> None:
    def there() -> bool:
        return run.log.exists() and text in run.log.read_text()

    eventually(there, within_seconds)


def told_of_the_decision(run: PartyRun) -> str:
    """The lines that say how the attempt ended."""
    return "\n".join(line for line in run.log.read_text().splitlines() if f"Attempt 1 of {COMPONENT}" in line)
