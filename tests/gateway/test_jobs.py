"""Jobs: created at all sites or at none, ended everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.gateway.conftest import (
    ALL,
    ARBITER,
    BREAST,
    DSL,
    GUEST,
    HOST,
    RUN_ID,
    Federation,
    conf,
    decided,
    eventually,
    on_both_databases,
)

from fate_federated.errors import AccessDenied, GatewayUnavailable, JobError, JobNotFound
from fate_federated.gateway import runs
from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import Job, JobFiles, TableRecord

DAG = "demo.guest-9999"


def start(federation: Federation, files: JobFiles, run_id: str = RUN_ID):
    federation.drop(GUEST, files)
    return federation[GUEST].client().start_job(GUEST, f"{files.name}.{GUEST}", run_id, files)


@on_both_databases
def test_a_job_starts_at_every_site_with_the_same_run(federation: Federation) -> None:
    files = JobFiles("demo", DSL, conf(), '{"component_parameters": {}}')
    job = start(federation, files)
    assert re.fullmatch(r"\d{20,}", job.job_id)
    assert (job.status, job.initiator, job.run_id, job.name) == (JobStatus.RUNNING, GUEST, RUN_ID, "demo")
    for party in (HOST, ARBITER):
        site = federation[party]
        assert site.airflow.runs == {(f"demo.{party}", RUN_ID): "queued"}
        assert site.airflow.confs[f"demo.{party}", RUN_ID] == {"component_parameters": {}}
        folder = site.settings.received_jobs / "guest-9999"
        assert (folder / "demo_dsl.json").read_text() == files.dsl
        assert (folder / "demo_conf.json").read_text() == files.conf
        theirs = site.client().start_job(party, f"demo.{party}", RUN_ID, files)
        assert (theirs.job_id, theirs.run_id) == (job.job_id, RUN_ID)
    whole = federation[HOST].client().get_job(job.job_id)
    assert whole.files == files
    assert [(at.party, at.dag_id) for at in whole.parties] == [(party, f"demo.{party}") for party in ALL]
    assert not federation[GUEST].airflow.runs, "the guest's own run is there already"


def test_a_site_of_several_parties_creates_its_other_runs_itself(loopback: Federation) -> None:
    loopback[HOST].airflow.pause_new = True
    loopback.start_job()
    airflow = loopback[HOST].airflow
    assert set(airflow.runs) == {(f"demo.{party}", RUN_ID) for party in (HOST, ARBITER)}
    assert airflow.paused["demo.host-10000"] is False
    assert not loopback[HOST].settings.received_jobs.exists()


def test_starting_a_run_again_finds_its_job(federation: Federation) -> None:
    first = federation.start_job()
    assert federation.start_job().job_id == first.job_id
    another = federation.start_job(run_id="manual__2")
    assert another.job_id > first.job_id
    assert [job.job_id for job in federation[GUEST].client().list_jobs()] == [another.job_id, first.job_id]
    assert [job.job_id for job in federation[HOST].client().list_jobs(limit=1)] == [another.job_id]


def test_a_scheduled_run_has_an_id_at_the_others_that_airflow_allows(federation: Federation) -> None:
    job = federation.start_job(run_id="scheduled__2026-01-01")
    files = JobFiles("demo", DSL, conf())
    assert set(federation[HOST].airflow.runs) == {("demo.host-10000", "fate__scheduled__2026-01-01")}
    theirs = federation[HOST].client().start_job(HOST, "demo.host-10000", "fate__scheduled__2026-01-01", files)
    assert theirs.job_id == job.job_id


def test_only_the_initiator_starts_a_job(federation: Federation) -> None:
    with pytest.raises(JobError, match=r"demo.host-10000 is started by guest-9999: trigger demo.guest-9999 there"):
        federation[HOST].client().start_job(HOST, "demo.host-10000", "mine", JobFiles("demo", DSL, conf()))


def test_a_party_that_no_site_hosts_is_named(federation: Federation) -> None:
    files = JobFiles("demo", DSL, conf((GUEST, Party.parse("host-7"))))
    with pytest.raises(JobError, match=r"hosts host-7 is known here. Add it under peers"):
        start(federation, files)
    assert federation[GUEST].client().list_jobs() == ()


def test_when_one_site_refuses_no_site_keeps_the_run(federation: Federation) -> None:
    federation[ARBITER].airflow.broken["demo"] = "DslError: /components/x"
    with pytest.raises(JobError, match=r"arbiter-10000: Airflow cannot compile demo.arbiter-10000: DslError"):
        federation.start_job()
    host = federation[HOST]
    eventually(lambda: host.airflow.runs.get(("demo.host-10000", RUN_ID)) == "failed")
    (job,) = host.client().list_jobs()
    assert (job.status, "arbiter-10000" in job.detail) == (JobStatus.FAILED, True)
    with pytest.raises(JobError, match="ended before host-10000 began it"):
        host.client().start_job(HOST, "demo.host-10000", RUN_ID, JobFiles("demo", DSL, conf()))
    # Once the cause is mended, the same run starts the same job.
    del federation[ARBITER].airflow.broken["demo"]
    again = federation.start_job()
    assert (again.job_id, again.status) == (job.job_id, JobStatus.RUNNING)
    assert host.airflow.runs["demo.host-10000", RUN_ID] == "queued"
    assert host.client().get_job(job.job_id).status is JobStatus.RUNNING


@pytest.fixture
def slow_start(federation: Federation) -> Iterator[Future[Job]]:
    """A job whose start waits for the host's Airflow, which does not find the DAG."""
    folders, federation[HOST].airflow.folders = federation[HOST].airflow.folders, []
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(federation.start_job)
        eventually(lambda: ("demo.arbiter-10000", RUN_ID) in federation[ARBITER].airflow.runs)
        eventually(federation[HOST].client().list_jobs)
        yield starting
    federation[HOST].airflow.folders = folders


def test_a_job_that_is_stopped_while_it_starts_does_not_start(federation: Federation, slow_start: Future[Job]) -> None:
    (job,) = federation[GUEST].client().list_jobs()
    assert job.status is JobStatus.WAITING
    federation[GUEST].client().stop_job(job.job_id, "stopped by Ada")
    eventually(lambda: federation[ARBITER].airflow.runs["demo.arbiter-10000", RUN_ID] == "failed")
    federation[HOST].airflow.folders = [federation[HOST].settings.received_jobs]
    with pytest.raises(JobError, match="stopped by Ada"):
        slow_start.result(10)
    for party in ALL:
        assert federation[party].client().get_job(job.job_id).status is JobStatus.CANCELED


def test_a_start_that_the_initiators_gateway_did_not_survive_is_taken_back(
    federation: Federation, slow_start: Future[Job]
) -> None:
    (job,) = federation[GUEST].client().list_jobs()
    federation[GUEST].stop()
    assert isinstance(slow_start.exception(20), GatewayUnavailable)
    federation[GUEST].start()
    taken_back = federation[GUEST].client().get_job(job.job_id)
    assert (taken_back.status, "was restarted" in taken_back.detail) == (JobStatus.FAILED, True)
    eventually(lambda: federation[ARBITER].airflow.runs["demo.arbiter-10000", RUN_ID] == "failed")
    federation[HOST].airflow.folders = [federation[HOST].settings.received_jobs]
    again = federation.start_job()
    assert (again.job_id, again.status) == (job.job_id, JobStatus.RUNNING)
    assert federation[ARBITER].airflow.runs["demo.arbiter-10000", RUN_ID] == "queued"


def test_a_site_that_cannot_be_reached_is_named(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fate_federated.gateway.job_start.REACH_SECONDS", 0.3)
    federation[ARBITER].stop()
    with pytest.raises(JobError, match=r"arbiter-10000: arbiter-10000 did not answer at 127.0.0.1"):
        federation.start_job()
    eventually(lambda: federation[HOST].airflow.runs.get(("demo.host-10000", RUN_ID)) == "failed")


def test_an_airflow_that_does_not_answer_is_named(federation: Federation) -> None:
    federation.loop.run(federation[HOST].airflow.stop())
    with pytest.raises(JobError, match=r"host-10000: Airflow did not answer at http://127.0.0.1"):
        federation.start_job()
    federation.loop.run(federation[HOST].airflow.start())


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"initiators": ["guest-1"]}, r"takes no jobs from guest-9999: its policy.initiators"),
        ({"modules": ["HeteroLR"]}, r"does not run Reader \(reader_0\): its policy.modules"),
        ({"tables": ["other.*", "experiment.wine"]}, r"may not read the table experiment.breast at host-10000"),
    ],
)
def test_a_site_refuses_what_its_policy_does_not_allow(
    new_federation: Federation, policy: dict[str, object], problem: str
) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy=policy)
    with pytest.raises(JobError, match=problem):
        federation.start_job(parties=(GUEST, HOST))
    assert federation[HOST].airflow.runs == {}
    assert not federation[HOST].settings.received_jobs.exists()


@pytest.mark.parametrize("tables", [["experiment.*"], ["experiment.breast"]])
def test_a_site_takes_what_its_policy_names(new_federation: Federation, tables: list[str]) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"tables": tables, "modules": ["Reader"]})
    assert federation.start_job(parties=(GUEST, HOST)).status is JobStatus.RUNNING


def test_a_table_that_only_the_run_names_is_checked_as_well(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"tables": ["experiment.*"]})
    federation[GUEST].client().put_table(TableRecord("payroll", "all", "file:///all", 1, "id", (), 1))
    other = {"component_parameters": {"common": {"reader_0": {"table": {"namespace": "payroll", "name": "all"}}}}}
    with pytest.raises(JobError, match=r"may not read the table payroll.all at host-10000"):
        start(federation, JobFiles("demo", DSL, conf((GUEST, HOST)), json.dumps(other)))


def test_a_table_that_a_field_of_the_trigger_form_names_is_checked_as_well(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"tables": ["experiment.*"]})
    federation[GUEST].client().put_table(TableRecord("payroll", "breast", "file:///all", 1, "id", (), 1))
    written = json.loads(conf((GUEST, HOST)))
    field = {"sets": "/component_parameters/common/reader_0/table/namespace", "default": "experiment"}
    written["airflow"] = {"params": {"where": field}}
    files = JobFiles("demo", DSL, json.dumps(written), json.dumps({"where": "payroll"}))
    with pytest.raises(JobError, match=r"may not read the table payroll.breast at host-10000"):
        start(federation, files)


@pytest.mark.parametrize("at", [GUEST, HOST], ids=str)
def test_a_table_that_is_not_there_is_named_before_anything_runs(federation: Federation, at: Party) -> None:
    by_role = {party.role: {"0": {"reader_0": {"table": {"namespace": "experiment", "name": "breast"}}}}
               for party in (GUEST, HOST)}  # fmt: skip
    by_role[at.role]["0"]["reader_0"]["table"]["name"] = "brest"
    content = json.loads(conf()) | {"component_parameters": {"role": by_role}}
    with pytest.raises(JobError) as refused:
        start(federation, JobFiles("demo", DSL, json.dumps(content)))
    assert f"demo_conf.json /component_parameters/role/{at.role}/0/reader_0/table: reader_0 at {at}: " in str(
        refused.value
    )
    assert f"There is no table experiment.brest at {at}. Upload it with `fate data upload FILE" in str(refused.value)
    assert not federation[HOST].airflow.runs
    # Once it is there, the same run starts.
    federation[at].client().put_table(replace(BREAST, name="brest"))
    assert start(federation, JobFiles("demo", DSL, json.dumps(content))).status is JobStatus.RUNNING


def test_a_table_of_a_version_1_conf_is_named_where_it_stands(federation: Federation) -> None:
    table = {"namespace": "experiment", "name": "breast"}
    parties = {key: value for key, value in json.loads(conf((GUEST, HOST))).items() if key in ("initiator", "role")}
    dsl = {"components": {"dataio_0": {"module": "DataIO", "input": {"data": {"data": ["args.train_data"]}}}}}
    roles = {
        "guest": {"args": {"data": {"train_data": [table]}}},
        "host": {"args": {"data": {"train_data": [table | {"name": "brest"}]}}},
    }
    content = parties | {"role_parameters": roles}
    with pytest.raises(JobError, match=r"demo_conf.json /role_parameters/host/args/data/train_data/0: .*brest"):
        start(federation, JobFiles("demo", json.dumps(dsl), json.dumps(content)))


def test_a_missing_table_that_only_the_run_names_is_found_in_the_runs_conf(federation: Federation) -> None:
    other = {"component_parameters": {"role": {"host": {"0": {"reader_0": {"table": {"name": "wine"}}}}}}}
    place = "the run's conf /component_parameters/role/host/0/reader_0/table: reader_0 at host-10000"
    with pytest.raises(JobError, match=f"{place}: There is no table experiment.wine"):
        start(federation, JobFiles("demo", DSL, conf(), json.dumps(other)))


def test_a_received_job_waits_for_consent_again_when_its_files_change(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"consent": "ask"})
    airflow = federation[HOST].airflow
    airflow.pause_new = True
    federation.start_job(parties=(GUEST, HOST))
    assert airflow.paused["demo.host-10000"] is True
    airflow.paused["demo.host-10000"] = False
    federation.start_job(run_id="manual__2", parties=(GUEST, HOST))
    assert airflow.paused["demo.host-10000"] is False
    files = JobFiles("demo", DSL + " ", conf((GUEST, HOST)))
    start(federation, files, "manual__3")
    assert airflow.paused["demo.host-10000"] is True


@pytest.mark.parametrize("name", ["../demo", ".demo", "a/b", "", "x" * 129, "demo\n"])
def test_a_name_that_is_no_file_name_is_refused(federation: Federation, name: str) -> None:
    files = JobFiles(name, DSL, conf())
    with pytest.raises(JobError, match="cannot name a job"):
        federation[GUEST].client().start_job(GUEST, f"{name}.{GUEST}", RUN_ID, files)


def test_files_that_are_no_job_are_refused(federation: Federation) -> None:
    client = federation[GUEST].client()
    for text in ("", "[]", "{", '{"role": {}}', '{"initiator": {"role": "guest", "party_id": 1}, "role": {}}'):
        with pytest.raises(JobError):
            client.start_job(GUEST, DAG, RUN_ID, JobFiles("demo", DSL, text))
    broken = JobFiles("demo", '{"components": {"x": {"module": "HeteroLRR"}}}', conf())
    with pytest.raises(JobError, match=r"site-0 cannot compile demo: demo_dsl.json.*HeteroLRR"):
        start(federation, broken)
    assert client.list_jobs() == ()


def test_two_initiators_jobs_of_one_name_do_not_meet(new_federation: Federation) -> None:
    other = Party.parse("guest-1")
    federation = new_federation.add_sites((GUEST,), (other,), (HOST,))
    federation.start_job(parties=(GUEST, HOST))
    files = JobFiles("demo", DSL, conf((other, HOST), other))
    federation.drop(other, files)
    with pytest.raises(JobError, match="has a job named demo from guest-9999 already"):
        federation[other].client().start_job(other, "demo.guest-1", RUN_ID, files)


@on_both_databases
def test_a_job_ends_for_all_when_the_initiators_run_does(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job, "reader_0", (GUEST, HOST))
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    for attendance in attendances.values():
        decided(attendance)
    host = federation[HOST].client()
    assert host.finish_job(job.job_id, HOST, JobStatus.SUCCESS).status is JobStatus.RUNNING
    ended = federation[GUEST].client().finish_job(job.job_id, GUEST, JobStatus.SUCCESS)
    assert ended.status is JobStatus.SUCCESS
    assert ended.ended_at >= ended.created_at
    for party in (HOST, ARBITER):
        client = federation[party].client()
        eventually(lambda c=client: c.get_job(job.job_id).status is JobStatus.SUCCESS)
        (task,) = client.get_job(job.job_id).tasks
        assert (task.component, task.attempt, task.state) == ("reader_0", 1, AttemptState.SUCCESS)
        eventually(lambda p=party: not list(federation[p].settings.spool.iterdir()))
    assert federation[GUEST].client().list_jobs(status=JobStatus.RUNNING) == ()


def test_a_run_that_ended_fails_the_attempts_that_still_wait_for_it(federation: Federation) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST)
    eventually(lambda: guest.attempt)
    federation[HOST].client().finish_job(job.job_id, HOST, JobStatus.FAILED, "marked failed")
    assert decided(guest).detail == "host-10000: its run of the job has ended (failed)"


@pytest.mark.parametrize("at", ALL, ids=str)
def test_a_job_is_stopped_at_all_parties_from_any(federation: Federation, at: Party) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    stopped = federation[at].client().stop_job(job.job_id, "stopped by Ada")
    assert stopped.job_id == job.job_id
    for attendance in attendances.values():
        attempt = decided(attendance)
        assert (attempt.state, attempt.detail) == (AttemptState.CANCELED, "stopped by Ada")
    for party in ALL:
        client = federation[party].client()
        eventually(lambda c=client: c.get_job(job.job_id).status is JobStatus.CANCELED)
        assert client.get_job(job.job_id).detail == "stopped by Ada"
    for party in (HOST, ARBITER):
        there = federation[party].airflow.runs
        eventually(lambda r=there, p=party: r[f"demo.{p}", RUN_ID] == "failed")
    # Airflow's teardown still runs at the guest, and does not make a stopped job a failed one.
    federation[GUEST].client().finish_job(job.job_id, GUEST, JobStatus.FAILED)
    assert federation[GUEST].client().get_job(job.job_id).status is JobStatus.CANCELED


def test_a_stopped_job_s_runs_end_by_themselves_where_they_can(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WIND_DOWN_SECONDS", 1.5)
    job = federation.start_job()
    at = {party: (f"demo.{party}", RUN_ID) for party in (HOST, ARBITER)}
    for party, run in at.items():
        federation[party].airflow.runs[run] = "running"
    federation.run_attempt(job)
    federation[GUEST].client().stop_job(job.job_id, "stopped by Ada")
    # The host's ends as its tasks hear of the stop; a task of the arbiter's hears nothing.
    federation[HOST].airflow.runs[at[HOST]] = "success"
    assert federation[ARBITER].airflow.runs[at[ARBITER]] == "running"
    eventually(lambda: federation[ARBITER].airflow.runs[at[ARBITER]] == "failed")
    assert federation[HOST].airflow.runs[at[HOST]] == "success"


def test_what_is_not_there_is_said_so(loopback: Federation) -> None:
    client = loopback[GUEST].client()
    for call in (client.get_job, lambda job_id: client.stop_job(job_id, "")):
        with pytest.raises(JobNotFound, match="There is no job 1234"):
            call("1234")
    with pytest.raises(AccessDenied, match="host-7 is not hosted by this site"):
        client.finish_job("1234", Party.parse("host-7"), JobStatus.SUCCESS)
