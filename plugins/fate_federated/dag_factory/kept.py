"""DAGs that have to outlive their files: a run goes on when its job is edited, broken or deleted meanwhile.

A run's tasks come from the version that it started with. But Airflow schedules none of them once the DAG is gone from
the newest version, and the other parties would wait for ever. So that version keeps such a DAG, without its schedule,
until its runs have ended.
"""

from __future__ import annotations

import logging
import runpy
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fate_federated.dag_factory.generate import job_file_names, kept_job
from fate_federated.dag_factory.versions import VersionStore
from fate_federated.errors import ConfigError, FateFederatedError

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


def kept_files(store: VersionStore, version: str, unfinished: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
    """What a version lacks for the runs that have not ended.

    Args:
        version: the newest, of the files as they are.
        unfinished: the version of the runs, by DAG.

    Returns:
        by DAG that the version would end too early, files to add: name and content.
    """
    kept: dict[str, dict[str, bytes]] = {}
    now, folder = store.manifest(version), store.restore(version)
    for dag_id, started_with in unfinished.items():
        try:
            then = store.manifest(started_with)
            job = dag_id.rpartition(".")[0]
            same = all(now.get(name) == then.get(name) for name in job_file_names(job))
            if not (same and f"{job}.py" in now) and dag_id not in _dags_of(folder / f"{job}.py"):
                kept[dag_id] = kept_job(dag_id, {name: partial(store.content, then[name]) for name in then})
        except ConfigError as error:
            log.warning("the runs of %s cannot go on, its files are gone: %s", dag_id, error)
    return kept


def _dags_of(generated: Path) -> frozenset[str]:
    """Ids of what a generated file makes; nothing where it is not there or makes none."""
    if not generated.exists():
        return frozenset()
    try:
        return frozenset(runpy.run_path(str(generated)))
    except FateFederatedError:
        return frozenset()
