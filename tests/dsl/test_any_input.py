"""Whatever the files hold, the outcome is a Pipeline or errors with their places."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from dsl_jobs import SPECS, Job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.errors import DslError

SAME_FIXTURES = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

WORDS = """
components module input output data model role guest host 0 all 0|1 common initiator party_id dsl_version args Reader
component_parameters role_parameters job_parameters reader_0 airflow HeteroLR hetero_lr_0 hetero_lr_0.data args.x table
reader_0.data
"""
words = st.sampled_from(WORDS.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats(allow_nan=False) | words | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)


def outcome(dsl_text: str, conf_text: str) -> Pipeline | DslError:
    try:
        return parse_job(dsl_text, conf_text, dsl_file="a_dsl.json", conf_file="a_conf.json", catalog=SPECS.get)
    except DslError as caught:
        error = caught
    assert error.problems
    for problem in error.problems:
        assert problem.file in ("a_dsl.json", "a_conf.json")
        assert problem.line >= 1
        assert problem.message
        assert len(str(problem)) < 20_000
    return error


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
        match data.draw(st.sampled_from(["replace", "remove", "swap", "add"])):
            case "replace":
                container[key] = data.draw(values)
            case "remove":
                del container[key]
            case "swap":
                other, other_key = data.draw(st.sampled_from(found))
                container[key] = copy.deepcopy(other[other_key])
            case "add" if isinstance(container, dict):
                container[data.draw(words)] = data.draw(values)
    return job


@SAME_FIXTURES
@given(data=st.data())
def test_a_version_2_job_with_random_changes(dsl: Job, conf: Job, data: st.DataObject) -> None:
    outcome(json.dumps(mutated(data, dsl)), json.dumps(mutated(data, conf)))


@SAME_FIXTURES
@given(data=st.data())
def test_a_version_1_job_with_random_changes(dsl1: Job, conf1: Job, data: st.DataObject) -> None:
    outcome(json.dumps(mutated(data, dsl1)), json.dumps(mutated(data, conf1)))


@SAME_FIXTURES
@given(dsl_value=values, conf_value=values)
def test_random_json(dsl_value: Any, conf_value: Any) -> None:
    outcome(json.dumps(dsl_value), json.dumps(conf_value))


@SAME_FIXTURES
@given(cut=st.floats(0, 0.999), junk=st.text(max_size=5))
def test_a_text_that_is_cut_off(dsl: Job, conf: Job, cut: float, junk: str) -> None:
    text = json.dumps(dsl)
    assert isinstance(outcome(text[: int(len(text) * cut)] + junk, json.dumps(conf)), DslError)


@pytest.mark.parametrize("depth", [30, 500, 50_000])
def test_deep_nesting(dsl: Job, conf: Job, depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    assert isinstance(outcome(json.dumps(dsl), deep), DslError)
    conf["component_parameters"]["common"]["hetero_lr_0"] = "HERE"
    outcome(json.dumps(dsl), json.dumps(conf).replace('"HERE"', deep))


def test_enormous_texts_make_short_messages(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "H" * 2_000_000
    dsl["components"]["evaluation_0"]["input"]["data"]["data"] = ["x" * 2_000_000]
    conf["role"]["host"].append("h" * 2_000_000)
    conf["airflow"] = {"pool": "p" * 2_000_000}
    error = outcome(json.dumps(dsl), json.dumps(conf))
    assert isinstance(error, DslError)
    assert len(str(error)) < 3_000


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
