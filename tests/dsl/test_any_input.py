"""Whatever the files hold, the outcome is a Pipeline or errors with their places."""

from __future__ import annotations

import copy
import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from dsl_jobs import SPECS, Job, parse, rendered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fate_federated.dsl.check import Checker, Verdict
from fate_federated.dsl.document import Document, read_json
from fate_federated.dsl.job_files import load_job, read_document
from fate_federated.dsl.pairs import Pair, find_pairs
from fate_federated.dsl.parse import check_conf, parse_documents, parse_job, predict_dsl
from fate_federated.dsl.picture import graphviz, mermaid
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.render import render
from fate_federated.errors import DslError

EXAMPLES = Path(__file__).parents[3] / "shared" / "fate-examples"
SAME_FIXTURES = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
FILES = "a_dsl.json", "a_conf.json"

WORDS = """
components module input output data model isometric_model cache role guest host arbiter 0 all 0|1 common initiator
party_id dsl_version args Reader need_deploy need_run provider component_parameters role_parameters
algorithm_parameters job_parameters job_type predict train model_id model_version reader_0 airflow schedule HeteroLR
hetero_lr_0 hetero_lr_0.data pipeline.hetero_lr_0.model args.x args.train_data table reader_0.data timeout auto_retries
tasks conf dsl deps a_dsl.json ../a_conf.json
"""
words = st.sampled_from(WORDS.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats(allow_nan=False) | words | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


def located(error: DslError, *files: str) -> DslError:
    """The error, once every problem of it is known to have a place."""
    assert error.problems
    for problem in error.problems:
        assert problem.file in files
        assert problem.line >= 1
        assert problem.pointer == "" or problem.pointer.startswith("/")
        assert problem.message
        assert len(str(problem)) < 20_000
    return error


R = TypeVar("R")


def result_of(work: Callable[[], R], *files: str) -> R | DslError:
    """What comes of it, or its error."""
    try:
        return work()
    except DslError as error:
        return located(error, *files)


def outcome(dsl_text: str, conf_text: str) -> Pipeline | DslError:
    def compiled() -> Pipeline:
        return parse_job(dsl_text, conf_text, dsl_file=FILES[0], conf_file=FILES[1], catalog=SPECS.get)

    found = result_of(compiled, *FILES)
    if isinstance(found, Pipeline):
        assert mermaid(found)
        assert graphviz(found)
    return found


def read(dsl: Job, conf: Job) -> tuple[Document, Document]:
    return read_json(json.dumps(dsl), FILES[0]), read_json(json.dumps(conf), FILES[1])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def mutated(data: st.DataObject, job: Job) -> Job:
    job = copy.deepcopy(job)
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(job)
        if not found:
            break
        container, key = data.draw(st.sampled_from(found))
        match data.draw(st.sampled_from(["replace", "remove", "swap", "add", "repeat"])):
            case "replace":
                container[key] = data.draw(values)
            case "remove":
                del container[key]
            case "swap":
                other, other_key = data.draw(st.sampled_from(found))
                container[key] = copy.deepcopy(other[other_key])
            case "add" if isinstance(container, dict):
                container[data.draw(words)] = data.draw(values)
            case "repeat" if isinstance(container, list):
                container.insert(key, copy.deepcopy(container[key]))
    return job


def damaged(data: st.DataObject, text: bytes) -> bytes:
    """Bytes with some cut out, put in or changed."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 20)))
        junk = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"}", b",", b"\xff", b"\x00", b"null", b"1e999"])
        )
        text = text[:start] + junk + text[end:]
    return text


# --- from valid jobs


@SAME_FIXTURES
@given(data=st.data())
def test_a_version_2_job_with_random_changes(dsl: Job, conf: Job, data: st.DataObject) -> None:
    result = outcome(json.dumps(mutated(data, dsl)), json.dumps(mutated(data, conf)))
    if isinstance(result, Pipeline):
        assert parse(*rendered(result)) == result


@SAME_FIXTURES
@given(data=st.data())
def test_a_version_1_job_with_random_changes(dsl1: Job, conf1: Job, data: st.DataObject) -> None:
    result = outcome(json.dumps(mutated(data, dsl1)), json.dumps(mutated(data, conf1)))
    if isinstance(result, Pipeline):
        assert parse(*rendered(result)) == result


@settings(SAME_FIXTURES, max_examples=75)
@given(data=st.data())
def test_a_job_that_predicts_with_random_changes(dsl: Job, conf: Job, data: st.DataObject) -> None:
    trained = parse(dsl, conf)
    derived = mutated(data, predict_dsl(*read(dsl, conf), catalog=SPECS.get))
    job = {"job_type": "predict", "model_id": "m", "model_version": "v"}
    changed = mutated(data, conf | {"job_parameters": {"common": job}})
    found = result_of(lambda: parse_documents(*read(derived, changed), catalog=SPECS.get, trained=trained), *FILES)
    assert isinstance(found, DslError) or found.nodes


@settings(SAME_FIXTURES, max_examples=75)
@given(data=st.data(), deployed=st.none() | st.lists(words, max_size=4), first=st.booleans())
def test_deriving_a_prediction_from_a_job_with_random_changes(
    dsl: Job, conf: Job, dsl1: Job, conf1: Job, data: st.DataObject, deployed: list[str] | None, first: bool
) -> None:
    halves = [mutated(data, half) for half in ((dsl1, conf1) if first else (dsl, conf))]
    found = result_of(lambda: predict_dsl(*read(*halves), deployed=deployed, catalog=SPECS.get), *FILES)
    assert isinstance(found, DslError) or set(found["components"]) <= set(halves[0]["components"])


@settings(SAME_FIXTURES, max_examples=75)
@given(data=st.data(), predicts=st.booleans())
def test_a_conf_alone_with_random_changes(conf: Job, conf1: Job, data: st.DataObject, predicts: bool) -> None:
    for half in (conf, conf1):
        job = {"job_type": "predict", "model_id": "m", "model_version": "v"}
        text = json.dumps(mutated(data, half | {"job_parameters": job} if predicts else half))
        result_of(lambda text=text: check_conf(read_json(text, FILES[1])), FILES[1])  # type: ignore[misc]


@functools.cache
def examples() -> list[tuple[Document, Document]]:
    """Some of FATE's own."""
    pairs = [pair for pair in find_pairs([EXAMPLES]) if pair.dsl and pair.conf]
    chosen = random.Random(0).sample(pairs, 40)
    return [
        (read_document(pair.dsl, FILES[0]), read_document(pair.conf, FILES[1]))
        for pair in chosen
        if pair.dsl and pair.conf
    ]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="FATE's examples are not beside this repository")
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_one_of_fates_examples_with_random_changes(data: st.DataObject) -> None:
    dsl, conf = data.draw(st.sampled_from(examples()))
    changed = mutated(data, dsl.value), mutated(data, conf.value)
    found = result_of(lambda: parse_documents(*read(*changed), to_run=False), *FILES)
    if isinstance(found, Pipeline):
        job = render(found)
        assert parse_documents(*read(job.dsl, job.conf), to_run=False) == found


# --- from scratch, and from bytes


@SAME_FIXTURES
@given(dsl_value=values, conf_value=values)
def test_random_json(dsl_value: Any, conf_value: Any) -> None:
    outcome(json.dumps(dsl_value), json.dumps(conf_value))
    result_of(lambda: check_conf(read_json(json.dumps(conf_value), FILES[1])), FILES[1])


@SAME_FIXTURES
@given(cut=st.floats(0, 0.999), junk=st.text(max_size=5))
def test_a_text_that_is_cut_off(dsl: Job, conf: Job, cut: float, junk: str) -> None:
    text = json.dumps(dsl)
    assert isinstance(outcome(text[: int(len(text) * cut)] + junk, json.dumps(conf)), DslError)


@SAME_FIXTURES
@given(data=st.data(), combined=st.booleans())
def test_files_with_damaged_bytes(dsl: Job, conf: Job, data: st.DataObject, combined: bool, tmp_path: Path) -> None:
    contents = {"a.fate.json": {"dsl": dsl, "conf": conf}} if combined else dict(zip(FILES, (dsl, conf), strict=True))
    paths = [tmp_path / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(damaged(data, json.dumps(content, indent=1).encode()))
    found = result_of(lambda: load_job(*paths).compile(SPECS.get), *map(str, paths))
    assert isinstance(found, DslError) or found.nodes


NAMES = ["a_dsl.json", "a_conf.json", "b_conf.json", "a_testsuite.json", "c.fate.json", "d.json", "e_temperate.json"]


@settings(SAME_FIXTURES, max_examples=60)
@given(data=st.data())
def test_a_folder_of_anything(dsl: Job, conf: Job, dsl1: Job, conf1: Job, data: st.DataObject, tmp_path: Path) -> None:
    suite = {"tasks": {"t": {"conf": "a_conf.json", "dsl": "a_dsl.json"}, "u": {"conf": "b_conf.json", "deps": "t"}}}
    for old in tmp_path.iterdir():
        old.unlink()
    for name in data.draw(st.lists(st.sampled_from(NAMES), unique=True)):
        content = data.draw(st.sampled_from([dsl, conf, dsl1, conf1, suite, {"dsl": dsl, "conf": conf}]))
        text = json.dumps(mutated(data, content), indent=1).encode()
        (tmp_path / name).write_bytes(damaged(data, text) if data.draw(st.booleans()) else text)
    checker = Checker(SPECS.get)
    for pair in find_pairs([tmp_path]):
        checked = checker.check(pair)
        assert checked.verdict in Verdict
        if checked.problems:
            located(DslError(checked.problems), *(str(tmp_path / name) for name in NAMES))
        else:
            assert checked.verdict is Verdict.OK


# --- the mistakes that people make


def _with(half: Job, path: str, value: object) -> None:
    *way, last = path.split("/")
    for part in way:
        half = half[part]
    half[last] = value


LR = "components/hetero_lr_0"
MISTAKES: dict[str, tuple[Callable[[Job, Job], None], str, str]] = {
    "a cycle": (
        lambda dsl, _: _with(dsl, "components/data_io_0/input/data/data", ["evaluation_0.data"]),
        "a_dsl.json", "/components/data_io_0",
    ),
    "a source that is not there": (
        lambda dsl, _: _with(dsl, f"{LR}/input/data/train_data", ["nobody.data"]),
        "a_dsl.json", "/components/hetero_lr_0/input/data/train_data/0",
    ),
    "an output that is not there": (
        lambda dsl, _: _with(dsl, f"{LR}/input/data/train_data", ["data_io_0.nothing"]),
        "a_dsl.json", "/components/hetero_lr_0/input/data/train_data/0",
    ),
    "two outputs of one name": (
        lambda dsl, _: _with(dsl, f"{LR}/output/data", ["data", "data"]),
        "a_dsl.json", "/components/hetero_lr_0/output/data/1",
    ),
    "a party twice": (
        lambda _, conf: _with(conf, "role/host", [10000, "10000"]),
        "a_conf.json", "/role/host/1",
    ),
    "an initiator that takes no part": (
        lambda _, conf: _with(conf, "initiator/party_id", 1),
        "a_conf.json", "/initiator",
    ),
    "a component's name that leads elsewhere": (
        lambda dsl, _: _with(dsl, "components", dsl["components"] | {"../x": dsl["components"]["reader_0"]}),
        "a_dsl.json", "/components/..~1x",
    ),
    "a party's name that leads elsewhere": (
        lambda _, conf: _with(conf, "role/host", [10000, "../bank"]),
        "a_conf.json", "/role/host/1",
    ),
    "an index of no party": (
        lambda _, conf: _with(conf, "component_parameters/role/host", {"0": 7}),
        "a_conf.json", "/component_parameters/role/host/0",
    ),
    "a list where an object should be": (
        lambda dsl, _: _with(dsl, LR, []),
        "a_dsl.json", "/components/hetero_lr_0",
    ),
    "a string of 10 MB": (
        lambda dsl, _: _with(dsl, f"{LR}/module", "H" * 10_000_000),
        "a_dsl.json", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(dsl: Job, conf: Job, mistake: str) -> None:
    change, file, pointer = MISTAKES[mistake]
    change(dsl, conf)
    error = outcome(json.dumps(dsl, indent=1), json.dumps(conf, indent=1))
    assert isinstance(error, DslError)
    assert (file, pointer) in {
        (problem.file, problem.pointer[: len(pointer)] if pointer else problem.pointer) for problem in error.problems
    }, str(error)


def test_all_mistakes_of_both_files_are_told_at_once(dsl: Job, conf: Job) -> None:
    together = [
        "two outputs of one name", "a party twice", "an initiator that takes no part",
        "a component's name that leads elsewhere", "an output that is not there",
    ]  # fmt: skip
    for mistake in together:
        MISTAKES[mistake][0](dsl, conf)
    _with(conf, "component_parameters/common/data_io_0", {"with_labl": True})
    error = outcome(json.dumps(dsl, indent=1), json.dumps(conf, indent=1))
    assert isinstance(error, DslError)
    found = {problem.pointer for problem in error.problems}
    expected = {MISTAKES[mistake][2] for mistake in together if mistake != "an initiator that takes no part"}
    assert found >= expected | {"/component_parameters/common/data_io_0/with_labl"}


def test_broken_json_in_both_files_is_told_of_both(dsl: Job, conf: Job, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in FILES]
    paths[0].write_bytes(b'{"components": \xff}')
    paths[1].write_text(json.dumps(conf, indent=1)[:-3])
    with pytest.raises(DslError) as caught:
        load_job(*paths)
    assert [problem.file for problem in caught.value.problems] == list(map(str, paths))
    located(caught.value, *map(str, paths))


@pytest.mark.parametrize("role", ["guest", "host"])
@pytest.mark.parametrize("length", [0, 1, 3, 500])
def test_role_lists_of_any_length(dsl1: Job, conf1: Job, role: str, length: int) -> None:
    conf1["role_parameters"][role]["dataio_0"] = {"with_label": [True] * length}
    result = outcome(json.dumps(dsl1), json.dumps(conf1))
    parties = {"guest": 1, "host": 2}[role]
    assert isinstance(result, DslError) == (length > parties)
    conf1["role_parameters"][role]["dataio_0"] = {}
    conf1["role_parameters"][role]["args"]["data"]["train_data"] = [{"namespace": "n", "name": "t"}] * length
    # Up to 1.4, FATE leaves a party out of what it has no table for.
    assert isinstance(outcome(json.dumps(dsl1), json.dumps(conf1)), DslError) == (length > parties)


@settings(SAME_FIXTURES, max_examples=60)
@given(data=st.data())
def test_a_key_that_stands_twice(dsl: Job, conf: Job, data: st.DataObject) -> None:
    texts = [json.dumps(half, indent=1) for half in (dsl, conf)]
    which = data.draw(st.integers(0, 1))
    lines = texts[which].splitlines()
    members = [index for index, line in enumerate(lines) if '": ' in line and line.rstrip(",")[-1] not in "{["]
    index = data.draw(st.sampled_from(members))
    lines.insert(index, f"{lines[index].rstrip(',')},")
    texts[which] = "\n".join(lines)
    error = outcome(*texts)
    assert isinstance(error, DslError)
    (problem,) = error.problems
    assert (problem.file, problem.line) == (FILES[which], index + 2)
    assert "twice" in problem.message


@pytest.mark.parametrize("depth", [30, 500, 50_000])
def test_deep_nesting(dsl: Job, conf: Job, depth: int, tmp_path: Path) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    assert isinstance(outcome(json.dumps(dsl), deep), DslError)
    conf["component_parameters"]["common"]["hetero_lr_0"] = "HERE"
    outcome(json.dumps(dsl), json.dumps(conf).replace('"HERE"', deep))
    for name in ("deep_dsl.json", "deep.json", "deep_testsuite.json"):
        (tmp_path / name).write_text(deep)
    pairs = find_pairs([tmp_path])
    assert {Checker(SPECS.get).check(pair).verdict for pair in pairs} == {Verdict.INVALID}


def test_enormous_texts_make_short_messages(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "H" * 2_000_000
    dsl["components"]["evaluation_0"]["input"]["data"]["data"] = ["x" * 2_000_000]
    conf["role"]["host"].append("h" * 2_000_000)
    conf["airflow"] = {"pool": "p" * 2_000_000}
    error = outcome(json.dumps(dsl), json.dumps(conf))
    assert isinstance(error, DslError)
    assert len(str(error)) < 3_000


def test_a_file_of_any_size_is_told_and_not_read(tmp_path: Path, conf: Job) -> None:
    with (tmp_path / "a_dsl.json").open("wb") as file:
        file.truncate(3 << 30)
    (tmp_path / "a_conf.json").write_text(json.dumps(conf))
    (pair,) = find_pairs([tmp_path])
    assert pair == Pair(tmp_path / "a_dsl.json", tmp_path / "a_conf.json")
    (problem,) = Checker(SPECS.get).check(pair).problems
    assert "more than 8 MiB" in problem.message


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "change",
    [
        lambda dsl, conf: conf["role"].update(host=["-"] * 20_000),
        lambda dsl, conf: conf["role"].update(host=list(range(20_000))),
        lambda dsl, conf: conf["role"].update({f"role_{index}": [] for index in range(20_000)}),
        lambda dsl, conf: conf.update({f"key_{index}": 1 for index in range(20_000)}),
        lambda dsl, conf: conf["component_parameters"]["common"].update({f"x_{index}": {} for index in range(20_000)}),
        lambda dsl, conf: conf["component_parameters"]["common"]["hetero_lr_0"].update(
            {f"x_{index}": 1 for index in range(20_000)}
        ),
        lambda dsl, conf: dsl["components"].update({f"x_{index}": {} for index in range(20_000)}),
        lambda dsl, conf: dsl["components"]["evaluation_0"]["input"]["data"].update(data=["x.data"] * 20_000),
        lambda dsl, conf: dsl["components"]["evaluation_0"]["output"].update(data=["data"] * 20_000),
        lambda dsl, conf: dsl["components"]["evaluation_0"]["output"].update(data=[str(i) for i in range(20_000)]),
    ],
)
def test_being_wrong_twenty_thousand_times_takes_seconds(dsl: Job, conf: Job, change: Any) -> None:
    change(dsl, conf)
    result = outcome(json.dumps(dsl), json.dumps(conf))
    assert len(result.problems if isinstance(result, DslError) else result.warnings) <= 100


def test_a_job_of_four_hundred_components(dsl: Job, conf: Job) -> None:
    components = dsl["components"]
    for index in range(1, 200):
        components[f"reader_{index}"] = components["reader_0"]
        components[f"data_io_{index}"] = {
            **components["data_io_0"],
            "input": {"data": {"data": [f"reader_{index}.data"]}},
        }
        for by_index in conf["component_parameters"]["role"].values():
            for parameters in by_index.values():
                if "reader_0" in parameters:
                    parameters[f"reader_{index}"] = parameters["reader_0"]
    pipeline = outcome(json.dumps(dsl), json.dumps(conf))
    assert isinstance(pipeline, Pipeline)
    assert len(pipeline.nodes) == 402
    assert parse(*rendered(pipeline)) == pipeline


@pytest.mark.timeout(30)
@pytest.mark.parametrize("by_model", [False, True])
def test_a_chain_of_two_thousand_components(dsl1: Job, conf1: Job, by_model: bool) -> None:
    first = dsl1["components"]["dataio_0"]
    components = {"dataio_0": first}
    for index in range(1, 1990):
        link: Job = {**first, "input": {"data": {"data": [f"dataio_{index - 1}.train"]}}}
        if by_model:
            link["input"]["model"] = [f"dataio_{index - 1}.dataio"]
        components[f"dataio_{index}"] = {**link, "need_deploy": index == 1989}
    pipeline = outcome(json.dumps({"components": components}), json.dumps(conf1))
    assert isinstance(pipeline, Pipeline)
    last = pipeline.node("dataio_1989").parameters[pipeline.initiator]
    assert last.get("label_name") == ("target" if by_model else None)
    derived = predict_dsl(*read({"components": components}, conf1), catalog=SPECS.get)["components"]
    assert derived["dataio_1989"]["input"]["data"] == {"data": ["dataio_0.train"]}
