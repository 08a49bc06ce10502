"""Jobs that train, as their tasks would, so that there are models to keep."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence

from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation, eventually

from fate_federated.party import Party
from fate_federated.pb.model.linear_model_pb2 import LRModelMeta, LRModelParam
from fate_federated.status import JobStatus, Presence
from fate_federated.task.model import Model
from fate_federated.task_store import write_model
from fate_federated.wire.model_records import Action, ModelOperation, ModelRequest, ModelVersion, OperationState
from fate_federated.wire.records import Job, JobFiles, Metric, Output, TaskRef

LR = "hetero_lr_0"

TRAINING = json.dumps(
    {
        "components": {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            LR: {
                "module": "HeteroLR",
                "input": {"data": {"train_data": ["reader_0.data"]}},
                "output": {"data": ["data"], "model": ["model"]},
            },
        }
    }
)

WARM_START = json.dumps(
    {
        "components": {
            **json.loads(TRAINING)["components"],
            "model_loader_0": {"module": "ModelLoader", "output": {"model": ["model"]}},
            LR: {
                **json.loads(TRAINING)["components"][LR],
                "input": {"data": {"train_data": ["reader_0.data"]}, "model": ["model_loader_0.model"]},
            },
        }
    }
)


def training_conf(parties: Sequence[Party] = ALL, job_parameters: Mapping[str, object] | None = None) -> str:
    roles: dict[str, list[str]] = {}
    for party in parties:
        roles.setdefault(party.role, []).append(party.party_id)
    common = {
        "reader_0": {"table": {"name": "breast", "namespace": "experiment"}},
        LR: {"max_iter": 3, "penalty": "L2"},
    }
    return json.dumps(
        {
            "dsl_version": 2,
            "initiator": {"role": "guest", "party_id": GUEST.party_id},
            "role": roles,
            "job_parameters": {"common": dict(job_parameters or {})},
            "component_parameters": {"common": common},
        }
    )


def model(weight: float) -> Model:
    return Model(
        "HeteroLR", LRModelMeta(penalty="L2", max_iter=3), LRModelParam(iters=3, weight={"x0": weight}, header=["x0"])
    )


def run_training(
    federation: Federation,
    weight: float,
    name: str = "credit",
    auc: float = 0.9,
    *,
    loads: str = "",
    **job_parameters: object,
) -> Job:
    """A job that trains, up to the last word of every party but the initiator's.

    Args:
        loads: the version that its ModelLoader says it went on from; empty for a job without one.
    """
    files = JobFiles(name, WARM_START if loads else TRAINING, training_conf(ALL, job_parameters))
    federation.drop(GUEST, files)
    run_id = f"manual__{uuid.uuid4()}"
    job = federation[GUEST].client().start_job(GUEST, f"{name}.{GUEST}", run_id, files)
    loader: tuple[tuple[str, Sequence[Party]], ...] = (("model_loader_0", ALL),) if loads else ()
    for component, participants in (("reader_0", (GUEST, HOST)), *loader, (LR, ALL)):
        if component == "model_loader_0":
            task = TaskRef(job.job_id, component)
            federation[GUEST].client().set_summary(task, 1, GUEST, {"model_version": loads})
        attendances = federation.run_attempt(job, component, participants)
        for party in participants if component == LR else ():
            _leave_model(federation, job, party, weight, auc)
        for attendance in attendances.values():
            attendance.report(Presence.SUCCEEDED)
        for attendance in attendances.values():
            assert attendance.wait_decided(10) is not None
            attendance.close()
    return job


def _leave_model(federation: Federation, job: Job, party: Party, weight: float, auc: float) -> None:
    site = federation[party]
    task = TaskRef(job.job_id, LR)
    if party is GUEST:
        metric = Metric("train", LR, {"metric_type": "EVALUATION_SUMMARY", "values": {"auc": auc}})
        site.client().log_metrics(task, 1, party, [metric])
    if party is ARBITER:
        return
    location = f"{site.settings.storage_url}/jobs/{job.job_id}/{LR}/{party}/model.model.json"
    write_model(location, model(weight if party is GUEST else -weight))
    site.client().record_output(Output(task, 1, party, "model", "model", location, module="HeteroLR"))


def finish(federation: Federation, job: Job, status: JobStatus = JobStatus.SUCCESS) -> None:
    """The last word of every party, the initiator's last."""
    for party in (HOST, ARBITER, GUEST):
        federation[party].client().finish_job(job.job_id, party, status)


def train(federation: Federation, weight: float, name: str = "credit", **options: object) -> ModelVersion:
    """A job that trains and ends; its version once every party has it."""
    job = run_training(federation, weight, name, **options)  # type: ignore[arg-type]
    finish(federation, job)
    return committed(federation, job)


def committed(federation: Federation, job: Job, within_seconds: float = 30.0) -> ModelVersion:
    """A job's version at the guest, once every party has it."""
    operation = eventually(lambda: _ended(federation, job), within_seconds)
    assert operation.state is OperationState.DONE, operation
    version, _ = federation[GUEST].client().models.of_job(job.job_id)
    assert version is not None
    return version


def _ended(federation: Federation, job: Job) -> ModelOperation | None:
    _, operation = federation[GUEST].client().models.of_job(job.job_id, 1.0)
    return operation if operation is not None and operation.state.ended else None


def ask(
    federation: Federation, action: Action, by: Party = GUEST, model: str = "credit", **said: object
) -> ModelOperation:
    request = ModelRequest(action, model, by, **said)  # type: ignore[arg-type]
    return federation[by].client().models.change(request)


def history(federation: Federation, party: Party, name: str = "credit") -> object:
    """What has to be the same at every party: versions with all parts, branches, tags, marks."""
    found, versions = federation[party].client().models.versions(name)
    refs = sorted((ref.kind, ref.name, ref.version) for ref in found.refs)
    return found.model_id, refs, [(v.about, v.message, v.author, v.by, v.parts, v.pinned, v.retired) for v in versions]
