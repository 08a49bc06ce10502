"""Finding jobs in a folder."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from dsl_jobs import Job

from fate_federated.dsl.job_files import load_job
from fate_federated.dsl.job_folder import FoundJobs, JobPaths, find_jobs
from fate_federated.errors import DslError

EXAMPLES = Path(__file__).parents[3] / "shared" / "fate-examples"


def write(path: Path, content: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_pairs_and_single_files_are_found_at_any_depth(tmp_path: Path) -> None:
    dsl, conf = write(tmp_path / "a/b/credit.v2_dsl.json"), write(tmp_path / "a/b/credit.v2_conf.json")
    both = write(tmp_path / "x/score.fate.json")
    write(tmp_path / "upload.json")
    write(tmp_path / ".hidden/h_dsl.json")
    write(tmp_path / "a/.h_conf.json")
    found = find_jobs(tmp_path)
    assert found.jobs == (JobPaths("a.b.credit.v2", dsl, conf), JobPaths("x.score", both, both))
    assert found.problems == ()


def test_a_folder_that_is_not_there_holds_no_jobs(tmp_path: Path) -> None:
    assert find_jobs(tmp_path / "none").jobs == ()


def test_a_dsl_without_a_conf_is_a_problem_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "ok_dsl.json")
    write(tmp_path / "ok_conf.json")
    write(tmp_path / "a/lone_dsl.json")
    found = find_jobs(tmp_path)
    assert [job.name for job in found.jobs] == ["ok"]
    assert {problem.file: problem.message for problem in found.problems} == {
        str(tmp_path / "a/lone_dsl.json"): "there is no lone_conf.json beside it",
    }


def test_a_conf_alone_may_be_a_job_that_predicts(tmp_path: Path, conf: Job) -> None:
    write(tmp_path / "lone_conf.json", json.dumps(conf))
    (job,) = find_jobs(tmp_path).jobs
    assert job == JobPaths("lone", None, tmp_path / "lone_conf.json")
    assert job.paths == (tmp_path / "lone_conf.json",)


def test_two_jobs_of_one_name_are_none(tmp_path: Path) -> None:
    for name in ("a/x_dsl.json", "a/x_conf.json", "a.x.fate.json", "c/x.fate.json"):
        write(tmp_path / name)
    found = find_jobs(tmp_path)
    assert [job.name for job in found.jobs] == ["c.x"]
    assert {problem.file for problem in found.problems} == {
        str(tmp_path / "a/x_dsl.json"),
        str(tmp_path / "a.x.fate.json"),
    }
    for problem in found.problems:
        assert str(tmp_path / "a/x_dsl.json") in problem.message
        assert str(tmp_path / "a.x.fate.json") in problem.message


@pytest.mark.parametrize("name", ["credit scoring", "kreditwürdig", "a'b", "x" * 129])
def test_an_unsafe_name_is_a_problem(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.fate.json")
    found = find_jobs(tmp_path)
    assert found.jobs == ()
    assert "is no name for a job" in found.problems[0].message


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/secret_conf.json").parent
    dags = tmp_path / "dags"
    write(dags / "data/in.fate.json")
    (dags / "link.fate.json").symlink_to(dags / "data/in.fate.json")
    (dags / "out.fate.json").symlink_to(outside / "secret_conf.json")
    (dags / "folder").symlink_to(outside)
    found = find_jobs(dags)
    assert [job.name for job in found.jobs] == ["data.in", "link"]
    assert {problem.file for problem in found.problems} == {str(dags / "out.fate.json"), str(dags / "folder")}


def test_links_in_a_circle_are_a_problem_and_no_crash(tmp_path: Path) -> None:
    for name in ("a_dsl.json", "a_conf.json"):
        (tmp_path / name).symlink_to(tmp_path / name)
    (job,) = find_jobs(tmp_path).jobs
    assert job.dsl is not None
    with pytest.raises(DslError, match="cannot be read"):
        load_job(job.dsl, job.conf)


def found_pairs(found: FoundJobs) -> dict[str, tuple[str | None, str]]:
    return {job.name: (job.dsl.name if job.dsl else None, job.conf.name) for job in found.jobs}


def test_confs_whose_names_carry_a_dsl_s_share_it(tmp_path: Path, dsl: Job, conf: Job) -> None:
    write(tmp_path / "lr_dsl.json", json.dumps(dsl))
    write(tmp_path / "stranger_dsl.json", json.dumps(dsl))
    for name in (
        "lr_conf.json",
        "lr_sparse_conf.json",
        "lr_conf_multi_host.json",
        "new_conf.json",
        "stranger_conf.json",
    ):
        write(tmp_path / name, json.dumps(conf))
    assert found_pairs(find_jobs(tmp_path)) == {
        "lr": ("lr_dsl.json", "lr_conf.json"),
        "lr_sparse": ("lr_dsl.json", "lr_sparse_conf.json"),
        "lr_multi_host": ("lr_dsl.json", "lr_conf_multi_host.json"),
        "stranger": ("stranger_dsl.json", "stranger_conf.json"),
        # Nothing but what it holds says which dsl it is for: not enough to run it.
        "new": (None, "new_conf.json"),
    }


def test_a_suite_says_what_belongs_together(tmp_path: Path, dsl: Job, conf: Job) -> None:
    write(tmp_path / "lr_dsl.json", json.dumps(dsl))
    write(tmp_path / "new_conf.json", json.dumps(conf))
    write(tmp_path / "a_testsuite.json", json.dumps({"tasks": {"a": {"dsl": "lr_dsl.json", "conf": "new_conf.json"}}}))
    assert found_pairs(find_jobs(tmp_path)) == {"new": ("lr_dsl.json", "new_conf.json")}


def test_a_dsl_and_a_conf_without_names_are_called_as_their_folder(tmp_path: Path, dsl: Job, conf: Job) -> None:
    write(tmp_path / "fraud/credit/dsl.json", json.dumps(dsl))
    write(tmp_path / "fraud/credit/conf.json", json.dumps(conf))
    assert found_pairs(find_jobs(tmp_path)) == {"fraud.credit": ("dsl.json", "conf.json")}


def test_a_file_that_changes_is_looked_into_again(tmp_path: Path, dsl: Job, conf: Job) -> None:
    write(tmp_path / "lr_dsl.json", json.dumps(dsl))
    write(tmp_path / "lr_sparse.json", json.dumps({"not": "a job"}))
    assert found_pairs(find_jobs(tmp_path)) == {}
    write(tmp_path / "lr_sparse.json", json.dumps(conf))
    assert found_pairs(find_jobs(tmp_path)) == {"lr_sparse": ("lr_dsl.json", "lr_sparse.json")}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="FATE's examples are not beside this repository")
def test_fates_examples_are_jobs_where_their_names_say_so(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "dags")
    with (EXAMPLES / "index.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    pairs = {(row["dsl"], row["conf"]) for row in rows}
    found = find_jobs(tmp_path / "dags")
    assert all("beside it" in problem.message for problem in found.problems), "a dsl that is left over"
    assert len(found.jobs) == len(rows)
    inside = [(job, tmp_path / "dags" / job.conf.relative_to(tmp_path / "dags").parts[0]) for job in found.jobs]
    alike = [
        job
        for job, tag in inside
        if (str(job.dsl.relative_to(tag)) if job.dsl else "-", str(job.conf.relative_to(tag))) in pairs
    ]
    assert len(alike) >= 180
    others = [job.conf.name for job in found.jobs if job not in alike and job.dsl is not None]
    assert others == ["test_hetero_lr_early_stop_train_job_conf.json"], "its name says train, what it holds validate"
