"""Version 2 jobs: what they compile to, and where each mistake is reported."""

from __future__ import annotations

from typing import Any

import pytest
from dsl_jobs import Job, parse, problems

from fate_federated.dsl.airflow_block import AirflowOptions, FormParam
from fate_federated.dsl.pipeline import Edge, EdgeKind, JobParameters
from fate_federated.party import Party

GUEST, HOST, BANK, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "host-bank", "arbiter-10000"))


def test_a_job_compiles_to_nodes_edges_and_parties(dsl: Job, conf: Job) -> None:
    pipeline = parse(dsl, conf)
    assert pipeline.dsl_version == 2
    assert pipeline.initiator == GUEST
    assert pipeline.parties == (GUEST, HOST, BANK, ARBITER)
    assert [node.name for node in pipeline.nodes] == ["reader_0", "data_io_0", "hetero_lr_0", "evaluation_0"]
    hetero_lr = pipeline.node("hetero_lr_0")
    assert hetero_lr.inputs == (Edge(EdgeKind.DATA, "train_data", "data_io_0", "data"),)
    assert (hetero_lr.data_outputs, hetero_lr.model_outputs) == (("data",), ("model",))
    assert pipeline.warnings == ()


def test_a_party_takes_part_where_the_component_has_a_role_for_it(dsl: Job, conf: Job) -> None:
    pipeline = parse(dsl, conf)
    assert pipeline.node("reader_0").participants == (GUEST, HOST, BANK)
    assert pipeline.node("hetero_lr_0").participants == (GUEST, HOST, BANK, ARBITER)
    assert pipeline.node("evaluation_0").participants == (GUEST,)


def test_parameters_of_a_role_lie_over_the_common_ones_in_the_order_of_the_conf(dsl: Job, conf: Job) -> None:
    pipeline = parse(dsl, conf)
    assert pipeline.node("data_io_0").parameters == {
        GUEST: {"with_label": True},
        HOST: {"with_label": False},
        BANK: {"with_label": False},
    }
    assert pipeline.node("reader_0").parameters == {
        GUEST: {"table": {"namespace": "ns", "name": "guest"}},
        HOST: {"table": {"namespace": "ns", "name": "host"}},
        BANK: {"table": {"namespace": "ns", "name": "bank"}},
    }


@pytest.mark.parametrize(
    ("index", "told"), [("0", {HOST}), ("1", {BANK}), ("0|1", {HOST, BANK}), ("all", {HOST, BANK})]
)
def test_an_index_chooses_parties_of_its_role(dsl: Job, conf: Job, index: str, told: set[Party]) -> None:
    conf["component_parameters"]["role"]["host"][index] = {
        **conf["component_parameters"]["role"]["host"].get(index, {}),
        "data_io_0": {"label_name": "here"},
    }
    parameters = parse(dsl, conf).node("data_io_0").parameters
    assert {party for party in parameters if "label_name" in parameters[party]} == told


@pytest.mark.parametrize("version", [2, "2"])
def test_the_version_may_be_a_number_or_a_text(dsl: Job, conf: Job, version: object) -> None:
    conf["dsl_version"] = version
    assert parse(dsl, conf).dsl_version == 2


def test_what_fate_accepts_and_means_nothing_here_is_accepted(dsl: Job, conf: Job) -> None:
    dsl["provider"] = "fate@1.11.4"
    dsl["components"]["hetero_lr_0"] |= {"provider": "fate", "need_deploy": False, "CodePath": "x"}
    dsl["components"]["hetero_lr_0"]["output"]["cache"] = ["cache"]
    conf["provider"] = {"common": {}}
    conf["job_parameters"] = {"common": {"task_cores": 4, "auto_retries": 1}}
    pipeline = parse(dsl, conf)
    assert pipeline.warnings == ()
    assert pipeline.job_parameters == JobParameters(auto_retries=1, settings={"task_cores": 4, "auto_retries": 1})
    assert not pipeline.node("hetero_lr_0").need_deploy
    assert not pipeline.node("evaluation_0").need_deploy
    assert pipeline.node("reader_0").need_deploy


def test_nodes_come_in_an_order_in_which_they_can_run(dsl: Job, conf: Job) -> None:
    dsl["components"] = dict(reversed(dsl["components"].items()))
    names = [node.name for node in parse(dsl, conf).nodes]
    assert names == ["reader_0", "data_io_0", "hetero_lr_0", "evaluation_0"]


def test_one_component_may_take_several_data_and_models(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_1"] = {
        "module": "HeteroLR",
        "input": {
            "data": {"train_data": ["data_io_0.data"], "validate_data": ["data_io_0.data"]},
            "model": ["hetero_lr_0.model"],
            "isometric_model": ["data_io_0.model"],
        },
        "output": {"data": ["data"]},
    }
    dsl["components"]["evaluation_0"]["input"]["data"]["data"].append("hetero_lr_1.data")
    pipeline = parse(dsl, conf)
    assert pipeline.node("hetero_lr_1").inputs == (
        Edge(EdgeKind.DATA, "train_data", "data_io_0", "data"),
        Edge(EdgeKind.DATA, "validate_data", "data_io_0", "data"),
        Edge(EdgeKind.MODEL, "model", "hetero_lr_0", "model"),
        Edge(EdgeKind.ISOMETRIC_MODEL, "isometric_model", "data_io_0", "model"),
    )
    assert pipeline.node("hetero_lr_1").upstream == ("data_io_0", "hetero_lr_0")
    assert pipeline.node("evaluation_0").upstream == ("hetero_lr_0", "hetero_lr_1")


def test_the_airflow_block_is_read(dsl: Job, conf: Job) -> None:
    conf["airflow"] = {
        "schedule": "@daily",
        "tags": ["credit"],
        "params": {"a": 1},
        "retries": 2,
        "retry_delay_seconds": 30,
        "pool": "small",
        "executor_config": {"KubernetesExecutor": {}},
    }
    assert parse(dsl, conf).airflow == AirflowOptions(
        schedule="@daily",
        tags=("credit",),
        retries=2,
        retry_delay_seconds=30,
        pool="small",
        params={"a": FormParam(default=1)},
        executor_config={"KubernetesExecutor": {}},
    )


def test_what_has_no_effect_is_a_warning(dsl: Job, conf: Job) -> None:
    conf["extra"] = {}
    conf["job_parameters"] = {"task_cores": 1}
    parameters = conf["component_parameters"]
    parameters["common"]["hetero_lr_9"] = {}
    parameters["role"]["task-cores"] = {}
    parameters["role"]["host"]["7"] = {}
    parameters["role"]["host"]["hetero_lr_0"] = {}
    warned = {problem.pointer: str(problem) for problem in parse(dsl, conf).warnings}
    assert set(warned) == {
        "/extra",
        "/job_parameters/task_cores",
        "/component_parameters/common/hetero_lr_9",
        "/component_parameters/role/task-cores",
        "/component_parameters/role/host/7",
        "/component_parameters/role/host/hetero_lr_0",
    }
    assert "Did you mean 'hetero_lr_0'?" in warned["/component_parameters/common/hetero_lr_9"]


def test_a_wrong_parameter_is_reported_where_it_was_written(dsl: Job, conf: Job) -> None:
    parameters = conf["component_parameters"]
    parameters["common"]["hetero_lr_0"] |= {"learning_rate": -1, "learning_rte": 0.1}
    parameters["role"]["host"]["1"]["hetero_lr_0"] = {"encrypt_param": {"key_length": 1204}}
    found = problems(dsl, conf)
    assert {place: problem.message for place, problem in found.items()} == {
        "conf /component_parameters/common/hetero_lr_0/learning_rate": (
            "hetero_lr_0: learning_rate is -1: input should be greater than 0"
        ),
        "conf /component_parameters/common/hetero_lr_0/learning_rte": ("hetero_lr_0: learning_rte is not a known key"),
        "conf /component_parameters/role/host/1/hetero_lr_0/encrypt_param/key_length": (
            "hetero_lr_0 at host-bank: encrypt_param.key_length is 1204: input should be 1024 or 2048"
        ),
    }
    assert found["conf /component_parameters/common/hetero_lr_0/learning_rte"].remedy == "Did you mean 'learning_rate'?"


def test_a_missing_parameter_names_the_parties_that_lack_it(dsl: Job, conf: Job) -> None:
    del conf["component_parameters"]["role"]["host"]["all"]
    found = problems(dsl, conf)
    assert {place: problem.message for place, problem in found.items()} == {
        "conf /component_parameters": "reader_0 at host-10000: table is missing",
        "conf /component_parameters/role/host/1/reader_0/table": "reader_0 at host-bank: table.namespace is missing",
    }


def _set(job: Any, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for key in parents:
        job = job[int(key)] if isinstance(job, list) else job.setdefault(key, {})
    if isinstance(job, list):
        job[int(last)] = value
    else:
        job[last] = value


READER, LR, EVALUATION = (f"components/{name}" for name in ("reader_0", "hetero_lr_0", "evaluation_0"))

MISTAKES = [
    ("dsl", f"{LR}/module", "HeteroLRR", f"dsl /{LR}/module", "there is no module \"HeteroLRR\"", "HeteroLR"),
    ("dsl", f"{LR}/module", 3, f"dsl /{LR}/module", "module is 3: input should be a valid string", ""),
    ("dsl", f"{LR}/inputs", {}, f"dsl /{LR}/inputs", "inputs is not a known key", "Did you mean 'input'?"),
    ("dsl", f"{LR}/input/data", [], f"dsl /{LR}/input/data", "input.data: input should be an object", ""),
    ("dsl", f"{EVALUATION}/input/data/data/0", "hetero_lr_0", f"dsl /{EVALUATION}/input/data/data/0",
     "names no output of a component", "Write <component>.<output>."),
    ("dsl", f"{EVALUATION}/input/data/data/0", "hetero_l_0.data", f"dsl /{EVALUATION}/input/data/data/0",
     'no component is named "hetero_l_0"', "Did you mean 'hetero_lr_0'?"),
    ("dsl", f"{EVALUATION}/input/data/data/0", "hetero_lr_0.dta", f"dsl /{EVALUATION}/input/data/data/0",
     'hetero_lr_0 makes no data named "dta"', "Did you mean 'data'?"),
    ("dsl", f"{LR}/input/data/train_data/0", "evaluation_0.data", f"dsl /{LR}/input/data/train_data/0",
     'evaluation_0 makes no data named "data"', "evaluation_0 has no output of this kind."),
    ("dsl", f"{LR}/input/model", ["pipeline.hetero_lr_0"], f"dsl /{LR}/input/model/0",
     "names no model of an earlier job", "Write pipeline.<component>.<model>."),
    ("dsl", f"{LR}/input/data/train_data/0", "args.train_data", f"dsl /{LR}/input/data/train_data/0",
     "a table of a version 1 conf", "Reader"),
    ("dsl", f"{LR}/output/data", ["data", "data"], f"dsl /{LR}/output/data/1",
     'hetero_lr_0 has two data outputs named "data"', "Rename one of them."),
    ("dsl", "components/a b", {"module": "Reader"}, "dsl /components/a b", '"a b" is not a name for a component', ""),
    ("dsl", "components", [], "dsl /components", "a dsl has components, by name", ""),
    ("conf", "dsl_version", 3, "conf /dsl_version", "there is no dsl version 3", "Write 2, or 1."),
    ("conf", "dsl_version", True, "conf /dsl_version", "there is no dsl version true", ""),
    ("conf", "initiator", {"role": "guest", "party_id": 1}, "conf /initiator",
     "the initiator guest-1 takes no part in the job", "guest-9999"),
    ("conf", "initiator/role", "gues", "conf /initiator/role", '"gues" is not a role', "Did you mean 'guest'?"),
    ("conf", "role/guest/0", "9 9", "conf /role/guest/0", '"9 9" is not a party id', ""),
    ("conf", "role/guest/0", True, "conf /role/guest/0", "true is not a party id", ""),
    ("conf", "role/guest/0", -1, "conf /role/guest/0", "-1 is not a party id", ""),
    ("conf", "role/host/1", 10000, "conf /role/host/1", "host-10000 stands here twice", "Remove one of them."),
    ("conf", "role/host/1", "10000", "conf /role/host/1", "host-10000 stands here twice", "Remove one of them."),
    ("conf", "role/hots", [1], "conf /role/hots", '"hots" is not a role', "Did you mean 'host'?"),
    ("conf", "role/local", [], "conf /role/local", "no party is named for the role local", "template"),
    ("conf", "role/arbiter", 3, "conf /role/arbiter", "the parties of arbiter are not a list", '"arbiter": [9999]'),
    ("conf", "job_parameters", 1, "conf /job_parameters", "is 1: input should be an object", ""),
    ("conf", "job_parameters/common", {"job_type": "deploy"}, "conf /job_parameters/common/job_type",
     "input should be 'train' or 'predict'", ""),
    ("conf", "job_parameters/common", {"timeout": 0}, "conf /job_parameters/common/timeout",
     "timeout is 0: input should be greater than 0", ""),
    ("conf", "airflow", {"retry": 1}, "conf /airflow/retry", "retry is not a known key", "Did you mean 'retries'?"),
    ("conf", "airflow", {"retries": "1"}, "conf /airflow/retries", 'retries is "1": input should be a valid int', ""),
    ("conf", "component_parameters/common/hetero_lr_0", 1, "conf /component_parameters/common/hetero_lr_0",
     "the parameters of hetero_lr_0 are no object", ""),
]  # fmt: skip


@pytest.mark.parametrize(("file", "path", "value", "place", "message", "remedy"), MISTAKES)
def test_a_mistake_is_located(
    dsl: Job, conf: Job, file: str, path: str, value: object, place: str, message: str, remedy: str
) -> None:
    _set(dsl if file == "dsl" else conf, path, value)
    found = problems(dsl, conf)
    assert message in found[place].message
    assert remedy in found[place].remedy
    assert found[place].line > 0


def test_a_cycle_is_shown_from_end_to_end(dsl: Job, conf: Job) -> None:
    dsl["components"]["data_io_0"]["input"]["model"] = ["hetero_lr_0.model"]
    problem = problems(dsl, conf)["dsl /components/data_io_0/input"]
    assert problem.message == "the components wait for each other: data_io_0 -> hetero_lr_0 -> data_io_0"


def test_a_component_may_not_wait_for_itself(dsl: Job, conf: Job) -> None:
    dsl["components"]["data_io_0"]["input"]["model"] = ["data_io_0.model"]
    (problem,) = problems(dsl, conf).values()
    assert problem.message == "the components wait for each other: data_io_0 -> data_io_0"


def test_a_name_that_the_dag_needs_is_refused(dsl: Job, conf: Job) -> None:
    dsl["components"]["finish_job"] = {"module": "Evaluation", "input": {"data": {"data": ["hetero_lr_0.data"]}}}
    assert (
        "finish_job is the name of a task that every job has"
        in problems(dsl, conf)["dsl /components/finish_job"].message
    )


def test_a_role_that_a_component_cannot_do_without_is_missed(dsl: Job, conf: Job) -> None:
    del conf["role"]["arbiter"]
    (problem,) = problems(dsl, conf).values()
    assert problem.pointer == "/role"
    assert problem.message == "hetero_lr_0 (HeteroLR) cannot run without a party in the role arbiter"


def test_a_conf_of_version_2_that_does_not_say_so_is_told(dsl: Job, conf: Job) -> None:
    del conf["dsl_version"]
    (problem,) = problems(dsl, conf).values()
    assert (problem.pointer, problem.remedy) == ("/component_parameters", 'Add "dsl_version": 2.')


def test_all_mistakes_are_told_at_once(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "HeteroLRR"
    dsl["components"]["evaluation_0"]["input"]["data"]["data"] = ["nothing.data"]
    conf["initiator"]["party_id"] = 1
    conf["airflow"] = {"retries": -1}
    conf["component_parameters"]["common"]["data_io_0"]["label_type"] = "text"
    assert set(problems(dsl, conf)) == {
        "dsl /components/hetero_lr_0/module",
        "dsl /components/evaluation_0/input/data/data/0",
        "conf /initiator",
        "conf /airflow/retries",
        "conf /component_parameters/common/data_io_0/label_type",
    }


def test_an_error_reads_as_file_line_pointer_what_and_remedy(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "HeteroLRR"
    (problem,) = problems(dsl, conf).values()
    assert str(problem) == (
        "job_dsl.json:30 /components/hetero_lr_0/module: there is no module \"HeteroLRR\". Did you mean 'HeteroLR'?"
    )


@pytest.mark.parametrize(
    ("guest", "hosts", "arbiter", "allowed"),
    [(1, [2, 3], 4, True), (1, [2, 3], 2, True), (1, [1], 1, True), (1, [2], 1, False), (1, [1, 2], 1, False)],
)
def test_a_guest_is_no_arbiter_of_other_organisations(
    dsl: Job, conf: Job, guest: int, hosts: list[int], arbiter: int, allowed: bool
) -> None:
    conf["role"] = {"guest": [guest], "host": hosts, "arbiter": [arbiter]}
    conf["initiator"]["party_id"] = guest
    if allowed:
        parse(dsl, conf)
    else:
        assert "1 is guest and arbiter" in problems(dsl, conf)["conf /role/arbiter"].message
