"""DAGs of runs that go on while the files of their jobs change."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from dropped_jobs import Site, demo
from sqlalchemy import delete, update
from test_bundle import open_bundle, parsed, version_of

from fate_federated.bundle import FateDagBundle

DSL, CONF = demo()
GUEST, HOST = "credit.guest-9999", "credit.host-10000"


class Runs:
    """Runs in Airflow's database, as the scheduler has them."""

    def known(self, dag_id: str) -> None:
        """Airflow has seen the DAG."""
        with create_session() as session:
            session.add(DagModel(dag_id=dag_id, bundle_name="fate"))

    def begin(
        self, bundle: FateDagBundle, dag_id: str, state: DagRunState = DagRunState.RUNNING, run_id: str = "manual__1"
    ) -> None:
        with create_session() as session:
            if session.get(DagModel, dag_id) is None:
                session.add(DagModel(dag_id=dag_id, bundle_name="fate"))
                session.flush()
            version = version_of(bundle)
            session.add(
                DagRun(
                    dag_id=dag_id,
                    run_id=run_id,
                    run_type=DagRunType.MANUAL,
                    state=state,
                    bundle_version=version,
                )
            )

    def end(self) -> None:
        with create_session() as session:
            session.execute(update(DagRun).values(state=DagRunState.SUCCESS))


@pytest.fixture
def runs() -> Iterator[Runs]:
    yield Runs()
    with create_session() as session:
        session.execute(delete(DagRun))
        session.execute(delete(DagModel))


@pytest.fixture
def bundle(site: Site) -> FateDagBundle:
    """In which a job follows a schedule, and another is there to be left alone."""
    site.drop("credit", DSL, CONF | {"airflow": {"schedule": "@daily"}})
    site.drop("other", DSL, CONF)
    bundle = open_bundle(site)
    bundle.refresh()
    return bundle


def deleted(site: Site) -> None:
    for half in ("dsl", "conf"):
        (site.dags / f"credit_{half}.json").unlink()


def cut_off(site: Site) -> None:
    site.drop("credit", '{"components": {', CONF)


def wrong(site: Site) -> None:
    site.drop("credit", json.dumps(DSL).replace("HeteroLR", "HeteroLRR"), CONF)


def without_this_site(site: Site) -> None:
    site.drop("credit", DSL, CONF | {"role": {"guest": [1], "host": [2], "arbiter": [3]}})


CHANGES = [deleted, cut_off, wrong, without_this_site]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", [DagRunState.RUNNING, DagRunState.QUEUED])
def test_a_dag_stays_until_its_runs_have_ended(
    site: Site, bundle: FateDagBundle, runs: Runs, change: object, state: DagRunState
) -> None:
    runs.begin(bundle, GUEST, state)
    before = parsed(bundle)
    assert callable(change)
    change(site)
    bundle.refresh()
    bag = parsed(bundle)
    assert set(bag.dags) == {GUEST, "other.guest-9999", "other.host-10000"}
    assert len(bag.import_errors) == (change is not deleted)
    kept = bag.dags[GUEST]
    assert kept.task_ids == before.dags[GUEST].task_ids
    assert (before.dags[GUEST].schedule, kept.schedule) == ("@daily", None)
    assert "until they end: the files that made it are gone" in (kept.description or "")
    # Where Airflow looks for the tasks of its runs, in the version that they started with.
    assert kept.relative_fileloc == before.dags[GUEST].relative_fileloc

    version = version_of(bundle)
    bundle.refresh()
    assert version_of(bundle) == version, "nothing has changed"
    was = (bundle.path / "credit.py").stat().st_mtime
    runs.end()
    bundle.refresh()
    assert set(parsed(bundle).dags) == {"other.guest-9999", "other.host-10000"}
    # Airflow parses again what is newer than its last parse.
    assert not (bundle.path / "credit.py").exists() or (bundle.path / "credit.py").stat().st_mtime >= was


def test_a_dag_that_the_edited_files_make_no_more_is_kept_beside_those_that_they_make(
    site: Site, bundle: FateDagBundle, runs: Runs
) -> None:
    runs.begin(bundle, GUEST)
    runs.begin(bundle, HOST)
    site.drop("credit", DSL, CONF | {"role": CONF["role"] | {"host": ["1"]}, "airflow": {"tags": ["edited"]}})
    bundle.refresh()
    dags = parsed(bundle).dags
    assert "edited" in dags[GUEST].tags
    assert "edited" not in dags[HOST].tags
    assert dags[GUEST].relative_fileloc == dags[HOST].relative_fileloc


@pytest.mark.parametrize("change", CHANGES)
def test_without_a_run_the_dags_are_gone_at_once(site: Site, bundle: FateDagBundle, runs: Runs, change: object) -> None:
    runs.begin(bundle, "other.guest-9999")
    assert callable(change)
    change(site)
    bundle.refresh()
    assert set(parsed(bundle).dags) == {"other.guest-9999", "other.host-10000"}


def test_an_edit_that_still_makes_the_dag_takes_its_place(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    runs.begin(bundle, HOST)
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    dags = parsed(bundle).dags
    assert {"credit.guest-9999", "credit.host-10000"} < set(dags)
    assert "edited" in dags[GUEST].tags


@pytest.mark.parametrize(("run_id", "at_host"), [("manual__1", "manual__1"), ("scheduled__1", "fate__scheduled__1")])
def test_after_an_edit_the_other_party_keeps_its_dag_until_it_has_a_run_too(
    site: Site, bundle: FateDagBundle, runs: Runs, run_id: str, at_host: str
) -> None:
    before = parsed(bundle).dags[HOST].description or ""
    runs.known(HOST)
    runs.begin(bundle, GUEST, run_id=run_id)
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    dags = parsed(bundle).dags
    assert "edited" in dags[GUEST].tags
    assert "edited" not in dags[HOST].tags
    assert (dags[HOST].description or "").split()[-1] == before.split()[-1]

    runs.begin(bundle, HOST, run_id=at_host)
    bundle.refresh()
    assert "edited" in parsed(bundle).dags[HOST].tags


def test_a_kept_dag_of_a_received_job_takes_no_pool_and_executor_options_either(site: Site, runs: Runs) -> None:
    site.drop(
        "theirs", DSL, CONF | {"airflow": {"pool": "theirs", "executor_config": {"pod_override": {}}}}, site.received
    )
    bundle = open_bundle(site)
    bundle.refresh()
    runs.begin(bundle, "theirs.host-10000")
    for half in ("dsl", "conf"):
        (site.received / f"theirs_{half}.json").unlink()
    bundle.refresh()
    kept = parsed(bundle).dags["theirs.host-10000"]
    assert "until they end" in (kept.description or "")
    task = kept.get_task("hetero_lr_0")
    assert (task.pool, task.executor_config) == ("default_pool", {})


def test_a_party_that_came_with_an_edit_is_not_waited_for(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    runs.known("credit.arbiter-9999")
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    bag = parsed(bundle)
    assert bag.import_errors == {}
    assert "edited" in bag.dags[GUEST].tags


def test_a_mended_file_takes_the_kept_dag_s_place(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    wrong(site)
    bundle.refresh()
    site.drop("credit", DSL, CONF | {"airflow": {"schedule": "@hourly"}})
    bundle.refresh()
    bag = parsed(bundle)
    assert bag.import_errors == {}
    assert bag.dags[GUEST].schedule == "@hourly"


def test_a_run_of_a_kept_dag_keeps_it_too(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    deleted(site)
    bundle.refresh()
    runs.end()
    runs.begin(bundle, GUEST, run_id="manual__2")
    bundle.refresh()
    assert GUEST in parsed(bundle).dags


def test_a_new_process_keeps_it_as_well(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    deleted(site)
    again = open_bundle(site)
    again.refresh()
    assert GUEST in parsed(again).dags


def test_the_old_version_of_a_kept_dag_is_there_for_its_tasks(site: Site, bundle: FateDagBundle, runs: Runs) -> None:
    runs.begin(bundle, GUEST)
    started_with = version_of(bundle)
    deleted(site)
    bundle.refresh()
    assert GUEST in parsed(open_bundle(site, started_with)).dags
