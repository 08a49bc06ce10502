"""Dropping a job's files into a site's dags folder, and starting it once Airflow has it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fate_federated.dsl.document import Document
from fate_federated.dsl.job_files import (
    CONF_SUFFIX,
    DSL_SUFFIX,
    JobTexts,
    job_digest,
    load_job,
    read_document,
)
from fate_federated.dsl.job_folder import JOB_NAME, JobPaths, conf_name, find_jobs
from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.errors import AccessDenied, DslError, DslProblem, JobError
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.site.airflow_api import AirflowApi
from fate_federated.trained_jobs import TrainedJobs
from fate_federated.wire.records import Job

START_TASK = "start_job"
"""A run's first task, which creates the job."""
DAG_SECONDS = 60.0
JOB_SECONDS = 120.0
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that is ready to be triggered.

    Attributes:
        name: of the job.
        digest: tells these contents from other versions of the job.
        warnings: what the files say and the job passes over.
    """

    name: str
    initiator: Party
    digest: str
    warnings: tuple[DslProblem, ...] = ()

    @property
    def dag_id(self) -> str:
        return f"{self.name}.{self.initiator}"


def drop_job(settings: SiteSettings, dsl: Path | None, conf: Path, name: str = "") -> Submission:
    """Check a job's files and put them into the dags folder, in place of an earlier version of the same name.

    Args:
        dsl: None for a job that predicts with the dsl that is derived from its training's.
        name: of the job; empty to take it from the name of the conf.

    Raises:
        DslError: the files cannot be compiled.
        AccessDenied: another site's party initiates the job.
        JobError: the name cannot be used, or is that of a job elsewhere in the folder.
    """
    texts = load_job(dsl, conf) if dsl is not None else None
    conf_alone = texts.conf if texts is not None else read_document(conf, str(conf))
    pipeline, digest = _compile(settings, texts, conf_alone)
    if pipeline.initiator not in settings.hosted:
        raise AccessDenied(
            f"{conf} is initiated by {pipeline.initiator}. Site {settings.name} hosts {', '.join(settings.parties)}: "
            "submit it at the initiator's site."
        )
    name = name or conf_name(conf)
    if not JOB_NAME.fullmatch(name):
        raise JobError(f"{name!r} is no name for a job. Give one of letters, digits, _, - and dots with --name.")
    content = {CONF_SUFFIX: conf_alone.source}
    if texts is not None:
        content = {DSL_SUFFIX: texts.dsl_text, CONF_SUFFIX: texts.conf_text}
    _write(settings.path(settings.airflow.dags_folder).resolve(), name, content)
    return Submission(name, pipeline.initiator, digest, pipeline.warnings)


def _compile(settings: SiteSettings, texts: JobTexts | None, conf: Document) -> tuple[Pipeline, str]:
    """The job, one that predicts with all that its files leave to the training, and its digest."""
    completed = TrainedJobs(settings.trained_jobs).complete(None if texts is None else texts.dsl, conf)
    if completed is not None:
        pipeline = parse_job(completed.dsl_text, completed.conf_text, conf_file=conf.file)
        return pipeline, job_digest(completed.dsl_text, completed.conf_text)
    if texts is None:
        raise DslError(
            [conf.problem((), "there is no dsl for it", "Give one with -d: only jobs that predict have none.")]
        )
    return texts.compile(), job_digest(texts.dsl_text, texts.conf_text)


def _write(folder: Path, name: str, content: Mapping[str, str]) -> None:
    """Write a job's files, content by the end of the name, unless the same job is there already."""
    targets = {folder / f"{name}{suffix}": text for suffix, text in content.items()}
    for job in find_jobs(folder).jobs:
        if job.name != name:
            continue
        if _same(job, content):
            return
        if set(job.paths) - set(targets):
            raise JobError(f"Another job is named {name}: {job.paths[0]}. Choose another name with --name.")
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [target.with_name(f".{target.name}.{os.getpid()}") for target in targets]
    for path, text in zip(waiting, targets.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    # Renamed one right after the other, so that hardly anybody sees the one without the other.
    for path, target in zip(waiting, targets, strict=True):
        path.replace(target)


def _same(job: JobPaths, content: Mapping[str, str]) -> bool:
    if job.dsl is None:
        return set(content) == {CONF_SUFFIX} and job.conf.read_text(encoding="utf-8") == content[CONF_SUFFIX]
    there = load_job(job.dsl, job.conf)
    return content == {DSL_SUFFIX: there.dsl_text, CONF_SUFFIX: there.conf_text}


def start_job(api: AirflowApi, submission: Submission) -> str:
    """Wait until Airflow has these contents as a DAG, unpause and trigger it; the run's id.

    Raises:
        JobError: Airflow does not have it after a minute; the text has the import error, if there is one.
        SiteError: Airflow does not answer.
    """
    deadline = time.monotonic() + DAG_SECONDS
    while True:
        dag = api.dag(submission.dag_id)
        if dag is not None and submission.digest in (dag["description"] or "").split() and not dag["is_stale"]:
            break
        if time.monotonic() > deadline:
            errors = [trace for file, trace in api.import_errors().items() if submission.name in Path(file).name]
            because = f" Its import error:\n{errors[0].strip()}" if errors else ""
            raise JobError(f"Airflow has no DAG {submission.dag_id} of these files after {DAG_SECONDS:g} s.{because}")
        time.sleep(POLL_SECONDS)
    if dag["is_paused"]:
        api.unpause(submission.dag_id)
    return api.trigger(submission.dag_id)


def job_of_run(jobs: tuple[Job, ...], submission: Submission, run_id: str) -> Job | None:
    """The job that a run of the initiator's DAG became, once its first task has run."""
    return next(
        (
            job
            for job in jobs
            if job.run_id == run_id and job.name == submission.name and job.initiator == submission.initiator
        ),
        None,
    )
