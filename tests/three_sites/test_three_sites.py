"""The main job, as people run it: three real Airflows, the files dropped at the guest alone, Airflow's own commands."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from demo.data import Split, split_breast_cancer
from organisations import ARBITER, GUEST, HOST, ThreeSites, wait_for
from recorder import found
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus
from fate_federated.wire.records import Job, TaskMetrics
from plaintext_lr import fit_sgd, standardize

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

RUN = "first-run"
COMPONENTS = ("reader_0", "data_transform_0", "intersection_0", "feature_scale_0", "hetero_lr_0", "evaluation_0")


@pytest.fixture(scope="module")
def finished(three: ThreeSites) -> Iterator[Job]:
    """The demo's job, run once over the three sites."""
    three.drop("breast_cancer")
    three.trigger("breast_cancer", RUN)
    job_id = three.job_id(RUN)
    with three[GUEST].gateway() as gateway:
        yield wait_for("the job ends", lambda: (job := gateway.get_job(job_id)).status.ended and job, 240)


@pytest.fixture(scope="module")
def split() -> Split:
    return split_breast_cancer()


def metrics_of(three: ThreeSites, party: Party, job: Job, component: str) -> TaskMetrics:
    with three[party].gateway() as gateway:
        found = gateway.get_metrics(job.job_id, component, party)
    assert len(found) == 1
    return found[0]


def test_every_task_succeeds_at_all_three_parties_under_one_run_id(three: ThreeSites, finished: Job) -> None:
    assert finished.status is JobStatus.SUCCESS, finished.detail
    for party in three.sites:
        tasks = wait_for(
            f"the run ends at {party}",
            lambda party=party: (
                (tasks := three.tasks("breast_cancer", RUN, party))
                and all(task["end_date"] for task in tasks.values())
                and tasks
            ),
            60,
        )
        assert {name: task["state"] for name, task in tasks.items()} == dict.fromkeys(
            ("start_job", *COMPONENTS, "finish_job"), "success"
        )


def test_the_gateways_agree_on_the_job(three: ThreeSites, finished: Job) -> None:
    for party in three.sites:
        with three[party].gateway() as gateway:
            job = wait_for(
                f"{party} knows the end",
                lambda gateway=gateway: (job := gateway.get_job(finished.job_id)).status.ended and job,
                30,
            )
        assert (job.run_id, job.initiator, job.status) == (RUN, GUEST, JobStatus.SUCCESS)


def test_the_model_is_the_one_of_the_joined_data(three: ThreeSites, finished: Job, split: Split) -> None:
    joined = split.at_guest & split.at_host
    features, label = standardize(split.features[joined]), split.label[joined]
    plain = fit_sgd(features, label, learning_rate=0.5, alpha=0.01, iterations=10)

    guest, host = (metrics_of(three, party, finished, "hetero_lr_0") for party in (GUEST, HOST))
    assert guest.summary is not None
    assert host.summary is not None
    coefficients = {**guest.summary["coef"], **host.summary["coef"]}
    np.testing.assert_allclose([coefficients[name] for name in split.names], plain.weights, atol=1e-3)
    assert guest.summary["intercept"] == pytest.approx(plain.intercept, abs=1e-3)

    evaluation = metrics_of(three, GUEST, finished, "evaluation_0").summary
    assert evaluation is not None
    auc = evaluation["hetero_lr_0"]["train"]["auc"]
    assert auc == pytest.approx(roc_auc_score(label, plain.score), abs=1e-3)
    reference = LogisticRegression(max_iter=5000).fit(features, label)
    assert auc == pytest.approx(roc_auc_score(label, reference.decision_function(features)), abs=0.005)


def test_nothing_that_crossed_the_gateways_holds_a_feature_a_label_or_an_unmatched_id(
    three: ThreeSites, finished: Job, split: Split
) -> None:
    contents = three.recorded()
    assert any(finished.job_id.encode() in content for content in contents), "the recorder saw the job"
    needles = list(_needles(three, finished, split))
    planted = [needles[0], next(needle for needle in needles if needle[0].startswith("label")), needles[-1]]
    assert found([bytes(99), *(b"." + needle for _, needle in planted)], needles) >= {name for name, _ in planted}
    assert found(contents, needles) == set()


def _needles(three: ThreeSites, job: Job, split: Split) -> Iterator[tuple[str, bytes]]:
    """What must not be found: columns and labels as the tasks had them, in every plain form; ids and their hashes."""
    for party in (GUEST, HOST):
        for component in ("reader_0", "intersection_0", "feature_scale_0"):
            table = three.output(job.job_id, component, party)
            for name in set(table.feature_names) - {"y"}:
                column = table.data.column(name).to_numpy().astype(np.float64)
                yield from _forms(f"{name} of {component}", column)
    label = three.output(job.job_id, "intersection_0", GUEST).label
    assert label is not None
    for sign in (label, 1 - label, 2 * label - 1):
        for dtype in ("i1", "<i4", "<i8", "<f4", "<f8"):
            for start in range(0, len(sign) - 24, 8):
                yield f"label as {dtype}", sign[start : start + 24].astype(dtype).tobytes()
    for start in range(8):
        bits = label[start : start + 256].astype(bool)
        yield "label as bits", np.packbits(bits)[8:24].tobytes()
        yield "label as bits, little-endian", np.packbits(bits, bitorder="little")[8:24].tobytes()
    for row in np.flatnonzero(~(split.at_guest & split.at_host)):
        text = split.ids[row].encode()
        yield "unmatched id", text
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(algorithm, text)
            yield f"unmatched id as {algorithm}", digest.digest()[:16]
            yield f"unmatched id as {algorithm}, hexadecimal", digest.hexdigest()[:32].encode()


def _forms(name: str, column: npt.NDArray[np.float64]) -> Iterator[tuple[str, bytes]]:
    for dtype in ("<f8", ">f8"):
        for value in column.astype(dtype):
            # 12.0 is two bytes and six zeros, which stand in many a frame.
            if (needle := value.tobytes()).count(0) <= 3:
                yield f"{name} as {dtype}", needle
    for start in range(len(column) - 3):
        needle = column[start : start + 3].astype("<f4").tobytes()
        if needle.count(0) <= 3:
            yield f"{name} as <f4", needle
    for value in column:
        if len(text := repr(float(value))) >= 8:
            yield f"{name} as text", text.encode()


def test_the_egress_ledgers_list_each_message_that_crossed(three: ThreeSites, finished: Job) -> None:
    ledger = []
    for party in three.sites:
        with three[party].gateway() as gateway:
            # Of all jobs: what the recorders saw may be of others, too.
            records = gateway.egress("", limit=10_000)
        assert any(record.task.job_id == finished.job_id for record in records)
        assert all(record.sender == party for record in records)
        ledger += [record for record in records if record.left_site]
    contents = three.recorded()
    delivered = sum(content == b":path: /fate_federated.v1.Federation/Deliver" for content in contents)

    assert ledger
    assert len(ledger) == delivered
    everything = b"\0".join(contents)
    assert all(record.digest in everything for record in ledger)
    kinds = {record.kind for record in ledger}
    assert "ciphertext" in kinds
    assert "ids" not in kinds


def test_a_conf_alone_predicts_with_the_models_that_every_party_keeps(three: ThreeSites, finished: Job) -> None:
    job, run = "scores", "scores-run"
    three.drop_prediction(job, finished.job_id)
    three.trigger(job, run)
    job_id = three.job_id(run)
    with three[GUEST].gateway() as gateway:
        ended = wait_for("the job ends", lambda: (found := gateway.get_job(job_id)).status.ended and found, 120)
    assert ended.status is JobStatus.SUCCESS, ended.detail
    learnt, predicted = (three.output(each, "hetero_lr_0", GUEST).data for each in (finished.job_id, job_id))
    assert predicted["predict_score"].to_numpy() == pytest.approx(learnt["predict_score"].to_numpy(), abs=1e-9)
    assert set(predicted["type"].to_pylist()) == {"predict"}


def test_a_killed_task_fails_everywhere_and_clearing_it_at_the_guest_runs_it_again(three: ThreeSites) -> None:
    job, run = "killed", "killed-run"
    three.drop(job, {"hetero_lr_0": {"max_iter": 12, "early_stop": "weight_diff", "tol": 1e-9}})
    three.trigger(job, run)
    job_id = three.job_id(run)
    _wait_for_iterations(three, job_id, iterations=2)

    pid = three.tasks(job, run, HOST)["hetero_lr_0"]["pid"]
    os.kill(pid, signal.SIGKILL)
    three.wait_for_states(job, run, "hetero_lr_0", "failed", within_seconds=10)
    with three[GUEST].gateway() as gateway:
        attempt = next(task for task in gateway.get_job(job_id).tasks if task.component == "hetero_lr_0")
    assert attempt.state is AttemptState.FAILED
    assert str(HOST) in attempt.detail

    for party in (GUEST, HOST, ARBITER):
        wait_for(f"the run ends at {party}", lambda party=party: _run_state(three, party, job, run) == "failed", 60)
    cleared = three[GUEST].airflow(
        "tasks", "clear", f"{job}.{GUEST}", "--task-regex", "hetero_lr_0", "--downstream", "--yes"
    )
    assert cleared.returncode == 0, cleared.stdout + cleared.stderr
    for component in ("hetero_lr_0", "evaluation_0"):
        three.wait_for_states(job, run, component, "success", within_seconds=180)
    with three[GUEST].gateway() as gateway:
        done = wait_for("the job ends", lambda: (found := gateway.get_job(job_id)).status.ended and found, 60)
    assert done.status is JobStatus.SUCCESS
    assert next(task for task in done.tasks if task.component == "hetero_lr_0").attempt == 2


def _wait_for_iterations(three: ThreeSites, job_id: str, iterations: int) -> None:
    """Until the guest's loss curve has that many points."""
    with three[GUEST].gateway() as gateway:

        def points() -> int:
            found = gateway.get_metrics(job_id, "hetero_lr_0", GUEST)
            return sum(len(metric.points) for task in found for metric in task.metrics if metric.name == "loss")

        wait_for(f"{iterations} iterations", lambda: points() >= iterations, 180)


def _run_state(three: ThreeSites, party: Party, job: str, run_id: str) -> str | None:
    with three[party].airflow_api() as api:
        return api.run_state(f"{job}.{party}", run_id)
