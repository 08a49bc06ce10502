"""DAGs that have to outlive their files: a run goes on when its job is edited, broken or deleted meanwhile.

A run's tasks come from the version that it started with. But Airflow schedules none of them once the DAG is gone from
the newest version, and the other parties would wait for ever. So that version keeps such a DAG, without its schedule,
until its runs have ended.
"""

from __future__ import annotations

import logging
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow.sdk import DAG

from fate_federated.dag_factory.generate import broken_file, copies_of, job_file_names, kept_job
from fate_federated.dag_factory.versions import VersionStore
from fate_federated.errors import ConfigError, DslError, DslProblem, FateFederatedError

log = logging.getLogger(__name__)


def unfinished_runs(bundle: str) -> dict[str, str]:
    """By DAG of a bundle that has runs which have not ended, the version that the newest of them started with."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    query = (
        select(DagRun.dag_id, DagRun.bundle_version)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagModel.bundle_name == bundle, DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING)))
        .order_by(DagRun.id)
    )
    with create_session() as session:
        return {dag_id: version for dag_id, version in session.execute(query) if version}


def kept_files(store: VersionStore, version: str, unfinished: Mapping[str, str]) -> dict[str, bytes]:
    """What a version needs for the runs that have not ended.

    Args:
        version: the newest, of the files as they are.
        unfinished: the version of the runs, by DAG.

    Returns:
        files to add or to put in the place of others: name and content.
    """
    files: dict[str, bytes] = {}
    now, folder = store.manifest(version), store.restore(version)
    by_job: dict[str, dict[str, dict[str, str]]] = {}
    for dag_id, started_with in unfinished.items():
        job = dag_id.rpartition(".")[0]
        try:
            then = store.manifest(started_with)
        except ConfigError as error:
            log.warning("whether the runs of %s can go on is not known: %s", dag_id, error)
            continue
        if f"{job}.py" not in now or any(now.get(name) != then.get(name) for name in job_file_names(job)):
            by_job.setdefault(job, {})[dag_id] = then
    for job, versions in by_job.items():
        generated = folder / f"{job}.py"
        made, problems = _made(generated)
        copies = {dag_id: copies_of(dag_id, then) for dag_id, then in versions.items() if dag_id not in made}
        if not copies:
            continue
        log.info("kept until their runs end: %s", ", ".join(copies))
        files |= {name: store.content(digest) for of_dag in copies.values() for name, digest in of_dag.items()}
        # Airflow looks for the tasks of a run in the file that its DAG has now.
        files[generated.name] = kept_job(generated.read_bytes() if made else b"", copies)
        if problems:
            files.update([broken_file(problems)])
    return files


def _made(generated: Path) -> tuple[frozenset[str], Sequence[DslProblem]]:
    """Ids of the DAGs that a generated file makes, or what is wrong with the user's where it makes none."""
    if not generated.exists():
        return frozenset(), ()
    try:
        return frozenset(key for key, value in runpy.run_path(str(generated)).items() if isinstance(value, DAG)), ()
    except DslError as error:
        return frozenset(), error.problems
    except FateFederatedError as error:
        return frozenset(), [DslProblem("", str(error).removesuffix("."), file=generated.name)]
