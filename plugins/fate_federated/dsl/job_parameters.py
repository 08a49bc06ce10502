"""What a conf says of the job as a whole: ``job_parameters``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written


class JobText(Written):
    """Those of the job parameters that mean something here; the others are FATE's affair and are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    job_type: str = "train"
    timeout: float | None = Field(None, gt=0, le=10 * 366 * 86400)


def check_job_parameters(conf: Document, path: Path, value: object, findings: Findings) -> Mapping[str, Any]:
    """The job parameters at a place of a conf, as they stand there."""
    text = findings.check(JobText, conf, path, value)
    if text is None or not isinstance(value, dict):
        return {}
    if text.job_type == "predict":
        message = "a job that predicts with an earlier job's model cannot be run yet"
        findings.error(conf, (*path, "job_type"), message, "Train jobs can.")
    elif text.job_type != "train":
        message = f"{shorten(text.job_type)} is not a kind of job"
        findings.error(conf, (*path, "job_type"), message, "Known: train, predict.")
    return value
