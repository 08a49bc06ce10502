"""Files that are dropped, broken, mended, edited while their job runs, and deleted, in a real site."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fate_federated.site.airflow_api import AirflowApi
from fate_federated.site.site import Site
from fate_federated.site.upload import upload_table
from fate_federated.site.upload_conf import UploadPlan

pytestmark = pytest.mark.airflow

T = TypeVar("T")

SEEN_SECONDS = 10.0
"""Within which a dropped, edited or deleted file takes effect. Parts of the site share the machine with the tests, so
what is waited for may take three times as long before it counts as missing."""
PARTIES = ("guest-9999", "host-10000")


def seen(what: str, look: Callable[[], T | None]) -> T:
    """What ``look`` finds, once it does."""
    deadline = time.monotonic() + 3 * SEEN_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not after {3 * SEEN_SECONDS:g} s")


@pytest.fixture(scope="module")
def api(running_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowApi]:
    rows = tmp_path_factory.mktemp("rows") / "rows.csv"
    rows.write_text("id,x\na,1\nb,2\n")
    upload_table(running_site, UploadPlan(rows, "dropped", "rows"))
    with running_site.airflow_api() as api:
        yield api


@pytest.fixture(scope="module")
def folder(running_site: Site) -> Path:
    return running_site.settings.path(running_site.settings.airflow.dags_folder)


def job(prefix: str = "transform", count: int = 1, **conf: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A chain of transforms behind a Reader."""
    components: dict[str, Any] = {"reader_0": {"module": "Reader", "output": {"data": ["data"]}}}
    for number in range(count):
        components[f"{prefix}_{number}"] = {
            "module": "DataTransform",
            "input": {"data": {"data": [f"{list(components)[-1]}.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        }
    table = {"table": {"namespace": "dropped", "name": "rows"}}
    return {"components": components}, {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000]},
        "component_parameters": {"common": {"reader_0": table}},
        **conf,
    }


def drop(folder: Path, name: str, dsl: Any, conf: Any) -> None:
    for half, content in (("dsl", dsl), ("conf", conf)):
        (folder / f"{name}_{half}.json").write_text(json.dumps(content, indent=1))


def tasks_of(api: AirflowApi, dag_id: str) -> set[str]:
    return {task["task_id"] for task in api.call("GET", f"dags/{dag_id}/tasks")["tasks"]}


def instances(api: AirflowApi, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
    answer = api.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
    return {task["task_id"]: task for task in answer["task_instances"]}


def is_live(api: AirflowApi, dag_id: str) -> bool:
    dag = api.dag(dag_id)
    return dag is not None and not dag["is_stale"]


def error_of(api: AirflowApi, name: str) -> str:
    return next((trace for file, trace in api.import_errors().items() if name in file), "")


def test_a_bad_file_is_one_import_error_until_it_is_mended(api: AirflowApi, folder: Path) -> None:
    drop(folder, "good", *job())
    seen("the good job is a DAG at both parties", lambda: all(is_live(api, f"good.{party}") for party in PARTIES))

    dsl, conf = job()
    conf["component_parameters"]["common"]["transform_0"] = {"missing_fil": True}
    drop(folder, "bad", dsl, conf)
    error = seen("the import error", lambda: error_of(api, "bad"))
    line = (folder / "bad_conf.json").read_text().split("missing_fil")[0].count("\n") + 1
    assert f"{folder}/bad_conf.json:{line}" in error
    assert "/component_parameters/common/transform_0/missing_fil" in error
    assert "Did you mean 'missing_fill'?" in error
    assert is_live(api, "good.guest-9999")
    assert api.dag("bad.guest-9999") is None

    drop(folder, "bad", *job())
    seen("the mended job is a DAG", lambda: is_live(api, "bad.guest-9999"))
    seen("the error is gone", lambda: not error_of(api, "bad"))

    for half in ("dsl", "conf"):
        (folder / f"bad_{half}.json").unlink()
    seen("the deleted job is retired", lambda: not any(is_live(api, f"bad.{party}") for party in PARTIES))
    assert is_live(api, "good.guest-9999")


def test_an_edit_changes_no_run_that_has_begun_nor_its_reruns(api: AirflowApi, folder: Path) -> None:
    drop(folder, "edited", *job("before", 6))
    seen("the job is a DAG", lambda: all(is_live(api, f"edited.{party}") for party in PARTIES))
    api.unpause("edited.guest-9999")
    run = api.trigger("edited.guest-9999")
    seen("the run has begun at the other party too", lambda: api.run_state("edited.host-10000", run) == "running")
    drop(folder, "edited", *job("after", 1))
    for party in PARTIES:
        seen(f"{party} has the edited job", lambda party=party: "after_0" in tasks_of(api, f"edited.{party}"))
    old = {"start_job", "reader_0", *(f"before_{number}" for number in range(6)), "finish_job"}
    for party in PARTIES:
        assert api.wait_for_run(f"edited.{party}", run, 120) == "success"
        assert set(instances(api, f"edited.{party}", run)) == old

    # As a person clears it in the UI; Airflow's own command only knows the tasks of the newest version.
    cleared = {"dry_run": False, "dag_run_id": run, "task_ids": ["before_5"], "include_downstream": True}
    api.call("POST", "dags/edited.guest-9999/clearTaskInstances", json={**cleared, "only_failed": False})

    def rerun() -> bool:
        tries = [instances(api, f"edited.{party}", run)["before_5"] for party in PARTIES]
        return all(task["try_number"] == 2 and task["state"] == "success" for task in tries)

    seen("the old task ran again at both parties", rerun)
    assert "before_5" not in tasks_of(api, "edited.guest-9999")


@pytest.mark.parametrize("name", ["edited_early", "deleted_early"])
def test_a_run_that_has_not_begun_when_its_files_change_keeps_its_version_at_every_party(
    api: AirflowApi, folder: Path, name: str
) -> None:
    drop(folder, name, *job("before"))
    seen("the job is a DAG", lambda: all(is_live(api, f"{name}.{party}") for party in PARTIES))
    run = api.trigger(f"{name}.guest-9999")
    if name == "edited_early":
        drop(folder, name, *job("after"))
        for party in PARTIES:
            seen(f"{party} has the edited job", lambda party=party: "after_0" in tasks_of(api, f"{name}.{party}"))
    else:
        for half in ("dsl", "conf"):
            (folder / f"{name}_{half}.json").unlink()
        seen("the host's DAG is retired", lambda: not is_live(api, f"{name}.host-10000"))
    api.unpause(f"{name}.guest-9999")
    for party in PARTIES:
        assert api.wait_for_run(f"{name}.{party}", run, 120) == "success"
        assert set(instances(api, f"{name}.{party}", run)) == {"start_job", "reader_0", "before_0", "finish_job"}
    if name == "edited_early":
        seen("the edited job is back", lambda: "after_0" in tasks_of(api, f"{name}.host-10000"))


@pytest.mark.parametrize("name", ["deleted", "cut_off"])
def test_a_run_goes_on_when_its_files_are_gone_or_broken(api: AirflowApi, folder: Path, name: str) -> None:
    drop(folder, name, *job(count=2))
    seen("the job is a DAG", lambda: all(is_live(api, f"{name}.{party}") for party in PARTIES))
    api.unpause(f"{name}.guest-9999")
    run = api.trigger(f"{name}.guest-9999")
    seen("the run has begun at the other party too", lambda: api.run_state(f"{name}.host-10000", run) == "running")
    if name == "deleted":
        for half in ("dsl", "conf"):
            (folder / f"{name}_{half}.json").unlink()
    else:
        (folder / f"{name}_dsl.json").write_text("{")
        seen("the import error", lambda: error_of(api, name))
    for party in PARTIES:
        assert api.wait_for_run(f"{name}.{party}", run, 120) == "success"
    seen("the job is retired then", lambda: not any(is_live(api, f"{name}.{party}") for party in PARTIES))


def test_a_job_starts_when_another_has_published_its_models(api: AirflowApi, folder: Path) -> None:
    drop(folder, "follows", *job(airflow={"schedule": {"any": [{"job": "leads"}]}}))
    drop(folder, "leads", *job())
    seen(
        "both are DAGs",
        lambda: all(is_live(api, f"{name}.{party}") for name in ("leads", "follows") for party in PARTIES),
    )
    for name in ("leads", "follows"):
        api.unpause(f"{name}.guest-9999")
    run = api.trigger("leads.guest-9999")
    assert api.wait_for_run("leads.guest-9999", run, 120) == "success"

    def runs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.call("GET", "dags/follows.guest-9999/dagRuns")["dag_runs"]
        return found

    (started,) = seen("the other job starts", runs)
    assert started["run_type"] == "asset_triggered"
    assert api.wait_for_run("follows.guest-9999", started["dag_run_id"], 120) == "success"
    events = api.call("GET", f"dags/follows.guest-9999/dagRuns/{started['dag_run_id']}/upstreamAssetEvents")
    (event,) = events["asset_events"]
    assert event["name"] == "leads.guest-9999.models"
    assert event["extra"]["components"] == ["transform_0"]
    assert event["extra"]["model_version"].isdecimal()


def test_with_one_task_at_a_time_parallel_branches_end_at_all_parties(api: AirflowApi, folder: Path) -> None:
    dsl, conf = job(job_parameters={"common": {"task_parallelism": 1}})
    for number in range(1, 4):
        dsl["components"][f"transform_{number}"] = dsl["components"]["transform_0"]
    drop(folder, "narrow", dsl, conf)
    seen("the job is a DAG", lambda: all(is_live(api, f"narrow.{party}") for party in PARTIES))
    api.unpause("narrow.guest-9999")
    run = api.trigger("narrow.guest-9999")
    for party in PARTIES:
        assert api.wait_for_run(f"narrow.{party}", run, 150) == "success"
    at_once = sorted(
        (task["start_date"], task["end_date"])
        for name, task in instances(api, "narrow.guest-9999", run).items()
        if name.startswith("transform_")
    )
    assert len(at_once) == 4
