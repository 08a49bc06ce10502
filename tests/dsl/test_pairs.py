"""Which dsl and conf belong together."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from dsl_jobs import Job

from fate_federated.dsl.job_files import read_document
from fate_federated.dsl.pairs import Pair, find_pairs
from fate_federated.errors import DslError

EXAMPLES = Path(__file__).parents[3] / "shared" / "fate-examples"


def put(folder: Path, **files: Any) -> None:
    """Write files; a double underscore in a keyword stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def names(*paths: Path) -> set[tuple[str | None, str | None]]:
    """The pairs' file names."""
    pairs = find_pairs(paths)
    assert len(pairs) == len(set(pairs))
    return {(pair.dsl.name if pair.dsl else None, pair.conf.name if pair.conf else None) for pair in pairs}


def only(*paths: Path) -> Pair:
    (pair,) = find_pairs(paths)
    return pair


@pytest.mark.skipif(not EXAMPLES.exists(), reason="FATE's examples are not beside this repository")
def test_every_pair_of_fates_examples_is_found_and_no_other() -> None:
    with (EXAMPLES / "index.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    expected = {
        (None if row["dsl"] == "-" else EXAMPLES / row["tag"] / row["dsl"], EXAMPLES / row["tag"] / row["conf"])
        for row in rows
    }
    pairs = find_pairs([EXAMPLES])
    assert not any(pair.problems for pair in pairs)
    assert {(pair.dsl, pair.conf) for pair in pairs} == expected
    assert len(pairs) == len(rows)


@pytest.mark.parametrize(
    ("dsl_name", "conf_name"),
    [
        ("test_lr_dsl.json", "test_lr_conf.json"),
        ("test_lr_job_dsl.json", "test_lr_job_conf.json"),
        ("homo-lr-dsl.json", "homo-lr-conf.json"),
        ("dsl.json", "conf.json"),
        ("job_dsl_with_baseline.json", "job_conf_with_baseline.json"),
        ("train_dsl.json", "train.json"),
        ("train.dsl", "train_one_layer.json"),
    ],
)
def test_a_conf_goes_with_the_dsl_of_its_name(
    tmp_path: Path, dsl: Job, conf: Job, dsl_name: str, conf_name: str
) -> None:
    put(tmp_path, **{dsl_name: dsl, conf_name: conf, "other_dsl.json": dsl, "other_conf.json": conf})
    assert names(tmp_path) == {(dsl_name, conf_name), ("other_dsl.json", "other_conf.json")}


def test_several_confs_share_the_dsl_that_their_names_begin_with(tmp_path: Path, dsl: Job, conf: Job) -> None:
    confs = ["lr_conf.json", "lr_sparse_conf.json", "lr_multi_host_conf.json", "lr_conf_advanced.json"]
    put(
        tmp_path,
        **{"lr_dsl.json": dsl, "lr_cv_dsl.json": dsl, "lr_cv_ovr_conf.json": conf},
        **dict.fromkeys(confs, conf),
    )
    assert names(tmp_path) == {*(("lr_dsl.json", name) for name in confs), ("lr_cv_dsl.json", "lr_cv_ovr_conf.json")}


def test_a_conf_goes_with_the_dsl_whose_tables_it_has(tmp_path: Path, dsl1: Job, conf1: Job) -> None:
    on_one_table = {"components": {"dataio_0": dsl1["components"]["dataio_0"]}}
    put(tmp_path, a_dsl__json=on_one_table, b_dsl__json=dsl1, both_conf__json=conf1)
    for role in ("guest", "host"):
        del conf1["role_parameters"][role]["args"]["data"]["eval_data"]
    put(tmp_path, one_conf__json=conf1)
    assert names(tmp_path) == {("b_dsl.json", "both_conf.json"), ("a_dsl.json", "one_conf.json")}


def test_a_conf_that_validates_goes_with_a_dsl_that_has_data_for_it(tmp_path: Path, dsl1: Job, conf1: Job) -> None:
    plain: Job = json.loads(json.dumps(dsl1).replace('eval_data": ["dataio_1', 'data": ["dataio_1'))
    conf1["algorithm_parameters"]["hetero_lr_0"]["validation_freqs"] = 1
    put(tmp_path, lr_dsl__json=plain, lr_validate_dsl__json=dsl1, lr_early_stop_conf__json=conf1)
    found = names(tmp_path)
    assert ("lr_validate_dsl.json", "lr_early_stop_conf.json") in found
    assert ("lr_dsl.json", None) in found


def test_a_version_1_conf_to_predict_needs_no_dsl(tmp_path: Path, dsl1: Job, conf1: Job) -> None:
    conf1["job_parameters"] = {"job_type": "predict", "model_id": "m", "model_version": "v"}
    put(tmp_path, lr_dsl__json=dsl1, lr_predict_conf__json=conf1)
    assert names(tmp_path) == {(None, "lr_predict_conf.json"), ("lr_dsl.json", None)}


def test_a_conf_to_predict_and_one_to_train_each_go_with_their_like(tmp_path: Path, dsl: Job, conf: Job) -> None:
    predicting = json.loads(json.dumps(dsl))
    predicting["components"]["hetero_lr_0"]["input"]["model"] = ["pipeline.hetero_lr_0.model"]
    to_predict = conf | {"job_parameters": {"common": {"job_type": "predict"}}}
    put(tmp_path, lr_dsl__json=predicting, lr_a_conf__json=conf, lr_b_conf__json=to_predict)
    assert names(tmp_path) == {(None, "lr_a_conf.json"), ("lr_dsl.json", "lr_b_conf.json")}


def test_a_half_alone_is_reported_and_what_is_neither_is_not(tmp_path: Path, dsl: Job, conf: Job) -> None:
    put(tmp_path / "a", lone__json=dsl)
    put(tmp_path / "b", lone__json=conf)
    put(
        tmp_path / "c",
        upload_conf__json={"file": "a.csv", "head": 1, "table_name": "t", "namespace": "n"},
        bind_conf_of_nobody__json={"service_id": "s"},
        publish_load_model__json={"initiator": {}, "role": {}, "job_parameters": {"model_id": "m"}},
        data__json=[1, 2],
        text__json="no JSON",
        notes__txt=json.dumps(dsl),
        __hidden_dsl__json=dsl,
    )
    put(tmp_path / ".git", x_dsl__json=dsl)
    assert {(pair.dsl, pair.conf) for pair in find_pairs([tmp_path])} == {
        (tmp_path / "a/lone.json", None),
        (None, tmp_path / "b/lone.json"),
    }


def test_what_is_no_json_is_told_by_its_name_and_its_words(tmp_path: Path, dsl: Job, conf: Job) -> None:
    cut, template = json.dumps(dsl)[:-1], json.dumps(conf).replace("2", "$version")
    put(tmp_path / "a", x_dsl__json=cut, x_conf__json=template)
    put(tmp_path / "b", first__json=cut)
    put(tmp_path / "c", keras_temperate__json=template)
    assert names(tmp_path) == {
        ("x_dsl.json", "x_conf.json"),
        ("first.json", None),
        (None, "keras_temperate.json"),
    }


def test_one_file_may_hold_both(tmp_path: Path, dsl: Job, conf: Job) -> None:
    put(tmp_path, a__fate__json={"dsl": dsl, "conf": conf}, b__json={"dsl": dsl, "conf": conf}, c__fate__json="broken")
    assert names(tmp_path) == {(name, name) for name in ("a.fate.json", "b.json", "c.fate.json")}


def test_a_test_suite_decides(tmp_path: Path, dsl: Job, conf: Job) -> None:
    predicting = conf | {"job_parameters": {"common": {"job_type": "predict"}}}
    put(tmp_path / "confs", lr_conf__json=conf, lr_b_conf__json=conf, p_conf__json=predicting, left_conf__json=conf)
    put(tmp_path / "confs", lr_dsl__json=dsl, left_dsl__json=dsl)
    put(tmp_path / "dsls", special_dsl__json=dsl)
    suite = {
        "data": [{"file": "examples/data/a.csv", "head": 1, "partition": 4, "role": "guest_0"}],
        "tasks": {
            "train": {"conf": "../confs/lr_conf.json", "dsl": "./special_dsl.json"},
            "again": {"conf": "../confs/lr_conf.json", "dsl": "special_dsl.json"},
            "sparse": {"conf": "../confs/lr_b_conf.json", "dsl": "../confs/lr_dsl.json"},
            "apply": {"conf": "../confs/p_conf.json", "deps": "train"},
        },
    }
    put(tmp_path / "dsls", lr_testsuite__json=suite, scripts_testsuite__json={"data": [], "pipeline_tasks": {}})
    of_tasks = {
        ("special_dsl.json", "lr_conf.json"),
        ("lr_dsl.json", "lr_b_conf.json"),
        (None, "p_conf.json"),
    }
    assert names(tmp_path) == of_tasks | {("left_dsl.json", "left_conf.json")}
    assert names(tmp_path / "dsls/lr_testsuite.json") == of_tasks


@pytest.mark.parametrize(
    ("task", "pointer", "message"),
    [
        ({"conf": "c_conf.json", "dsl": "gone_dsl.json"}, "/tasks/t/dsl", "there is no file"),
        ({"conf": "../outside_conf.json", "dsl": "c_dsl.json"}, "/tasks/t/conf", "leads out of the folder"),
        ({"conf": "/etc/passwd"}, "/tasks/t/conf", "leads out of the folder"),
        ({"dsl": "c_dsl.json"}, "/tasks/t", "names no conf"),
        ({"conf": ["c_conf.json"], "dsl": "c_dsl.json"}, "/tasks/t/conf", "is no path"),
        ({"conf": "c_conf.json\0", "dsl": "c_dsl.json"}, "/tasks/t/conf", "is no path"),
        ({"conf": "c" * 5000, "dsl": "c_dsl.json"}, "/tasks/t/conf", "there is no file"),
        ("c_conf.json", "/tasks/t", "names no conf"),
    ],
)
def test_a_wrong_task_of_a_suite_is_told_with_its_place(
    tmp_path: Path, dsl: Job, conf: Job, task: Any, pointer: str, message: str
) -> None:
    put(tmp_path, outside_conf__json=conf)
    put(tmp_path / "a", c_dsl__json=dsl, c_conf__json=conf)
    suite = tmp_path / "a" / "a_testsuite.json"
    suite.write_text(json.dumps({"tasks": {"t": task}}, indent=1))
    (problem,) = next(pair.problems for pair in find_pairs([tmp_path / "a"]) if pair.problems)
    assert (problem.file, problem.pointer) == (str(suite), pointer)
    assert problem.line >= 3
    assert message in problem.message


@pytest.mark.parametrize("text", ["{", "[]", '{"tasks": 1}', '{"tasks": {}, "tasks": {}}'])
def test_a_broken_suite_is_told(tmp_path: Path, text: str) -> None:
    put(tmp_path, a_testsuite__json=text)
    pair = only(tmp_path)
    assert (pair.dsl, pair.conf) == (None, None)
    assert pair.problems[0].file == str(tmp_path / "a_testsuite.json")
    assert pair.problems[0].line == 1


def test_a_file_is_paired_with_those_beside_it(tmp_path: Path, dsl: Job, conf: Job) -> None:
    put(tmp_path, a_dsl__json=dsl, a_conf__json=conf, a_b_conf__json=conf, z_dsl__json=dsl, z_conf__json=conf)
    assert names(tmp_path / "a_conf.json") == {("a_dsl.json", "a_conf.json")}
    assert names(tmp_path / "a_dsl.json") == {("a_dsl.json", "a_conf.json"), ("a_dsl.json", "a_b_conf.json")}
    assert names(tmp_path / "a_conf.json", tmp_path) == names(tmp_path)


def test_a_dsl_and_a_conf_given_together_are_a_pair(tmp_path: Path, dsl: Job, conf: Job) -> None:
    put(tmp_path, a_dsl__json=dsl, a_conf__json=conf, z_conf__json=conf)
    for given in (("a_dsl.json", "z_conf.json"), ("z_conf.json", "a_dsl.json")):
        assert names(*(tmp_path / name for name in given)) == {("a_dsl.json", "z_conf.json")}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, dsl: Job, conf: Job) -> None:
    put(tmp_path, secret_dsl__json=dsl, secret_conf__json=conf)
    inside = tmp_path / "in"
    put(inside, a_dsl__json=dsl)
    (inside / "a_conf.json").symlink_to(inside / "real.json")
    put(inside, real__json=conf)
    (inside / "out_conf.json").symlink_to(tmp_path / "secret_conf.json")
    (inside / "folder").symlink_to(tmp_path)
    (inside / "nowhere_dsl.json").symlink_to(inside / "nothing")
    (inside / "loop_dsl.json").symlink_to(inside / "loop_dsl.json")
    pairs = find_pairs([inside])
    refused = {pair.problems[0].file: pair for pair in pairs if pair.problems}
    assert set(refused) == {str(inside / "out_conf.json"), str(inside / "folder")}
    assert refused[str(inside / "out_conf.json")].conf == inside / "out_conf.json"
    assert all("leads out of" in pair.problems[0].message for pair in refused.values())
    assert {("a_dsl.json", "a_conf.json"), ("nowhere_dsl.json", None), ("loop_dsl.json", None)} < names(inside)


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        find_pairs([tmp_path / "gone"])


def test_names_that_differ_in_a_dot_are_told_apart(tmp_path: Path, dsl: Job, conf: Job) -> None:
    for name in ("lr-v1", "lr.v1", "lr_v1"):
        put(tmp_path, **{f"{name}_dsl.json": dsl, f"{name}_conf.json": conf})
    assert names(tmp_path) == {(f"{name}_dsl.json", f"{name}_conf.json") for name in ("lr-v1", "lr.v1", "lr_v1")}


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x_dsl.json")
    assert only(tmp_path / "x_dsl.json").dsl == tmp_path / "x_dsl.json"
    with pytest.raises(DslError, match="no regular file"):
        read_document(tmp_path / "x_dsl.json", "x")
