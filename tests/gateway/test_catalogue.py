"""The table catalogue, and what components tell."""

from __future__ import annotations

import math
import time

import pytest
from tests.gateway.conftest import GUEST, HOST, Federation, decided, on_both_databases

from fate_federated.errors import DataError, JobNotFound, TableNotFound
from fate_federated.status import Presence
from fate_federated.wire.records import Column, Job, Metric, Output, TableRecord, TaskRef

TABLE = TableRecord(
    namespace="experiment",
    name="breast",
    location="file:///storage/breast.parquet",
    rows=569,
    id_column="id",
    columns=(Column("y", "int64"), Column("x0", "double")),
    bytes=1 << 33,
)


def finish(federation: Federation, job: Job, outcome: Presence = Presence.SUCCEEDED) -> int:
    """One attempt of the component, to its end."""
    attendances = federation.run_attempt(job, "a", (GUEST, HOST))
    for attendance in attendances.values():
        if attendance.attempt is not None and not attendance.attempt.decided:
            attendance.report(outcome, "as the test wants")
    return decided(attendances[GUEST]).number


@on_both_databases
def test_tables_are_put_found_listed_and_deleted(loopback: Federation) -> None:
    client = loopback[GUEST].client()
    before = time.time()
    put = client.put_table(TABLE)
    assert put.created_at >= before - 1
    assert client.get_table("experiment", "breast") == put
    other = client.put_table(TableRecord("a", "b", "file:///b", 0, "id", (), 0))
    assert client.list_tables() == (other, put)
    assert client.list_tables("experiment") == (put,)
    assert client.delete_table("experiment", "breast") == put
    with pytest.raises(TableNotFound) as missing:
        client.get_table("experiment", "breast")
    assert (missing.value.namespace, missing.value.name) == ("experiment", "breast")
    with pytest.raises(TableNotFound):
        client.delete_table("experiment", "breast")


@on_both_databases
def test_a_table_is_replaced_only_when_asked(loopback: Federation) -> None:
    client = loopback[GUEST].client()
    first = client.put_table(TABLE)
    assert client.put_table(TABLE) == first, "a repeated call is harmless"
    larger = TableRecord(**{**{name: getattr(TABLE, name) for name in TABLE.__dataclass_fields__}, "rows": 600})
    with pytest.raises(DataError, match=r"table experiment.breast already"):
        client.put_table(larger)
    assert client.put_table(larger, replace=True).rows == 600
    assert client.get_table("experiment", "breast").rows == 600


@on_both_databases
def test_metrics_grow_point_by_point(loopback: Federation) -> None:
    job = loopback.start_job()
    task = TaskRef(job.job_id, "hetero_lr_0")
    client = loopback[GUEST].client()
    for x in range(3):
        client.log_metrics(task, 1, GUEST, [Metric("train", "loss", {"metric_type": "LOSS"}, ((x, 1.0 / (x + 1)),))])
    client.log_metrics(task, 1, HOST, [Metric("train", "matrix", {"metric_type": "CM", "cuts": [0.5]})])
    client.set_summary(task, 1, GUEST, {"auc": 0.9})
    client.set_summary(task, 1, GUEST, {"auc": 0.95, "nested": {"a": [1, None]}})
    guest, host = sorted(client.get_metrics(job.job_id), key=lambda told: told.party)
    assert (guest.task, guest.attempt, guest.party) == (task, 1, GUEST)
    assert guest.summary == {"auc": 0.95, "nested": {"a": [1, None]}}
    (loss,) = guest.metrics
    assert loss == Metric("train", "loss", {"metric_type": "LOSS"}, ((0, 1.0), (1, 0.5), (2, 1 / 3)))
    assert host.metrics[0].meta == {"metric_type": "CM", "cuts": [0.5]}
    assert host.summary is None
    assert client.get_metrics(job.job_id, party=HOST) == (host,)
    assert client.get_metrics(job.job_id, component="other") == ()


@on_both_databases
def test_a_metric_may_be_no_number(loopback: Federation) -> None:
    job = loopback.start_job()
    client = loopback[GUEST].client()
    points = ((0.0, math.inf), (1.0, math.nan), (2.0, -math.inf))
    client.log_metrics(TaskRef(job.job_id, "a"), 1, GUEST, [Metric("train", "loss", {"first": math.nan}, points)])
    ((loss,),) = (told.metrics for told in client.get_metrics(job.job_id))
    assert [str(y) for _, y in loss.points] == ["inf", "nan", "-inf"]


@on_both_databases
def test_a_repeated_request_adds_nothing(loopback: Federation) -> None:
    from fate_federated.gateway.tracker import Tracker

    job = loopback.start_job()
    gateway = loopback[GUEST].gateway
    assert gateway is not None
    metric = Metric("train", "loss", {}, ((0.0, 1.0),))
    for _ in range(2):
        work = Tracker(gateway.database).log_metrics(TaskRef(job.job_id, "a"), 1, GUEST, [metric], "request-1")
        loopback.loop.run(work)
    ((found,),) = (told.metrics for told in loopback[GUEST].client().get_metrics(job.job_id))
    assert found.points == ((0.0, 1.0),)


@on_both_databases
def test_thousands_of_points_are_quick(loopback: Federation) -> None:
    job = loopback.start_job()
    client = loopback[GUEST].client()
    points = tuple((float(x), x / 7) for x in range(5000))
    # Of this process, in which the gateway runs too: what else the machine does is not in it.
    began = time.process_time()
    client.log_metrics(TaskRef(job.job_id, "a"), 1, GUEST, [Metric("train", "roc", {}, points)])
    ((roc,),) = (told.metrics for told in client.get_metrics(job.job_id))
    assert roc.points == points
    assert time.process_time() - began < 1.5


@on_both_databases
def test_an_output_counts_when_its_attempt_has_succeeded(loopback: Federation) -> None:
    job = loopback.start_job()
    task = TaskRef(job.job_id, "a")
    client = loopback[GUEST].client()

    def output(attempt: int, party=GUEST) -> Output:
        return Output(task, attempt, party, "data", "train", f"file:///{attempt}", 100, ("x", "y"))

    client.record_output(output(1))
    assert client.get_output(task, GUEST, "data", "train") is None
    finish(loopback, job)
    assert client.get_output(task, GUEST, "data", "train") == output(1)
    client.record_output(output(2))
    assert finish(loopback, job, Presence.FAILED) == 2
    assert client.get_output(task, GUEST, "data", "train") == output(1)
    client.record_output(output(3))
    client.record_output(Output(task, 3, HOST, "model", "lr", "file:///m", module="HeteroLR"))
    assert finish(loopback, job) == 3
    assert client.get_output(task, GUEST, "data", "train") == output(3)
    assert client.get_output(task, GUEST, "model", "lr") is None
    assert client.list_outputs(job.job_id, party=HOST)[0].module == "HeteroLR"
    assert len(client.list_outputs(job.job_id)) == 2


def test_what_a_task_tells_belongs_to_a_job(loopback: Federation) -> None:
    client = loopback[GUEST].client()
    task = TaskRef("1234", "a")
    with pytest.raises(JobNotFound):
        client.log_metrics(task, 1, GUEST, [Metric("train", "loss", {}, ((0.0, 1.0),))])
    with pytest.raises(JobNotFound):
        client.set_summary(task, 1, GUEST, {})
    with pytest.raises(JobNotFound):
        client.record_output(Output(task, 1, GUEST, "data", "d", "file:///"))
