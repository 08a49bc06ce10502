"""Jobs of a real gateway, as the command line shows them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Fate

from fate_federated.gateway.client import GatewayClient
from fate_federated.gateway.database import open_database
from fate_federated.gateway.ledger import Ledger
from fate_federated.party import Party, Role
from fate_federated.site.site import Site
from fate_federated.status import JobStatus, Presence
from fate_federated.wire.records import Header, Job, JobFiles, Metric, TableRecord, TaskRef

GUEST = Party(Role.GUEST, "9999")
DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": {
            "module": "DataTransform",
            "input": {"data": {"data": ["reader_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
    }
}
CONF = {
    "dsl_version": 2,
    "initiator": {"role": "guest", "party_id": 9999},
    "role": {"guest": [9999]},
    "component_parameters": {"common": {"reader_0": {"table": {"namespace": "jobs", "name": "rows"}}}},
}


@pytest.fixture
def gateway(gateway_site: Site) -> Iterator[GatewayClient]:
    with gateway_site.gateway() as gateway:
        yield gateway


@pytest.fixture
def job(gateway: GatewayClient, request: pytest.FixtureRequest) -> Job:
    """A job of one party, whose run is that of the test."""
    gateway.put_table(TableRecord("jobs", "rows", "file:///rows", 1, "id", (), 1), replace=True)
    files = JobFiles("alone", json.dumps(DSL), json.dumps(CONF))
    return gateway.start_job(GUEST, f"alone.{GUEST}", f"manual__{request.node.name}", files)


def _run(gateway: GatewayClient, job: Job, component: str, outcome: Presence) -> None:
    attendance = gateway.attend(
        TaskRef(job.job_id, component), GUEST, participants=[GUEST], instance=f"{job.job_id}.{component}"
    )
    try:
        assert attendance.wait_running(10) is not None
        attendance.report(outcome, "made to fail" if outcome is Presence.FAILED else "")
        attendance.wait_decided(10)
    finally:
        attendance.close()


def test_a_job_is_listed_and_its_components_shown_in_order(fate: Fate, gateway: GatewayClient, job: Job) -> None:
    _run(gateway, job, "reader_0", Presence.SUCCEEDED)
    assert job.job_id in fate("job", "list").output
    listed = {each["job_id"]: each for each in json.loads(fate("job", "list", "--json").output)}
    assert listed[job.job_id]["initiator"] == "guest-9999"
    shown = fate("job", "status", job.job_id).output
    assert shown.index("reader_0") < shown.index("data_transform_0")
    assert "not started" in shown
    content = json.loads(fate("job", "status", job.job_id, "--json").output)
    assert [(task["component"], task["state"]) for task in content["tasks"]] == [("reader_0", "success")]


def test_metrics_are_a_table_and_all_of_them_json(fate: Fate, gateway: GatewayClient, job: Job) -> None:
    task = TaskRef(job.job_id, "hetero_lr_0")
    gateway.log_metrics(
        task,
        1,
        GUEST,
        [
            Metric("train", "loss", {"metric_type": "LOSS"}, ((0, 0.7), (1, 0.5))),
            Metric("train", "hetero_lr_0", {"metric_type": "EVALUATION_SUMMARY", "values": {"auc": 0.9876}}),
            Metric("train", "roc", {"metric_type": "ROC_EVALUATION"}, ((0.0, 0.0), (1.0, 1.0))),
        ],
    )
    gateway.set_summary(task, 1, GUEST, {"best": 1})
    shown = fate("job", "metrics", job.job_id).output
    assert "0.7 to 0.5" in shown
    assert "0.9876" in shown
    assert "roc" not in shown
    (told,) = json.loads(fate("job", "metrics", job.job_id, "--json").output)
    assert (told["component"], told["party"], told["summary"]) == ("hetero_lr_0", "guest-9999", {"best": 1})
    assert {metric["name"] for metric in told["metrics"]} == {"loss", "hetero_lr_0", "roc"}


def test_wait_follows_to_success(fate: Fate, gateway: GatewayClient, job: Job) -> None:
    def work() -> None:
        for component in ("reader_0", "data_transform_0"):
            _run(gateway, job, component, Presence.SUCCEEDED)
        gateway.finish_job(job.job_id, GUEST, JobStatus.SUCCESS)

    worker = threading.Thread(target=work)
    worker.start()
    shown = fate("job", "wait", job.job_id).output
    worker.join()
    assert "reader_0 success after" in shown
    assert f"Job {job.job_id} success after" in shown


def test_wait_fails_with_the_job_and_says_why(fate: Fate, gateway: GatewayClient, job: Job) -> None:
    _run(gateway, job, "reader_0", Presence.FAILED)
    gateway.finish_job(job.job_id, GUEST, JobStatus.FAILED, "reader_0 failed")
    shown = fate("job", "wait", job.job_id, status=1).output
    assert "reader_0 failed" in shown
    assert "made to fail" in shown


def test_a_stopped_job_says_who_stopped_it_and_why(fate: Fate, gateway: GatewayClient, job: Job) -> None:
    assert "is canceled" in fate("job", "stop", job.job_id, "--reason", "wrong table").output
    content = json.loads(fate("job", "status", job.job_id, "--json").output)
    assert content["status"] == "canceled"
    assert "site bank" in content["detail"]
    assert "wrong table" in content["detail"]


def test_a_job_that_is_not_there_is_an_error_in_every_command(fate: Fate) -> None:
    for words in (("job", "status"), ("job", "wait"), ("job", "metrics"), ("job", "stop"), ("egress", "list")):
        assert "There is no job 12345" in fate(*words, "12345", status=1).output


def test_the_egress_of_a_job_that_sent_nothing(fate: Fate, job: Job) -> None:
    assert "Nothing was sent" in fate("egress", "list", job.job_id).output
    assert json.loads(fate("egress", "list", job.job_id, "--json").output) == []


def test_the_egress_is_listed_with_attempt_and_digest_and_says_what_was_cut_off(
    fate: Fate, gateway_site: Site, job: Job
) -> None:
    database = open_database(gateway_site.settings.database_url)
    host = Party(Role.HOST, "10000")

    async def enter() -> None:
        for number in range(3):
            header = Header(
                TaskRef(job.job_id, "reader_0"), 7, GUEST, host, f"tag{number}", "tensor", "f64[2]", b"", 16,
                bytes.fromhex("0123456789abcdef" * 4),
            )  # fmt: skip
            await Ledger(database).record(header, left_site=False)

    asyncio.run(enter())
    database.close()
    listed = fate("egress", "list", job.job_id)
    assert "3 messages, 48 bytes" in listed.stdout
    (row,) = (line for line in listed.stdout.splitlines() if "tag2" in line)
    assert "0123456789ab " in row
    assert " 7 " in row
    assert "there are more" not in listed.stderr
    cut = fate("egress", "list", job.job_id, "--limit", "2", "--json")
    assert [record["tag"] for record in json.loads(cut.stdout)] == ["tag1", "tag2"]
    assert "Only the newest 2 messages" in cut.stderr


def test_submit_shows_what_the_job_passes_over(fate: Fate, gateway_site: Site, tmp_path: Path) -> None:
    dsl, conf = tmp_path / "odd_dsl.json", tmp_path / "odd_conf.json"
    dsl.write_text(json.dumps(DSL))
    common = {**CONF["component_parameters"]["common"], "data_transfrom_0": {"with_label": True}}  # type: ignore[index]
    conf.write_text(json.dumps({**CONF, "component_parameters": {"common": common}}))
    # There is no Airflow that would take it.
    shown = fate("job", "submit", "-d", str(dsl), "-c", str(conf), status=1).stderr
    for file in gateway_site.settings.path(gateway_site.settings.airflow.dags_folder).iterdir():
        file.unlink()
    assert "Warning: " in shown
    assert "Did you mean 'data_transform_0'" in shown


def test_submit_refuses_what_cannot_run_here_and_drops_nothing(fate: Fate, gateway_site: Site, tmp_path: Path) -> None:
    dags = gateway_site.settings.path(gateway_site.settings.airflow.dags_folder)
    dsl, conf = tmp_path / "some_dsl.json", tmp_path / "some_conf.json"
    dsl.write_text(json.dumps(DSL))
    words = ("job", "submit", "-d", str(dsl), "-c", str(conf))
    conf.write_text(json.dumps({**CONF, "initiator": {"role": "guest", "party_id": 1}, "role": {"guest": [1]}}))
    assert "submit it at the initiator's site" in fate(*words, status=1).output
    conf.write_text(json.dumps({**CONF, "component_parameters": {"common": {"reader_0": {"tabel": {}}}}}))
    refused = fate(*words, status=1).output.replace("\n", "")
    assert "some_conf.json" in refused
    assert "'table'" in refused
    conf.write_text(json.dumps(CONF))
    assert "'no name' is no name" in fate(*words, "--name", "no name", status=1).output
    assert list(dags.iterdir()) == []
