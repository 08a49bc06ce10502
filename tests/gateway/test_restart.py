"""A gateway that is restarted, or killed, loses nothing that it had acknowledged."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import yaml
from tests.gateway.conftest import (
    ALL,
    ARBITER,
    GUEST,
    HOST,
    Federation,
    TestSite,
    decided,
    eventually,
    on_both_databases,
)

from fate_federated.errors import GatewayUnavailable, SiteError
from fate_federated.gateway.server import build_gateway
from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import Metric, TaskRef

COMPONENT = "hetero_lr_0"


@contextmanager
def own_process(site: TestSite) -> Iterator[subprocess.Popen[bytes]]:
    """A site's gateway as the process that an administrator starts."""
    site.stop()
    file = site.settings.home / "site.yaml"
    file.write_text(yaml.safe_dump(site.settings.model_dump(mode="json")))
    command = [sys.executable, "-m", "fate_federated.gateway", "--site", str(file)]
    with (site.settings.home / "gateway.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: answers(site), 60)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(site: TestSite) -> bool:
    try:
        site.client().site()
    except GatewayUnavailable:
        return False
    return True


@pytest.mark.parametrize("restarted", [GUEST, HOST], ids=str)
def test_a_running_attempt_survives_a_restart(federation: Federation, restarted: Party) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    task = TaskRef(job.job_id, COMPONENT)
    transports = {party: federation[party].client().transport(task, 1, party) for party in ALL}
    transports[HOST].push(GUEST, "before", np.arange(5))
    transports[GUEST].push(HOST, "before", np.arange(6))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transports[restarted].pull, ARBITER, "after")
        federation[restarted].restart()
        transports[ARBITER].push(restarted, "after", "sent when it was back")
        assert waiting.result(20) == "sent when it was back"
    np.testing.assert_array_equal(transports[GUEST].pull(HOST, "before"), np.arange(5))
    np.testing.assert_array_equal(transports[HOST].pull(GUEST, "before"), np.arange(6))
    for attendance in attendances.values():
        assert attendance.wait_decided(0) is None
        attendance.report(Presence.SUCCEEDED)
    for attendance in attendances.values():
        assert decided(attendance, 10).state is AttemptState.SUCCESS


@on_both_databases
def test_tasks_that_wait_are_found_again_after_a_restart_of_every_gateway(federation: Federation) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST)
    assert guest.park()
    host = federation.attend(job, HOST)
    eventually(lambda: host.attempt)
    for party in ALL:
        federation[party].restart()
    arbiter = federation.attend(job, ARBITER)
    back = federation.attend(job, GUEST, attempt=1)
    for attendance in (host, arbiter, back):
        attempt = attendance.wait_running(10)
        assert attempt is not None
        assert attempt.number == 1


def test_a_task_that_died_while_its_gateway_was_down_is_missed(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    federation[HOST].stop()
    attendances[HOST].close()
    federation[HOST].start()
    assert decided(attendances[GUEST]).detail == "host-10000: the task's process at host-10000 went away"


def test_a_report_that_the_coordinator_could_not_take_is_told_later(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    federation[GUEST].stop()
    with ThreadPoolExecutor(1) as pool:
        reporting = pool.submit(attendances[HOST].report, Presence.SUCCEEDED)
        time.sleep(0.2)
        federation[HOST].restart()
        federation[GUEST].start()
        reporting.result(20)
    for party in (GUEST, ARBITER):
        attendances[party].report(Presence.SUCCEEDED)
    for attendance in attendances.values():
        assert decided(attendance, 10).state is AttemptState.SUCCESS


def test_a_decision_that_a_site_could_not_hear_is_told_when_it_is_back(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    federation[HOST].stop()
    attendances[GUEST].report(Presence.FAILED, "out of memory")
    decided(attendances[GUEST])
    federation[HOST].start()
    assert decided(attendances[HOST], 10).detail == "guest-9999: out of memory"


def test_the_end_of_a_job_reaches_a_site_that_was_down(federation: Federation) -> None:
    job = federation.start_job()
    host = federation[HOST].client()
    host.start_job(HOST, "demo.host-10000", job.run_id, federation[GUEST].client().get_job(job.job_id).files)
    host.finish_job(job.job_id, HOST, JobStatus.SUCCESS)
    federation[HOST].stop()
    federation[GUEST].client().finish_job(job.job_id, GUEST, JobStatus.SUCCESS)
    # The coordinator is restarted and no longer tries; the site asks when it is back.
    federation[GUEST].restart()
    federation[HOST].start()
    eventually(lambda: host.get_job(job.job_id).status is JobStatus.SUCCESS, 10)


def test_kill_9_loses_nothing_that_was_acknowledged(federation: Federation) -> None:
    with own_process(federation[HOST]) as process:
        job = federation.start_job()
        attendances = federation.run_attempt(job)
        task = TaskRef(job.job_id, COMPONENT)
        sent = np.random.default_rng(0).integers(0, 256, (3 << 20) + 5, dtype="u1")
        federation[GUEST].client().transport(task, 1, GUEST).push(HOST, "large", sent)
        host = federation[HOST].client()
        host.transport(task, 1, HOST).push(GUEST, "answer", 42)
        host.log_metrics(task, 1, HOST, [Metric("train", "loss", {}, ((0.0, 0.5),))])
        (federation[HOST].settings.spool / job.job_id / "x").mkdir()
        unfinished = federation[HOST].settings.spool / job.job_id / "x" / "y.part"
        unfinished.write_bytes(b"what a killed gateway had begun")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with own_process(federation[HOST]):
        np.testing.assert_array_equal(host.transport(task, 1, HOST).pull(GUEST, "large"), sent)
        assert federation[GUEST].client().transport(task, 1, GUEST).pull(HOST, "answer") == 42
        assert [record.tag for record in host.egress()] == ["answer"]
        assert host.get_metrics(job.job_id)[0].metrics[0].points == ((0.0, 0.5),)
        assert not unfinished.exists()
        for attendance in attendances.values():
            attendance.report(Presence.SUCCEEDED)
        for attendance in attendances.values():
            assert decided(attendance, 10).state is AttemptState.SUCCESS


def test_sigterm_stops_it_cleanly_with_open_streams(loopback: Federation) -> None:
    with own_process(loopback[GUEST]) as process:
        job = loopback.start_job()
        attendances = loopback.run_attempt(job)
        began = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
        seconds = time.monotonic() - began
    log = (loopback[GUEST].settings.home / "gateway.log").read_text()
    assert "gateway of site-0 has stopped" in log
    assert "Traceback" not in log
    assert seconds < 10
    for attendance in attendances.values():
        assert attendance.wait_decided(0) is None, "nobody is given up because the gateway stops"


def test_a_second_gateway_on_the_same_port_says_so(loopback: Federation) -> None:
    async def start_second() -> None:
        second = build_gateway(loopback[GUEST].settings)
        try:
            await second.start()
        finally:
            await second.stop()

    with pytest.raises(SiteError, match=r"is the address in use\?"):
        loopback.loop.run(start_second())
