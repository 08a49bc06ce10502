"""Jobs submitted to a real site: dropped, compiled, triggered, followed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fate_federated.errors import JobError
from fate_federated.site.site import Site
from fate_federated.site.submit import drop_job
from fate_federated.site.upload import upload_table
from fate_federated.site.upload_conf import UploadPlan

pytestmark = pytest.mark.airflow

DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": {
            "module": "DataTransform",
            "input": {"data": {"data": ["reader_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
    }
}


def _files(folder: Path, name: str, table: str) -> list[str]:
    conf: dict[str, Any] = {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000]},
        "component_parameters": {"common": {"reader_0": {"table": {"namespace": "submit", "name": table}}}},
    }
    for part, content in (("dsl", DSL), ("conf", conf)):
        (folder / f"{name}_{part}.json").write_text(json.dumps(content))
    return ["-d", str(folder / f"{name}_dsl.json"), "-c", str(folder / f"{name}_conf.json")]


def _fate(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("fate")), *words, "--site", str(site.layout.home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_a_job_is_submitted_and_followed_to_its_end(running_site: Site, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id,x\na,1\nb,\n")
    upload_table(running_site, UploadPlan(rows, "submit", "rows"))
    words = _files(tmp_path, "two", "rows")
    done = _fate(running_site, "job", "submit", *words, "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of two.guest-9999" in done.stdout
    assert "data_transform_0 success after" in done.stdout
    again = _fate(running_site, "job", "submit", *words)
    assert again.returncode == 0, again.stderr
    jobs = json.loads(_fate(running_site, "job", "list", "--json").stdout)
    assert [job["status"] for job in jobs if job["name"] == "two"][-1] == "success"


def test_a_job_that_fails_exits_with_1_and_says_why(running_site: Site, tmp_path: Path) -> None:
    done = _fate(running_site, "job", "submit", *_files(tmp_path, "none", "not-there"), "--wait")
    assert done.returncode == 1
    assert "There is no table submit.not-there" in done.stdout + done.stderr


def test_another_job_of_the_same_name_elsewhere_is_not_shadowed(running_site: Site, tmp_path: Path) -> None:
    folder = running_site.settings.path(running_site.settings.airflow.dags_folder) / "team"
    folder.mkdir()
    _files(folder, "taken", "rows")
    _files(tmp_path, "taken", "others")
    with pytest.raises(JobError, match=r"team/taken_dsl\.json"):
        drop_job(running_site.settings, tmp_path / "taken_dsl.json", tmp_path / "taken_conf.json", "team.taken")
    # The very same files are that job.
    submission = drop_job(running_site.settings, folder / "taken_dsl.json", folder / "taken_conf.json", "team.taken")
    assert submission.dag_id == "team.taken.guest-9999"
    assert not (folder.parent / "team.taken_dsl.json").exists()
