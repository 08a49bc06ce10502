"""DAGs that have to outlive their files: a run goes on when its job is edited, broken or deleted meanwhile.

A run's tasks come from the version that it started with. But Airflow schedules none of them once the DAG is gone from
the newest version, and the other parties would wait for ever. So that version keeps such a DAG, without its schedule,
until its runs have ended.

A run that has begun at one of a site's parties also needs a run of the same version at the site's others, which Airflow
can only create of the newest. Where the files have changed by then, the newest version makes these parties' DAGs as the
begun run has them, until they have their runs.
"""

from __future__ import annotations

import logging
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow.sdk import DAG

from fate_federated.dag_factory.generate import broken_file, copies_of, job_file_names, kept_job, was_received
from fate_federated.dag_factory.versions import VersionStore
from fate_federated.errors import ConfigError, DslError, DslProblem, FateFederatedError
from fate_federated.run_id import CREATED_PREFIX, created_run_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Runs that have not ended, and those that are still to come of them.

    Attributes:
        begun: by DAG, the version that the newest of its runs started with.
        awaited: by DAG, the version of the oldest run of another party of its job that waits for one of this DAG.
    """

    begun: Mapping[str, str]
    awaited: Mapping[str, str]


def unfinished_runs(bundle: str) -> Unfinished:
    """What has not ended of the DAGs of a bundle."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    query = (
        select(DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.bundle_version)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagModel.bundle_name == bundle, DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING)))
        .order_by(DagRun.id)
    )
    with create_session() as session:
        runs = [row for row in session.execute(query) if row.bundle_version]
        if not runs:
            return Unfinished({}, {})
        dag_ids = session.scalars(select(DagModel.dag_id).where(DagModel.bundle_name == bundle)).all()
        names = {name for run in runs for name in _names(run.run_id)}
        there = session.execute(select(DagRun.dag_id, DagRun.run_id).where(DagRun.run_id.in_(names)))
        have = {(row.dag_id, created_run_id(row.run_id)) for row in there}
    of_job: dict[str, list[str]] = {}
    for dag_id in dag_ids:
        of_job.setdefault(_job(dag_id), []).append(dag_id)
    awaited: dict[str, str] = {}
    for run in runs:
        if run.state == DagRunState.RUNNING:
            for dag_id in of_job[_job(run.dag_id)]:
                if (dag_id, created_run_id(run.run_id)) not in have:
                    awaited.setdefault(dag_id, run.bundle_version)
    return Unfinished({run.dag_id: run.bundle_version for run in runs}, awaited)


def _names(run_id: str) -> tuple[str, ...]:
    """What a run may be called at the parties of its job."""
    return run_id, created_run_id(run_id), run_id.removeprefix(CREATED_PREFIX)


def _job(dag_id: str) -> str:
    return dag_id.rpartition(".")[0]


def kept_files(store: VersionStore, version: str, unfinished: Unfinished) -> dict[str, bytes]:
    """What a version needs for the runs that have not ended.

    Args:
        version: the newest, of the files as they are.

    Returns:
        files to add or to put in the place of others: name and content.
    """
    files: dict[str, bytes] = {}
    now, folder = store.manifest(version), store.restore(version)
    by_job: dict[str, dict[str, dict[str, str]]] = {}
    awaited = {dag_id for dag_id, then in unfinished.awaited.items() if dag_id in _made_by(store, then, _job(dag_id))}
    wanted = {**unfinished.begun, **{dag_id: unfinished.awaited[dag_id] for dag_id in awaited}}
    for dag_id, started_with in wanted.items():
        job = _job(dag_id)
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
        copies = {
            dag_id: copies_of(dag_id, then)
            for dag_id, then in versions.items()
            if dag_id in awaited or dag_id not in made
        }
        if not copies:
            continue
        log.info("kept until their runs end: %s", ", ".join(copies))
        files |= {name: store.content(digest) for of_dag in copies.values() for name, digest in of_dag.items()}
        # Airflow looks for the tasks of a run in the file that its DAG has now.
        received = {dag_id for dag_id in copies if was_received(store.content(versions[dag_id][generated.name]))}
        files[generated.name] = kept_job(generated.read_bytes() if made else b"", copies, received)
        if problems:
            files.update([broken_file(problems)])
    return files


def _made_by(store: VersionStore, version: str, job: str) -> frozenset[str]:
    """Ids of the DAGs that a version made of a job's files."""
    try:
        return _made(store.restore(version) / f"{job}.py")[0]
    except ConfigError as error:
        log.warning("what version %s made of %s is not known: %s", version, job, error)
        return frozenset()


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
