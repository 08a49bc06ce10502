"""That no mistake hides another, what is told to do about each, and what is only warned of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dsl_jobs import SPECS, Job, parse, problems, rendered

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import check_conf, parse_job
from fate_federated.errors import DslError


def warnings(dsl: Job, conf: Job) -> dict[str, str]:
    """What a job is warned of, by file and pointer."""
    return {
        f"{warning.file[4:-5]} {warning.pointer}": f"{warning.message}. {warning.remedy}"
        for warning in parse(dsl, conf).warnings
    }


def test_a_key_that_stands_twice_hides_no_other_mistake(dsl: Job, conf: Job) -> None:
    conf["initiator"]["party_id"] = 1
    text = json.dumps(conf, indent=1).replace('"initiator"', '"dsl_version": 2,\n "initiator"')
    with pytest.raises(DslError) as caught:
        parse_job(json.dumps(dsl), text, catalog=SPECS.get)
    assert {problem.pointer for problem in caught.value.problems} == {"/dsl_version", "/initiator"}


def test_a_party_that_stands_twice_does_not_hide_a_wrong_initiator(dsl: Job, conf: Job) -> None:
    conf["role"]["host"] *= 2
    conf["initiator"]["party_id"] = 1
    found = problems(dsl, conf)
    assert "conf /initiator" in found
    assert any("stands here twice" in problem.message for problem in found.values())


def test_what_is_wrong_with_a_component_hides_nothing_of_it(dsl: Job, conf: Job) -> None:
    component = dsl["components"]["hetero_lr_0"]
    component["modul"] = component["module"]
    component["input"]["data"] = {"train_data": ["nobody.data"]}
    assert {"dsl /components/hetero_lr_0/modul", "dsl /components/hetero_lr_0/input/data/train_data/0"} <= set(
        problems(dsl, conf)
    )


@pytest.mark.parametrize(
    ("component", "name", "value", "remedy"),
    [
        ("hetero_lr_0", "max_iter", "three", "Leave it out for the default, 30."),
        ("hetero_lr_0", "max_iter", 0, "Leave it out for the default, 30."),
        ("hetero_lr_0", "learning_rate", [], "Leave it out for the default, 0.15."),
        ("data_io_0", "label_type", "flaot", "Did you mean 'float'?"),
    ],
)
def test_a_wrong_value_has_a_remedy(dsl: Job, conf: Job, component: str, name: str, value: Any, remedy: str) -> None:
    conf["component_parameters"]["common"][component][name] = value
    (problem,) = problems(dsl, conf).values()
    assert problem.pointer == f"/component_parameters/common/{component}/{name}"
    assert problem.remedy == remedy


def test_a_module_in_another_case_is_recognised(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "heterolr"
    problem = problems(dsl, conf)["dsl /components/hetero_lr_0/module"]
    assert problem.message == 'there is no module "heterolr"'
    assert problem.remedy == "Did you mean 'HeteroLR'?"


def test_what_is_missing_is_told_with_where_to_write_it(dsl: Job, conf: Job) -> None:
    conf["component_parameters"] = {"common": {}}
    problem = problems(dsl, conf)["conf /component_parameters"]
    assert problem.message == "reader_0: table is missing"
    assert problem.remedy == "Write it in /component_parameters/common/reader_0, or for each role by itself."


def test_a_placeholder_of_a_template_is_called_one(dsl: Job, conf: Job) -> None:
    text = json.dumps(conf, indent=1).replace("[\n   9999\n  ]", "{{GUEST}}", 1)
    assert "{{GUEST}}" in text
    with pytest.raises(DslError, match="A placeholder of a template has to be filled in first"):
        parse_job(json.dumps(dsl), text, catalog=SPECS.get)


def test_data_under_an_unknown_key_are_warned_of(dsl: Job, conf: Job) -> None:
    component = dsl["components"]["hetero_lr_0"]
    component["input"]["data"]["trian_data"] = component["input"]["data"].pop("train_data")
    place = "dsl /components/hetero_lr_0/input/data/trian_data"
    assert "Did you mean 'train_data'?" in warnings(dsl, conf)[place]


def test_job_parameters_without_effect_are_warned_of(dsl: Job, conf: Job) -> None:
    conf["job_parameters"] = {
        "common": {"task_coresss": 4, "task_cores": 4, "inheritance_info": {"job_id": "1", "component_list": ["a"]}}
    }
    found = warnings(dsl, conf)
    assert set(found) == {"conf /job_parameters/common/task_coresss", "conf /job_parameters/common/inheritance_info"}


def test_a_component_without_data_is_warned_of(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["input"] = {}
    assert "is given no data" in warnings(dsl, conf)["dsl /components/hetero_lr_0/input"]


def test_a_model_of_another_module_is_refused(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["input"]["model"] = ["data_io_0.model"]
    dsl["components"]["data_io_0"]["output"]["model"] = ["model"]
    problem = problems(dsl, conf)["dsl /components/hetero_lr_0/input/model/0"]
    assert "is a model of DataIO" in problem.message


def test_eval_data_beside_what_it_stands_for_are_refused(dsl: Job, conf: Job) -> None:
    data = dsl["components"]["hetero_lr_0"]["input"]["data"]
    data |= dict.fromkeys(("validate_data", "eval_data"), next(iter(data.values())))
    assert "dsl /components/hetero_lr_0/input/data/eval_data" in problems(dsl, conf)


def test_a_local_party_reads_where_a_table_is_named_for_it(dsl: Job, conf: Job) -> None:
    conf["role"]["local"] = [0]
    reader = next(node for node in parse(dsl, conf).nodes if node.name == "reader_0")
    assert {str(party.role) for party in reader.participants} == {"guest", "host"}


def test_what_is_missing_inside_a_parameter_is_to_be_added_there(dsl: Job, conf: Job) -> None:
    del conf["component_parameters"]["role"]["guest"]["0"]["reader_0"]["table"]["name"]
    (problem,) = problems(dsl, conf).values()
    assert problem.pointer == "/component_parameters/role/guest/0/reader_0/table"
    assert problem.remedy == 'Add "name".'


def test_a_misspelt_module_does_not_hide_a_wrong_source(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "HeteroLRR"
    dsl["components"]["evaluation_0"]["input"]["data"]["data"] = ["hetero_lr_0.dta"]
    assert set(problems(dsl, conf)) == {
        "dsl /components/hetero_lr_0/module",
        "dsl /components/evaluation_0/input/data/data/0",
    }


def test_a_wrong_output_is_told_where_it_is_and_not_where_it_is_used(dsl: Job, conf: Job) -> None:
    dsl["components"]["data_io_0"]["output"]["data"] = ["data", 5]
    assert set(problems(dsl, conf)) == {"dsl /components/data_io_0/output/data/1"}


def test_every_cycle_is_told(dsl: Job, conf: Job) -> None:
    for name, other in (("a_0", "b_0"), ("b_0", "a_0"), ("c_0", "d_0"), ("d_0", "c_0")):
        dsl["components"][name] = {
            "module": "DataIO", "input": {"data": {"data": [f"{other}.data"]}}, "output": {"data": ["data"]}
        }  # fmt: skip
    assert {problem.message for problem in problems(dsl, conf).values()} == {
        "the components wait for each other: a_0 -> b_0 -> a_0",
        "the components wait for each other: c_0 -> d_0 -> c_0",
    }


def test_warnings_are_told_beside_errors(dsl: Job, conf: Job) -> None:
    conf["component_prameters"] = {}
    conf["initiator"]["party_id"] = 1
    with pytest.raises(DslError) as caught:
        parse(dsl, conf)
    assert [warning.pointer for warning in caught.value.warnings] == ["/component_prameters"]


def test_a_conf_that_does_not_say_who_starts_is_told(dsl: Job, conf: Job) -> None:
    del conf["initiator"]
    (problem,) = problems(dsl, conf).values()
    assert problem.message == "a conf says who starts the job"


def test_job_parameters_of_a_party_hold_there_and_are_checked(dsl: Job, conf: Job) -> None:
    conf["job_parameters"] = {
        "common": {"timeout": 100, "auto_retries": 3},
        "role": {"guest": {"0": {"timeout": "77"}}, "host": {"0|1": {"auto_retries": 2}, "1": {"timeout": 5}}},
    }
    pipeline = parse(dsl, conf)
    held = [pipeline.job_parameters.at(party) for party in pipeline.parties]
    assert [(job.timeout, job.auto_retries) for job in held] == [(77, 3), (100, 2), (5, 2), (100, 3)]
    assert parse(*rendered(pipeline)) == pipeline
    conf["job_parameters"]["role"]["guest"]["0"] = {"timeout": "soon", "task_paralelism": 1}
    assert set(problems(dsl, conf)) == {"conf /job_parameters/role/guest/0/timeout"}


def test_a_conf_alone_is_warned_of_roles_and_parties_that_are_none(conf: Job) -> None:
    conf["job_parameters"] = {"common": {"job_type": "predict", "model_id": "m", "model_version": "1"}}
    conf["component_parameters"]["role"]["gust"] = {}
    conf["component_parameters"]["role"]["host"]["7"] = {}
    found = check_conf(read_json(json.dumps(conf)))
    assert {warning.pointer for warning in found} == {
        "/component_parameters/role/gust",
        "/component_parameters/role/host/7",
    }
