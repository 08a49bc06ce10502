"""The bundle: files that come, change and go, through the code with which Airflow parses them."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.dag_processing.processor import DagFileParseRequest, _parse_file
from airflow.utils.file import list_py_file_paths
from dropped_jobs import LONG_AGO, Site, demo
from structlog import get_logger

from fate_federated.bundle import FateDagBundle
from fate_federated.errors import ConfigError

DSL, CONF = demo()


def open_bundle(site: Site, version: str | None = None) -> FateDagBundle:
    bundle = FateDagBundle(name="fate", site=str(site.home), version=version)
    bundle.initialize()
    return bundle


def version_of(bundle: FateDagBundle) -> str:
    current = bundle.get_current_version()
    assert current is not None
    return current.version


def parsed(bundle: FateDagBundle) -> BundleDagBag:
    """What Airflow makes of the bundle's folder."""
    return BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name="fate", safe_mode=True)


def errors(bundle: FateDagBundle) -> list[str]:
    return sorted(parsed(bundle).import_errors.values())


def test_a_dropped_pair_is_a_dag_for_each_hosted_party(site: Site) -> None:
    site.drop("credit", DSL, CONF, site.dags / "any/folder")
    bag = parsed(open_bundle(site))
    assert set(bag.dags) == {"any.folder.credit.guest-9999", "any.folder.credit.host-10000"}
    assert bag.import_errors == {}
    assert not bag.dags["any.folder.credit.guest-9999"].is_paused_upon_creation


def test_a_task_has_only_its_own_dag_compiled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    # As Airflow says it to the file of a task that it runs, and to one that such a task may happen to parse.
    for asked, built in (("credit.host-10000", {"credit.host-10000"}), ("other", set(parsed(bundle).dags))):
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", asked)
        assert set(parsed(bundle).dags) == built


def test_one_file_may_hold_both(site: Site) -> None:
    (site.dags / "credit.fate.json").write_text(json.dumps({"dsl": DSL, "conf": CONF}))
    assert set(parsed(open_bundle(site)).dags) == {"credit.guest-9999", "credit.host-10000"}


def test_airflow_s_processor_serializes_the_dags_and_reports_errors_by_the_user_s_file(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    dsl, _ = site.drop("broken", json.dumps(DSL, indent=1).replace("HeteroLR", "HeteroLRR"), CONF)
    bundle = open_bundle(site)
    results = {
        Path(file).name: _parse_file(
            DagFileParseRequest(file=file, bundle_path=bundle.path, bundle_name="fate"), get_logger()
        )
        for file in list_py_file_paths(bundle.path, safe_mode=True)
    }
    good, bad = results["credit.py"], results["broken.py"]
    assert good is not None
    assert bad is not None
    assert {dag.dag_id for dag in good.serialized_dags} == {"credit.guest-9999", "credit.host-10000"}
    assert not good.import_errors
    line = json.dumps(DSL, indent=1).splitlines().index('   "module": "HeteroLR",') + 1
    assert bad.import_errors == {
        "broken.py": f"{dsl}:{line} /components/hetero_lr_0/module: "
        "there is no module \"HeteroLRR\". Did you mean 'HeteroLR'?"
    }


def test_each_broken_file_is_an_import_error_of_its_own_and_disturbs_no_other(site: Site) -> None:
    site.drop("good", DSL, CONF)
    site.drop("cut", '{"components": {', CONF)
    site.drop("schedule", DSL, CONF | {"airflow": {"schedule": "now and then"}})
    site.drop("strangers", DSL, CONF | {"role": {"guest": [1], "host": [2], "arbiter": [3]}})
    site.drop("bad name", DSL, CONF)
    for name in ("a/twice", "a.twice"):
        site.drop(name, DSL, CONF)
    (site.dags / "lone_conf.json").write_text("{}")
    (site.dags / "out.fate.json").symlink_to("/etc/passwd")
    (site.dags / "bytes.fate.json").write_bytes(b'{"dsl": "\xff"}')
    bundle = open_bundle(site)
    bag = parsed(bundle)
    assert set(bag.dags) == {"good.guest-9999", "good.host-10000"}
    told = {
        "a/twice_dsl.json": "more than one job is named a.twice",
        "a.twice_dsl.json": "more than one job is named a.twice",
        "bad name_dsl.json": "'bad name' is no name for a job",
        "bad name_conf.json": "'bad name' is no name for a job",
        "bytes.fate.json": "byte 0xff is not UTF-8",
        "cut_dsl.json": "the file ends before an object is closed",
        "lone_conf.json": "there is no lone_dsl.json beside it",
        "out.fate.json": "it is a link that leads out",
        "schedule_conf.json": '/airflow/schedule: "now and then" is no schedule',
        "strangers_conf.json": "the initiator guest-9999 takes no part",
    }
    found = sorted(bag.import_errors.values())
    assert len(found) == len(told)
    for name, message in told.items():
        assert any(text.startswith(str(site.dags / name)) and message in text for text in found), name


def test_an_archive_under_a_job_s_name_is_never_run(site: Site, tmp_path: Path) -> None:
    site.drop("credit", DSL, CONF)
    archive = io.BytesIO(b"{}")
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("run.py", f"# airflow dag\nopen({str(tmp_path / 'was_run')!r}, 'w')")
    (site.dags / "trick.fate.json").write_bytes(archive.getvalue())
    bag = parsed(open_bundle(site))
    assert "credit.guest-9999" in bag.dags
    assert [text.partition(": ")[2] for text in bag.import_errors.values()] == ["it is a ZIP archive, not JSON."]
    assert not (tmp_path / "was_run").exists()


def test_names_and_contents_of_any_bytes_disturb_no_other(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    (site.dags / os.fsdecode(b"\xff'\"\n.fate.json")).write_bytes(bytes(range(256)))
    folder = site.dags / os.fsdecode(b"\xfe")
    folder.mkdir()
    (folder / "odd.fate.json").write_bytes(b"\0")
    bag = parsed(open_bundle(site))
    assert set(bag.dags) == {"credit.guest-9999", "credit.host-10000"}
    assert len(bag.import_errors) == 2
    for text in bag.import_errors.values():
        assert text.encode().startswith(bytes(site.dags))


def test_a_job_without_a_hosted_party_says_so(site: Site) -> None:
    site.configure(parties=["host-1"])
    site.drop("credit", DSL, CONF)
    (text,) = errors(open_bundle(site))
    assert "credit_conf.json" in text
    assert "none of this site's parties (host-1) takes part in the job" in text


def test_an_edit_makes_a_version_and_leaves_the_old_one(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    site.drop("other", DSL, CONF)
    bundle = open_bundle(site)
    old, old_path = version_of(bundle), bundle.path
    unchanged = (old_path / "other.py").stat()

    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    assert version_of(bundle) != old
    assert "edited" in parsed(bundle).dags["credit.guest-9999"].tags
    # Airflow parses what is newer than its last parse: that is the edited file, and only it.
    now = (bundle.path / "other.py").stat()
    assert (now.st_mtime_ns, now.st_ino) == (unchanged.st_mtime_ns, unchanged.st_ino)
    assert (bundle.path / "credit.py").stat().st_mtime > unchanged.st_mtime

    before = open_bundle(site, old)
    assert before.path == old_path
    assert version_of(before) == old
    assert "edited" not in parsed(before).dags["credit.guest-9999"].tags


def test_going_back_to_an_older_content_is_a_change_for_airflow_as_well(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    first = version_of(bundle)
    os.utime(bundle.path / "credit.py", (LONG_AGO, LONG_AGO))
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    edited = (bundle.path / "credit.py").stat().st_mtime
    site.drop("credit", DSL, CONF)
    bundle.refresh()
    assert version_of(bundle) == first
    assert (bundle.path / "credit.py").stat().st_mtime >= edited


def test_a_deleted_job_is_gone_from_the_next_version(site: Site) -> None:
    pair = site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    for path in pair:
        path.unlink()
    bundle.refresh()
    assert parsed(bundle).dags == {}
    assert bundle.path.is_dir()


def test_no_change_is_no_version_and_no_work(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    version, made = version_of(bundle), bundle.path.stat().st_ctime_ns
    for _ in range(2):
        bundle.refresh()
    assert (version_of(bundle), bundle.path.stat().st_ctime_ns) == (version, made)
    assert version_of(open_bundle(site)) == version


def test_an_edit_that_leaves_size_and_time_as_they_were_is_seen(site: Site) -> None:
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["one"]}})
    bundle = open_bundle(site)
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["two"]}})
    bundle.refresh()
    assert "two" in parsed(bundle).dags["credit.guest-9999"].tags


def test_other_parties_or_another_policy_make_a_version(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    site.configure(parties=["arbiter-10000"])
    bundle.refresh()
    assert set(parsed(bundle).dags) == {"credit.arbiter-10000"}


@pytest.mark.parametrize(("consent", "paused"), [("ask", True), ("automatic", False)])
def test_a_received_job_waits_for_consent_as_the_site_s_policy_says(site: Site, consent: str, paused: bool) -> None:
    site.configure(policy={"consent": consent})
    site.drop("credit", DSL, CONF, site.received)
    assert parsed(open_bundle(site)).dags["credit.host-10000"].is_paused_upon_creation is paused


def test_only_the_site_where_a_job_was_dropped_takes_its_pool_and_executor_options(site: Site) -> None:
    conf = CONF | {"airflow": {"pool": "theirs", "executor_config": {"pod_override": {}}, "retries": 2}}
    site.drop("credit", DSL, conf, site.received)
    bundle = open_bundle(site)
    task = parsed(bundle).dags["credit.host-10000"].get_task("hetero_lr_0")
    assert (task.pool, task.executor_config, task.retries) == ("default_pool", {}, 2)
    site.drop("credit", DSL, conf)
    bundle.refresh()
    task = parsed(bundle).dags["credit.host-10000"].get_task("hetero_lr_0")
    assert (task.pool, task.executor_config) == ("theirs", {"pod_override": {}})


def test_a_received_job_brings_no_rules_for_a_form_that_nobody_fills_here(site: Site) -> None:
    conf = CONF | {"airflow": {"params": {"region": {"type": "string", "pattern": "(a+)+$", "default": "aa"}}}}
    site.drop("credit", DSL, conf, site.received)
    bundle = open_bundle(site)
    assert parsed(bundle).dags["credit.host-10000"].params.get_param("region").schema == {}
    site.drop("credit", DSL, conf)
    bundle.refresh()
    assert parsed(bundle).dags["credit.host-10000"].params.get_param("region").schema["pattern"] == "(a+)+$"


def test_a_job_that_is_here_and_was_received_as_well_is_one_job(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    site.drop("credit", DSL, CONF, site.received)
    bag = parsed(open_bundle(site))
    assert bag.import_errors == {}
    assert not bag.dags["credit.host-10000"].is_paused_upon_creation


def test_a_received_job_takes_no_place_of_another_that_is_here(site: Site) -> None:
    mine, _ = site.drop("credit", DSL, CONF | {"airflow": {"tags": ["mine"]}})
    theirs, _ = site.drop("credit", DSL, CONF, site.received)
    bag = parsed(open_bundle(site))
    assert "mine" in bag.dags["credit.host-10000"].tags
    (text,) = bag.import_errors.values()
    assert text.startswith(str(theirs))
    assert str(mine) in text


def test_a_version_that_was_cleaned_up_is_made_again(site: Site) -> None:
    site.drop("credit", DSL, CONF)
    bundle = open_bundle(site)
    old = version_of(bundle)
    site.drop("credit", DSL, CONF | {"airflow": {"tags": ["edited"]}})
    bundle.refresh()
    shutil.rmtree(bundle.versions_dir)
    assert set(parsed(open_bundle(site, old)).dags) == {"credit.guest-9999", "credit.host-10000"}
    bundle.refresh()
    assert bundle.path.is_dir()


def test_a_version_that_this_machine_never_had_is_an_error_that_says_so(site: Site) -> None:
    with pytest.raises(ConfigError, match="This machine has no version 0123 of the jobs"):
        open_bundle(site, "0123")


def test_nothing_is_read_or_written_before_the_bundle_is_used(tmp_path: Path) -> None:
    bundle = FateDagBundle(name="fate", site=str(tmp_path / "nowhere"))
    assert bundle.get_current_version() is None
    with pytest.raises(ConfigError, match="There is no"):
        bundle.initialize()
    assert list(tmp_path.iterdir()) == []
