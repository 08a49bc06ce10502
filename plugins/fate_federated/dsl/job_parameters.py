"""What a conf says of the job as a whole: ``job_parameters``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from fate_federated.dsl.document import Document, Path
from fate_federated.dsl.findings import Findings, Written
from fate_federated.dsl.pipeline import JobParameters, Mode
from fate_federated.party import Party

_MAX_SECONDS = 10 * 366 * 86400


def _number(value: Any) -> Any:
    """FATE takes numbers that are written as text."""
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _empty_is_none(value: Any) -> Any:
    """Examples and templates leave a model open with an empty text."""
    return None if value == "" else str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = BeforeValidator(_number)
Model = Annotated[str | None, BeforeValidator(_empty_is_none)]


OTHERS_OF_FATE = (
    "adaptation_parameters", "align_task_input_data_partition", "assistant_role", "backend", "component_provider",
    "computing_engine", "computing_partitions", "dsl_version", "eggroll_run", "engines_address",
    "federated_data_exchange_type", "federated_mode", "federated_status_collect_type", "federation_engine",
    "federation_info", "map_namespace", "map_table_name", "processors_per_node", "pulsar_run", "rabbitmq_run",
    "role_parameters", "roles", "spark_run", "spark_submit_config", "storage_engine", "task_conf", "task_cores",
    "task_cores_per_node", "task_memory_per_node", "task_nodes", "federated_comm", "user", "work_mode",
)  # fmt: skip
"""Of FATE's engines and servers, which are not here: kept, and without effect."""


class LimitsText(Written):
    """Those that each party may have for itself."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    timeout: Annotated[float | None, Number] = Field(None, gt=0, le=_MAX_SECONDS)
    task_parallelism: Annotated[int | None, Number] = Field(None, ge=1, le=1000)
    auto_retries: Annotated[int | None, Number] = Field(None, ge=0, le=1000)
    auto_retry_delay: Annotated[float | None, Number] = Field(None, ge=0, le=_MAX_SECONDS)


class JobText(LimitsText):
    """Those of the job parameters that mean something here; the others are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    job_type: Literal["train", "predict"] = "train"
    model_id: Model = None
    model_version: Model = None


def read_job_parameters(
    conf: Document,
    path: Path,
    value: object,
    findings: Findings,
    *,
    predicts: bool = False,
) -> tuple[Mode, JobParameters]:
    """The job parameters at a place of a conf.

    Args:
        predicts: the dsl applies models of an earlier job, whatever ``job_type`` says.
    """
    text = findings.check_rest(JobText, conf, path, value)
    if isinstance(value, dict):
        _warn(conf, path, value, findings)
    if text is None or not isinstance(value, dict):
        return Mode.PREDICT if predicts else Mode.TRAIN, JobParameters()
    mode = Mode.PREDICT if predicts else Mode(text.job_type)
    if predicts and text.job_type == "train":
        message = "the dsl applies models of an earlier job: this job predicts"
        findings.warn(conf, (*path, "job_type"), message, 'Write "job_type": "predict".')
    if mode is Mode.PREDICT and text.model_version is None:
        message = "model_version is left open: the job predicts with the model that a run names"
        remedy = (
            "Write the id of the job that trained the model, or trigger the DAG with --conf "
            '\'{"model_version": "<job id>"}\'.'
        )
        findings.warn(conf, (*path, "model_version"), message, remedy)
    known = text.model_dump(exclude={"job_type"} | set(text.model_extra or ()))
    settings = {key: written for key, written in value.items() if key != "job_type"}
    return mode, JobParameters(**known, settings=settings)


def of_parties(
    conf: Document,
    common: JobParameters,
    sections: Sequence[tuple[frozenset[Party], Any, Path]],
    findings: Findings,
) -> JobParameters:
    """The job parameters with those of single parties: whom each section is about, what it says, and where."""
    by_party: dict[Party, dict[str, Any]] = {}
    of_party: dict[Party, JobParameters] = {}
    for chosen, values, at in sections:
        text = findings.check_rest(LimitsText, conf, at, values)
        if text is None or not isinstance(values, dict):
            continue
        _warn(conf, at, values, findings)
        limits = {name: getattr(text, name) for name in text.model_fields_set if name in LimitsText.model_fields}
        for party in chosen:
            by_party[party] = {**by_party.get(party, {}), **values}
            of_party[party] = replace(of_party.get(party, common), **limits)
    return replace(common, by_party=by_party, of_party=of_party)


def _warn(conf: Document, path: Path, value: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what has no effect, and is not known to have none."""
    if value.get("inheritance_info"):
        message = "no other job's components are taken over: each one of this job runs"
        remedy = "Read what they made with a Reader of {job_id, component_name, data_name}."
        findings.warn(conf, (*path, "inheritance_info"), message, remedy)
    known = (*JobText.model_fields, "inheritance_info", *OTHERS_OF_FATE)
    findings.ignore_unknown(conf, path, value, known)
