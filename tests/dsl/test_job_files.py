"""Finding jobs in a folder and reading their files."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from dsl_jobs import SPECS, Job

from fate_federated.dsl.job_files import JobPaths, find_jobs, job_digest, load_job
from fate_federated.errors import DslError


def write(path: Path, content: str | bytes = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_pairs_and_single_files_are_found_at_any_depth(tmp_path: Path) -> None:
    dsl, conf = write(tmp_path / "a/b/credit.v2_dsl.json"), write(tmp_path / "a/b/credit.v2_conf.json")
    both = write(tmp_path / "x/score.fate.json")
    write(tmp_path / "upload.json")
    write(tmp_path / ".hidden/h_dsl.json")
    write(tmp_path / "a/.h_conf.json")
    found = find_jobs(tmp_path)
    assert found.jobs == (JobPaths("credit.v2", dsl, conf), JobPaths("score", both, both))
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


def test_a_conf_alone_may_be_a_job_that_predicts(tmp_path: Path) -> None:
    write(tmp_path / "lone_conf.json")
    (job,) = find_jobs(tmp_path).jobs
    assert job == JobPaths("lone", None, tmp_path / "lone_conf.json")
    assert job.paths == (tmp_path / "lone_conf.json",)


def test_two_jobs_of_one_name_are_none(tmp_path: Path) -> None:
    for name in ("a/x_dsl.json", "a/x_conf.json", "b/x.fate.json", "c/y.fate.json"):
        write(tmp_path / name)
    found = find_jobs(tmp_path)
    assert [job.name for job in found.jobs] == ["y"]
    assert {problem.file for problem in found.problems} == {
        str(tmp_path / "a/x_dsl.json"),
        str(tmp_path / "b/x.fate.json"),
    }
    for problem in found.problems:
        assert str(tmp_path / "a/x_dsl.json") in problem.message
        assert str(tmp_path / "b/x.fate.json") in problem.message


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
    assert [job.name for job in found.jobs] == ["in", "link"]
    assert {problem.file for problem in found.problems} == {str(dags / "out.fate.json"), str(dags / "folder")}


def test_a_single_file_is_the_pair_it_holds(tmp_path: Path, dsl: Job, conf: Job) -> None:
    dsl_text, conf_text = json.dumps(dsl), json.dumps(conf, indent=2)
    both = write(tmp_path / "x.fate.json", f'{{"dsl": {dsl_text},\n "conf": {conf_text}}}')
    pair = write(tmp_path / "x_dsl.json", dsl_text), write(tmp_path / "x_conf.json", conf_text)
    first, second = load_job(both), load_job(*pair)
    assert (first.dsl_text, first.conf_text) == (dsl_text, conf_text) == (second.dsl_text, second.conf_text)
    assert first.compile(SPECS.get) == second.compile(SPECS.get)


def test_a_mistake_in_a_single_file_is_located_in_that_file(tmp_path: Path, dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "HeteroLRR"
    conf["initiator"]["party_id"] = 1
    both = write(tmp_path / "x.fate.json", json.dumps({"dsl": dsl, "conf": conf}, indent=1))
    with pytest.raises(DslError) as caught:
        load_job(both).compile(SPECS.get)
    lines = both.read_text().splitlines()
    assert [problem.pointer for problem in caught.value.problems] == [
        "/dsl/components/hetero_lr_0/module",
        "/conf/initiator",
    ]
    assert "HeteroLRR" in lines[caught.value.problems[0].line - 1]
    assert '"initiator"' in lines[caught.value.problems[1].line - 1]


@pytest.mark.parametrize(
    ("content", "pointers"), [("[]", [""]), ("{}", ["", ""]), ('{"dsl": {}, "conf": {}, "x": 1}', ["/x"])]
)
def test_a_single_file_of_another_form_is_an_error(tmp_path: Path, content: str, pointers: list[str]) -> None:
    with pytest.raises(DslError) as caught:
        load_job(write(tmp_path / "x.fate.json", content))
    assert [problem.pointer for problem in caught.value.problems] == pointers


def test_mistakes_of_both_files_are_told_under_the_names_asked_for(tmp_path: Path) -> None:
    dsl, conf = write(tmp_path / "x_dsl.json", '{"a": 1,}'), write(tmp_path / "x_conf.json", b"\xff")
    with pytest.raises(DslError) as caught:
        load_job(dsl, conf, dsl_file="/dags/x_dsl.json")
    assert str(caught.value).splitlines() == [
        "/dags/x_dsl.json:1: there is a comma before '}'. Remove it.",
        f"{conf}:1: byte 0xff is not UTF-8. Save the file as UTF-8.",
    ]


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DslError, match="it cannot be read: No such file"):
        load_job(tmp_path / "x_dsl.json", tmp_path / "x_conf.json")


def test_line_ends_belong_to_the_text(tmp_path: Path) -> None:
    both = load_job(write(tmp_path / "x_dsl.json", b"{}\r\n"), write(tmp_path / "x_conf.json", b"{ }"))
    assert (both.dsl_text, both.conf_text) == ("{}\r\n", "{ }")
    assert job_digest("{}\r\n", "{ }") == sha256(b"{}\r\n\0{ }").hexdigest()[:12]


def test_links_in_a_circle_are_a_problem_and_no_crash(tmp_path: Path) -> None:
    for name in ("a_dsl.json", "a_conf.json"):
        (tmp_path / name).symlink_to(tmp_path / name)
    (job,) = find_jobs(tmp_path).jobs
    assert job.dsl is not None
    with pytest.raises(DslError, match="cannot be read"):
        load_job(job.dsl, job.conf)
