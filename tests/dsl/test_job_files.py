"""Reading a job's files."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from dsl_jobs import SPECS, Job

from fate_federated.dsl.job_files import job_digest, load_job
from fate_federated.errors import DslError


def write(path: Path, content: str | bytes = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


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
