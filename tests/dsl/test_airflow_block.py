"""The airflow block of a conf: schedules on assets, and params that set component parameters."""

from __future__ import annotations

from typing import Any

import pytest
from dsl_jobs import SPECS, Job, parse, problems, rendered

from fate_federated.dsl.airflow_block import AssetCondition, FormParam, JobModels
from fate_federated.dsl.run_conf import default_of, resolve_run_conf, run_parameters
from fate_federated.errors import DslError
from fate_federated.party import Party

GUEST, HOST = map(Party.parse, ("guest-9999", "host-10000"))
RATE = "/component_parameters/common/hetero_lr_0/learning_rate"


@pytest.mark.parametrize(
    ("schedule", "read"),
    [
        ("@daily", "@daily"),
        ("5 4 * * sun", "5 4 * * sun"),
        (None, None),
        (["a", "s3://b/c"], AssetCondition(True, ("a", "s3://b/c"))),
        ({"assets": ["a"]}, AssetCondition(True, ("a",))),
        ({"all": ["a", {"job": "train"}]}, AssetCondition(True, ("a", JobModels("train")))),
        (
            {"any": [{"job": "x", "party": "host-1"}, {"all": ["a", "b"]}]},
            AssetCondition(False, (JobModels("x", Party.parse("host-1")), AssetCondition(True, ("a", "b")))),
        ),
    ],
)
def test_a_schedule_is_a_text_or_a_condition_on_assets(dsl: Job, conf: Job, schedule: Any, read: object) -> None:
    conf["airflow"] = {"schedule": schedule}
    pipeline = parse(dsl, conf)
    assert pipeline.airflow.schedule == read
    assert parse(*rendered(pipeline)) == pipeline


@pytest.mark.parametrize(
    ("schedule", "place"),
    [
        (3, ""),
        ("61 * * * *", ""),
        ("now and then", ""),
        ("0 0 31 2 *", ""),
        ("", ""),
        ({}, ""),
        ({"some": ["a"]}, ""),
        ([], ""),
        ({"any": []}, "/any"),
        ({"any": "a"}, "/any"),
        ({"any": ["a", 5]}, "/any/1"),
        ({"any": [{"job": 5}]}, "/any/0"),
        ({"any": [{"job": "a", "by": "b"}]}, "/any/0"),
        ({"any": [{"job": "a", "party": "nobody"}]}, "/any/0/party"),
    ],
)
def test_what_is_no_schedule_is_located(dsl: Job, conf: Job, schedule: Any, place: str) -> None:
    conf["airflow"] = {"schedule": schedule}
    (problem,) = problems(dsl, conf).values()
    assert problem.pointer == f"/airflow/schedule{place}"


def test_a_param_may_set_a_component_s_parameter(dsl: Job, conf: Job) -> None:
    rate = {"type": "number", "minimum": 0, "title": "Rate", "sets": RATE}
    host = "/component_parameters/role/host/0/hetero_lr_0/max_iter"
    conf["airflow"] = {"params": {"region": "north", "rate": rate, "rounds": {"default": 5, "sets": host}}}
    pipeline = parse(dsl, conf)
    params = pipeline.airflow.params
    assert params["region"] == FormParam(default="north")
    assert default_of(pipeline, params["rate"], SPECS.get) == 0.2, "what the conf says"
    assert parse(*rendered(pipeline)) == pipeline
    node = pipeline.node("hetero_lr_0")

    def values(party: Party, **run: Any) -> tuple[Any, Any]:
        got = run_parameters(node, party, resolve_run_conf(params, run))
        return got["learning_rate"], got.get("max_iter")

    assert values(GUEST) == (0.2, None)
    assert values(HOST) == (0.2, 5), "a default of its own holds"
    assert values(HOST, rate=0.7, rounds=9, region="south") == (0.7, 9)
    said = {"common": {"hetero_lr_0": {"learning_rate": 0.9}}}
    assert values(GUEST, rate=0.7, component_parameters=said) == (0.9, None), "what is written out goes over the form"


def test_resolving_twice_changes_nothing(dsl: Job, conf: Job) -> None:
    conf["airflow"] = {"params": {"rate": {"type": "number", "sets": RATE}}}
    params = parse(dsl, conf).airflow.params
    once = resolve_run_conf(params, {"rate": 0.7, "other": 1})
    assert resolve_run_conf(params, once) == once


@pytest.mark.parametrize(
    ("param", "place", "message"),
    [
        ({"sets": "/role/guest"}, "/sets", "is no place of a component's parameter"),
        ({"sets": "/component_parameters/common/hetero_l_0/max_iter"}, "/sets", "names no parameter"),
        ({"sets": "/component_parameters/common/hetero_lr_0"}, "/sets", "names no parameter"),
        ({"sets": "/component_parameters/role/host/7/hetero_lr_0/max_iter"}, "/sets", "names no parameter"),
        ({"sets": RATE.replace("rate", "rte")}, "/sets", "learning_rte is not a known key"),
        ({"sets": RATE, "default": -1}, "/default", "learning_rate is -1"),
        ({"defualt": 1}, "/defualt", "says nothing of a param"),
        ({"sets": 3}, "/sets", "sets is 3"),
    ],
)
def test_a_wrong_param_is_located(dsl: Job, conf: Job, param: Any, place: str, message: str) -> None:
    conf["airflow"] = {"params": {"p": param}}
    (problem,) = problems(dsl, conf).values()
    assert problem.pointer == f"/airflow/params/p{place}"
    assert message in problem.message


@pytest.mark.parametrize(
    ("param", "place", "message"),
    [
        ({"default": 5, "type": "integer", "maximum": 3}, "/default", "p: 5 is greater than the maximum of 3"),
        ({"default": "c", "enum": ["a", "b"]}, "/default", "p: 'c' is not one of ['a', 'b']"),
        ({"sets": RATE, "maximum": 0.01}, "", "p: 0.2 is greater than the maximum of 0.01"),
        ({"default": 1, "type": "bogus"}, "/type", "p: 'bogus' is not valid under any of the given schemas"),
        ({"type": "integer"}, "", "p: None is not of type 'integer'"),
    ],
)
def test_a_default_that_the_param_s_own_schema_refuses_is_located(
    dsl: Job, conf: Job, param: Any, place: str, message: str
) -> None:
    conf["airflow"] = {"params": {"p": param}}
    (problem,) = problems(dsl, conf).values()
    assert (problem.pointer, problem.message) == (f"/airflow/params/p{place}", message)
    assert problem.remedy


@pytest.mark.parametrize(
    ("block", "place", "message"),
    [
        ({"schedule": "1," * 250_000 + "1 * * * *"}, "/schedule", "it has 500009 characters, and 500 are the most"),
        ({"params": {"p": {"enum": list(range(5000)), "default": 1}}}, "/params/p", "is more than a form can show"),
        ({"params": {f"p{number}": 1 for number in range(101)}}, "/params", "at most 100 items"),
    ],
)
def test_what_would_take_long_to_check_is_refused_at_once(
    dsl: Job, conf: Job, block: Any, place: str, message: str
) -> None:
    conf["airflow"] = block
    found = problems(dsl, conf)
    assert list(found) == [f"conf /airflow{place}"]
    assert message in found[f"conf /airflow{place}"].message


def test_a_pattern_is_matched_by_nobody_who_only_reads_the_job(dsl: Job, conf: Job) -> None:
    nested = {"type": "object", "properties": {"x": {"type": "string", "pattern": "(a+)+$"}}}
    conf["airflow"] = {"params": {"p": {**nested, "default": {"x": "a" * 60 + "!"}}}}
    assert parse(dsl, conf).airflow.params["p"].schema == nested


def test_no_mistake_in_the_block_hides_another(dsl: Job, conf: Job) -> None:
    conf["airflow"] = {
        "shedule": "@daily",
        "schedule": "61 * * * *",
        "retries": "3",
        "params": {"a": {"sets": "/component_parameters/common/nobody/x"}, "b": {"default": 5, "maximum": 3}},
    }
    found = problems(dsl, conf)
    assert {place: bool(problem.remedy) for place, problem in found.items()} == {
        "conf /airflow/shedule": True,
        "conf /airflow/schedule": True,
        "conf /airflow/retries": True,
        "conf /airflow/params/a/sets": True,
        "conf /airflow/params/b/default": True,
    }


def test_a_param_cannot_take_the_name_of_what_every_form_has(dsl: Job, conf: Job) -> None:
    conf["airflow"] = {"params": {"component_parameters": {"default": {}}}}
    assert "in every job's form already" in problems(dsl, conf)["conf /airflow/params/component_parameters"].message


def test_overrides_that_are_no_object_are_refused() -> None:
    with pytest.raises(DslError, match="is not an object"):
        resolve_run_conf({}, {"component_parameters": []})
