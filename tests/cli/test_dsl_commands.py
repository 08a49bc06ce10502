"""``fate dsl``: checking, showing, deriving and upgrading job files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner, Result

from fate_federated.cli.main import app
from fate_federated.dsl.job_files import load_job
from fate_federated.dsl.pairs import find_pairs
from fate_federated.dsl.parse import parse_documents
from fate_federated.errors import DslError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT.parent / "shared" / "fate-examples"
DSL, CONF = ROOT / "dags/breast_cancer_dsl.json", ROOT / "dags/breast_cancer_conf.json"

Fate = Callable[..., Result]

DSL1 = {
    "components": {
        "dataio_0": {
            "module": "DataIO",
            "input": {"data": {"data": ["args.train_data"]}},
            "output": {"data": ["train"], "model": ["dataio"]},
        },
        "lr_0": {"module": "HeteroLR", "input": {"data": {"train_data": ["dataio_0.train"]}}},
    }
}
CONF1 = {
    "initiator": {"role": "guest", "party_id": 9999},
    "job_parameters": {"work_mode": 0},
    "role": {"guest": [9999], "host": [10000], "arbiter": [10000]},
    "role_parameters": {
        role: {
            "args": {"data": {"train_data": [{"namespace": "n", "name": role}]}},
            "dataio_0": {"with_label": [role == "guest"]},
        }
        for role in ("guest", "host")
    },
    "algorithm_parameters": {"lr_0": {"max_iter": 3, "no_such_parameter": 1}},
}


def fate(*words: object, status: int = 0) -> Result:
    """Run ``fate dsl`` with these words; fails unless it exits with the expected status."""
    result = CliRunner().invoke(app, ["dsl", *map(str, words)])
    assert result.exit_code == status, result.output
    return result


def checked(*words: object, status: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in fate("check", *words, "--json", status=status).stdout.splitlines()]


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content, indent=1))
    return path


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A folder with a job of version 1: lr_dsl.json and lr_conf.json."""
    write(tmp_path / "lr_dsl.json", DSL1)
    write(tmp_path / "lr_conf.json", CONF1)
    return tmp_path


# --- check


def test_check_says_of_every_pair_what_comes_of_it(version_1: Path) -> None:
    lacking = {"components": {**DSL1["components"], "nn_0": {"module": "HeteroNN", "input": {}}}}
    write(version_1 / "nn_dsl.json", lacking)
    write(version_1 / "nn_conf.json", CONF1)
    broken = write(version_1 / "typo_dsl.json", {"components": {"lr_0": {"module": "HeteroLRR"}}})
    write(version_1 / "typo_conf.json", CONF1)
    by_dsl = {Path(each["dsl"]).name: each for each in checked(version_1, status=1)}
    assert {name: each["verdict"] for name, each in by_dsl.items()} == {
        "lr_dsl.json": "ok", "nn_dsl.json": "not-installed", "typo_dsl.json": "invalid",
    }  # fmt: skip
    assert by_dsl["lr_dsl.json"] == {
        "dsl": str(version_1 / "lr_dsl.json"),
        "conf": str(version_1 / "lr_conf.json"),
        "verdict": "ok",
        "modules": ["DataIO", "HeteroLR"],
        "errors": [],
        "warnings": [
            {
                "file": str(version_1 / "lr_conf.json"),
                "pointer": "/algorithm_parameters/lr_0/no_such_parameter",
                "line": 59,
                "message": "lr_0: no_such_parameter is not a known key and is ignored",
                "remedy": ANY,
            }
        ],
    }
    assert by_dsl["nn_dsl.json"]["modules"] == ["DataIO", "HeteroLR", "HeteroNN"]
    assert by_dsl["typo_dsl.json"]["errors"][0] == {
        "file": str(broken),
        "pointer": "/components/lr_0/module",
        "line": 4,
        "message": 'there is no module "HeteroLRR"',
        "remedy": "Did you mean 'HeteroLR'?",
    }
    human = fate("check", version_1, status=1).output
    assert f"{broken}:4 /components/lr_0/module: there is no module" in human
    assert "Did you mean 'HeteroLR'?" in human
    assert "warning: " in human
    assert "3 jobs: 1 ok, 1 not-installed, 1 invalid." in human


def test_check_is_content_where_nothing_is_invalid(version_1: Path) -> None:
    assert fate("check", version_1).output.startswith("ok ")
    assert fate("check", version_1 / "lr_dsl.json", version_1 / "lr_conf.json").output.startswith("ok ")
    (version_1 / "empty").mkdir()
    assert fate("check", version_1 / "empty").output == "There is no dsl and no conf.\n"
    assert checked(version_1 / "empty") == []


def test_a_module_that_lacks_a_component_does_not_hide_a_mistake(version_1: Path) -> None:
    write(version_1 / "lr_dsl.json", {"components": {**DSL1["components"], "nn_0": {"module": "HeteroNN"}}})
    write(version_1 / "lr_conf.json", CONF1 | {"initiator": {"role": "guest", "party_id": 1}})
    (found,) = checked(version_1, status=1)
    assert found["verdict"] == "invalid"
    assert {error["pointer"] for error in found["errors"]} >= {"/components/nn_0/module", "/initiator"}


def test_halves_without_the_other_are_there_with_null(tmp_path: Path) -> None:
    write(tmp_path / "a_dsl.json", {"components": {"lr_0": {"modul": "HeteroLR"}}})
    (alone,) = checked(tmp_path, status=1)
    assert (alone["conf"], alone["verdict"]) == (None, "invalid")
    assert ["no conf beside" in alone["errors"][0]["message"], "modul" in str(alone["errors"][1:])] == [True, True]
    (tmp_path / "a_dsl.json").unlink()
    write(tmp_path / "b_conf.json", CONF1)
    (alone,) = checked(tmp_path, status=1)
    assert (alone["dsl"], alone["verdict"], alone["modules"]) == (None, "invalid", [])
    write(
        tmp_path / "b_conf.json",
        CONF1 | {"job_parameters": {"job_type": "predict", "model_id": "m", "model_version": "v"}},
    )
    (alone,) = checked(tmp_path)
    assert (alone["dsl"], alone["verdict"]) == (None, "ok")


def test_one_file_with_both_is_dsl_and_conf(tmp_path: Path) -> None:
    both = write(tmp_path / "lr.fate.json", {"dsl": DSL1, "conf": CONF1})
    (found,) = checked(both)
    assert (found["dsl"], found["conf"], found["modules"]) == (str(both), str(both), ["DataIO", "HeteroLR"])
    both.write_text("{")
    (found,) = checked(both, status=1)
    assert found["verdict"] == "invalid"


def test_a_suite_is_checked_by_its_tasks(version_1: Path) -> None:
    tasks = {"train": {"conf": "lr_conf.json", "dsl": "lr_dsl.json"}, "gone": {"conf": "no.json", "dsl": "lr_dsl.json"}}
    suite = write(version_1 / "lr_testsuite.json", {"data": [], "tasks": tasks})
    good, gone = checked(suite, status=1)
    assert (good["verdict"], gone["verdict"]) == ("ok", "invalid")
    assert gone["conf"] == str(version_1 / "no.json")
    assert gone["errors"][0]["file"] == str(suite)
    assert gone["errors"][0]["pointer"] == "/tasks/gone/conf"


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    fate("check", tmp_path / "gone", status=2)
    fate("check", status=2)
    fate("show", tmp_path / "gone", status=2)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="FATE's examples are not beside this repository")
def test_all_of_fates_examples_are_checked() -> None:
    with (EXAMPLES / "index.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    result = CliRunner().invoke(app, ["dsl", "check", str(EXAMPLES), "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    modules = {(each["dsl"], each["conf"]): each["modules"] for each in found}
    for row in rows:
        folder = EXAMPLES / row["tag"]
        dsl = None if row["dsl"] == "-" else str(folder / row["dsl"])
        written = [] if dsl is None else list(dict.fromkeys(row["modules"].split(",")))
        assert modules.pop((dsl, str(folder / row["conf"]))) == written
    assert not modules
    assert result.exit_code == int(any(each["verdict"] == "invalid" for each in found))
    assert all(error["line"] and error["file"] for each in found for error in each["errors"])


# --- show


def test_show_prints_a_job_that_reads_the_same(tmp_path: Path) -> None:
    shown = tmp_path / "shown.fate.json"
    shown.write_text(fate("show", DSL, CONF).stdout)
    assert load_job(shown).compile() == load_job(DSL, CONF).compile()
    assert fate("show", DSL).stdout == shown.read_text()
    assert fate("show", shown).stdout == shown.read_text()


def test_show_draws(version_1: Path) -> None:
    assert fate("show", DSL, "--picture", "mermaid").stdout.startswith("flowchart TD\n")
    assert fate("show", DSL, "--picture", "graphviz").stdout.startswith("digraph pipeline {\n")
    fate("show", DSL, "--picture", "crayon", status=2)
    write(version_1 / "lr_dsl.json", {"components": {**DSL1["components"], "nn_0": {"module": "HeteroNN"}}})
    drawn = fate("show", version_1 / "lr_dsl.json", "--picture", "mermaid")
    assert "HeteroNN" in drawn.stdout
    assert "no component installed here provides it" in drawn.stderr


def test_show_needs_one_conf(version_1: Path) -> None:
    write(version_1 / "lr_b_conf.json", CONF1)
    several = fate("show", version_1 / "lr_dsl.json", status=2).output
    assert "several" in several
    (version_1 / "lr_conf.json").unlink()
    (version_1 / "lr_b_conf.json").unlink()
    assert "none" in fate("show", version_1 / "lr_dsl.json", status=2).output


def test_show_tells_what_is_wrong(version_1: Path) -> None:
    (version_1 / "lr_dsl.json").write_text('{"components": {,}}')
    refused = fate("show", version_1 / "lr_dsl.json", version_1 / "lr_conf.json", status=1)
    assert "lr_dsl.json:1" in refused.output
    assert "Traceback" not in refused.output


# --- predict


def test_predict_prints_the_derived_dsl(version_1: Path) -> None:
    derived = json.loads(fate("predict", version_1 / "lr_dsl.json").stdout)
    assert derived["components"]["lr_0"]["input"] == {
        "data": {"eval_data": ["dataio_0.train"]}, "model": ["pipeline.lr_0.default"],
    }  # fmt: skip
    assert derived["components"]["dataio_0"]["input"]["data"] == {"data": ["args.eval_data"]}


def test_predict_keeps_the_components_asked_for_and_writes_a_file_once(tmp_path: Path) -> None:
    out = tmp_path / "new" / "predict_dsl.json"
    words = ("predict", DSL, CONF, "--component", "data_transform_0", "--component", "hetero_lr_0", "-o", out)
    fate(*words)
    assert list(json.loads(out.read_text())["components"]) == ["data_transform_0", "hetero_lr_0"]
    assert "already" in fate(*words, status=1).output
    assert "nobody" in fate("predict", DSL, CONF, "--component", "nobody", status=1).output


# --- upgrade


def test_upgrade_writes_a_version_2_job_that_does_the_same(version_1: Path) -> None:
    old = version_1 / "lr_dsl.json", version_1 / "lr_conf.json"
    result = fate("upgrade", *old, "-o", version_1 / "new")
    new = version_1 / "new/lr_dsl.json", version_1 / "new/lr_conf.json"
    assert result.stdout.split() == list(map(str, new))
    assert "no_such_parameter" in result.stderr
    assert json.loads(new[1].read_text())["dsl_version"] == 2
    assert load_job(*new).compile() == load_job(*old).compile()
    assert "already" in fate("upgrade", *old, "-o", version_1 / "new", status=1).output
    printed = json.loads(fate("upgrade", *old).stdout)
    assert printed == {"dsl": json.loads(new[0].read_text()), "conf": json.loads(new[1].read_text())}


@pytest.mark.parametrize(
    ("conf", "name"),
    [("test_lr_job_conf.json", "test_lr_job"), ("job_conf_with_x.json", "job_with_x"), ("conf.json", "job"),
     ("homo-lr-conf.json", "homo-lr"), ("single_layer.json", "single_layer"), ("a.fate.json", "a")],
)  # fmt: skip
def test_an_upgraded_job_is_called_as_its_conf(version_1: Path, conf: str, name: str) -> None:
    dsl = version_1 / "lr_dsl.json"
    if conf == "a.fate.json":
        dsl = write(version_1 / conf, {"dsl": DSL1, "conf": CONF1})
    (version_1 / "lr_conf.json").rename(version_1 / "x.txt")
    path = write(version_1 / conf, CONF1) if dsl.name != conf else dsl
    fate("upgrade", dsl, path, "-o", version_1 / "new")
    assert {file.name for file in (version_1 / "new").iterdir()} == {f"{name}_dsl.json", f"{name}_conf.json"}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="FATE's examples are not beside this repository")
def test_every_version_1_example_upgrades_to_an_equal_job(tmp_path: Path) -> None:
    upgraded, refused = 0, []
    for number, pair in enumerate(find_pairs([EXAMPLES / "v1.1", EXAMPLES / "v1.4.6"])):
        if pair.dsl is None or pair.conf is None:
            continue
        texts = load_job(pair.dsl, pair.conf)
        try:
            before = parse_documents(texts.dsl, texts.conf, to_run=False)
        except DslError:
            continue
        if any("is guest and arbiter" in warning.message for warning in before.warnings):
            refusal = fate("upgrade", pair.dsl, pair.conf, "-o", tmp_path / str(number), status=1)
            assert "Version 2 does not allow what this job does" in refusal.output
            assert "Let another organisation be the arbiter." in refusal.output
            refused.append(pair.conf.name)
            continue
        fate("upgrade", pair.dsl, pair.conf, "-o", tmp_path / str(number))
        (again,) = find_pairs([tmp_path / str(number)])
        assert again.dsl is not None
        texts = load_job(again.dsl, again.conf)
        assert parse_documents(texts.dsl, texts.conf, to_run=False) == before, pair.conf
        upgraded += 1
    assert upgraded >= 60
    assert sorted(refused) == [
        "test_hetero_linr_multi_host_cv_job_conf.json",
        "test_hetero_linr_train_sparse_job_conf.json",
        "test_multi_host_job_conf.json",
    ]
