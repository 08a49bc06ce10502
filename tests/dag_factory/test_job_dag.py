"""The DAG of one party."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import DEFAULT_RETRIES, DEFAULT_RETRY_DELAY
from airflow.serialization.serialized_objects import DagSerialization
from dropped_jobs import demo

from fate_federated.dag_factory.job_dag import MAX_ACTIVE_RUNS, build_dag
from fate_federated.dsl.job_files import job_digest
from fate_federated.dsl.parse import parse_job
from fate_federated.errors import DslError
from fate_federated.operators import FederatedTaskOperator
from fate_federated.party import Party

GUEST, HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000"))


def build(party: Party, dialect: int = 2, *, paused: bool = False, **conf_extra: Any) -> DAG:
    dsl, conf = demo(dialect)
    dsl_text, conf_text = json.dumps(dsl), json.dumps(conf | conf_extra)
    pipeline = parse_job(dsl_text, conf_text)
    return build_dag(pipeline, name="credit", party=party, dsl_text=dsl_text, conf_text=conf_text, paused=paused)


def graph(dag: DAG) -> dict[str, set[str]]:
    return {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}


@pytest.mark.parametrize("dialect", [1, 2])
def test_every_party_has_the_same_tasks_in_the_same_graph(dialect: int) -> None:
    guest, host, arbiter = (build(party, dialect) for party in (GUEST, HOST, ARBITER))
    assert (guest.dag_id, arbiter.dag_id) == ("credit.guest-9999", "credit.arbiter-10000")
    assert graph(guest) == graph(host) == graph(arbiter)
    first = "reader_0" if dialect == 2 else "reader_train_data"
    assert graph(guest)["start_job"] == {first, "finish_job"}
    assert graph(guest)["evaluation_0"] == {"finish_job"}
    assert [task.task_id for task in guest.topological_sort()][-1] == "finish_job"


def test_several_branches_start_after_the_start_and_end_before_the_end() -> None:
    dsl, conf = demo()
    dsl["components"]["reader_1"] = {"module": "Reader", "output": {"data": ["data"]}}
    for of_role in conf["component_parameters"]["role"].values():
        of_role["0"]["reader_1"] = of_role["0"]["reader_0"]
    texts = json.dumps(dsl), json.dumps(conf)
    dag = build_dag(parse_job(*texts), name="x", party=GUEST, dsl_text=texts[0], conf_text=texts[1])
    assert graph(dag)["start_job"] == {"reader_0", "reader_1", "finish_job"}
    assert dag.get_task("finish_job").upstream_task_ids == {"start_job", "reader_1", "evaluation_0"}


def test_the_end_is_a_teardown_of_the_start() -> None:
    dag = build(HOST)
    assert dag.get_task("start_job").is_setup
    assert dag.get_task("finish_job").is_teardown
    assert dag.get_task("finish_job").on_failure_fail_dagrun, "the run fails if its end does"
    assert not any(task.is_setup or task.is_teardown for task in dag.tasks if isinstance(task, FederatedTaskOperator))


def test_each_task_knows_its_party() -> None:
    dag = build(HOST)
    lr = dag.get_task("hetero_lr_0")
    assert isinstance(lr, FederatedTaskOperator)
    assert (lr.party, lr.node.name) == (HOST, "hetero_lr_0")
    assert dag.get_task("start_job").job_name == "credit"


def test_only_the_initiator_follows_the_schedule() -> None:
    airflow = {"schedule": "0 3 * * *"}
    assert build(GUEST, airflow=airflow).timetable.can_be_scheduled
    assert not build(HOST, airflow=airflow).timetable.can_be_scheduled
    assert build(GUEST, airflow=airflow).max_active_runs == MAX_ACTIVE_RUNS
    assert build(GUEST, airflow={"schedule": "@continuous"}).max_active_runs == 1


@pytest.mark.parametrize("schedule", ["every day", "", "99 * * * *", "@dayly"])
def test_a_schedule_that_is_none_is_located(schedule: str) -> None:
    with pytest.raises(DslError) as caught:
        build(GUEST, airflow={"schedule": schedule})
    assert caught.value.problems[0].pointer == "/airflow/schedule"
    assert ".." not in str(caught.value)


def test_airflow_s_own_options_come_from_the_airflow_block() -> None:
    options = {
        "tags": ["credit"],
        "params": {"region": "north"},
        "retries": 2,
        "retry_delay_seconds": 30,
        "pool": "small",
        "executor_config": {"KubernetesExecutor": {"request_memory": "2Gi"}},
    }
    dag = build(GUEST, airflow=options)
    assert dag.tags == {"fate", "guest", "initiator guest-9999", "credit"}
    assert dag.params["region"] == "north"
    for task in dag.tasks:
        assert (task.retries, task.retry_delay, task.pool) == (2, timedelta(seconds=30), "small")
        assert task.executor_config == options["executor_config"]


def test_what_the_airflow_block_leaves_open_is_as_the_site_s_airflow_has_it() -> None:
    for dag in (build(GUEST), build(GUEST, airflow={"tags": ["credit"]})):
        assert not dag.default_args.keys() & {"retries", "retry_delay", "pool"}
        for task in dag.tasks:
            assert (task.retries, task.retry_delay) == (DEFAULT_RETRIES, DEFAULT_RETRY_DELAY)
    dag = build(GUEST, airflow={"retries": 0, "retry_delay_seconds": 0})
    assert (dag.default_args["retries"], dag.default_args["retry_delay"]) == (0, timedelta(0))


def test_a_timeout_limits_each_component() -> None:
    dag = build(GUEST, job_parameters={"common": {"timeout": 90}})
    assert dag.get_task("hetero_lr_0").execution_timeout == timedelta(seconds=90)
    assert dag.get_task("finish_job").execution_timeout is None
    assert build(GUEST).get_task("hetero_lr_0").execution_timeout is None


def test_a_run_keeps_its_version_and_a_dag_waits_for_consent_when_asked_to() -> None:
    assert build(HOST, paused=True).is_paused_upon_creation is True
    dag = build(GUEST)
    assert dag.is_paused_upon_creation is False
    assert dag.rerun_with_latest_version is False
    assert dag.catchup is False


def test_the_description_tells_the_version_of_the_job_alike_at_all_parties() -> None:
    dsl, conf = demo()
    digest = job_digest(json.dumps(dsl), json.dumps(conf))
    assert {build(party).description for party in (GUEST, HOST, ARBITER)} == {
        f"6 components at guest-9999, host-10000, arbiter-10000, started by guest-9999; dsl {digest}"
    }


def test_the_documentation_shows_parties_parameters_files_and_warnings() -> None:
    doc = build(HOST, extra="```\n# not a heading").doc_md
    assert doc is not None
    assert "| host | 10000 |" in doc
    assert '"learning_rate": 0.5' in doc
    assert '"breast_cancer_host"' in doc
    dsl, conf = demo()
    assert json.dumps(dsl) in doc
    assert '"extra" means nothing here' in doc
    # The conf has a fence in it: the block around it is longer.
    assert f"````json\n{json.dumps(conf | {'extra': chr(96) * 3 + chr(10) + '# not a heading'})}\n````" in doc


def test_a_large_file_is_shown_in_part() -> None:
    dag = build(GUEST, provider="x" * 200_000)
    assert len(dag.doc_md or "") < 120_000
    assert "more characters" in (dag.doc_md or "")


@pytest.mark.parametrize("dialect", [1, 2])
def test_a_dag_survives_airflow_s_serialization(dialect: int) -> None:
    options = {"schedule": "@daily", "params": {"a": 1}}
    dag = build(GUEST, dialect, airflow=options)
    text = json.dumps(DagSerialization.to_dict(dag), sort_keys=True)
    restored = DagSerialization.from_dict(json.loads(text))
    assert {task.task_id: set(task.downstream_task_ids) for task in restored.tasks} == graph(dag)
    # Airflow makes a version of a DAG whenever this text differs.
    assert json.dumps(DagSerialization.to_dict(build(GUEST, dialect, airflow=options)), sort_keys=True) == text


def test_job_parameters_of_fate_set_what_airflow_has_for_them() -> None:
    common = {"auto_retries": 2, "auto_retry_delay": 5, "timeout": 3600, "task_parallelism": 1}
    dag = build(GUEST, job_parameters={"common": common})
    lr = dag.get_task("hetero_lr_0")
    assert (lr.retries, lr.retry_delay, lr.execution_timeout) == (2, timedelta(seconds=5), timedelta(hours=1))
    assert dag.max_active_tasks == 1
    block = {"retries": 1, "retry_delay_seconds": 9}
    lr = build(GUEST, job_parameters={"common": common}, airflow=block).get_task("hetero_lr_0")
    assert (lr.retries, lr.retry_delay) == (1, timedelta(seconds=9)), "the airflow block is the nearer one"


def test_every_party_prefers_the_same_task() -> None:
    weights = [{task.task_id: task.priority_weight for task in build(party).tasks} for party in (GUEST, HOST, ARBITER)]
    assert weights[0] == weights[1] == weights[2]
    order = [name for name in sorted(weights[0], key=weights[0].__getitem__, reverse=True) if name != "finish_job"]
    assert order == [task.task_id for task in build(GUEST).topological_sort() if task.task_id != "finish_job"]


def test_a_job_that_trains_publishes_its_models_where_they_are() -> None:
    for party, assets in ((GUEST, ["credit.guest-9999.models"]), (HOST, ["credit.host-10000.models"]), (ARBITER, [])):
        finish = build(party).get_task("finish_job")
        assert [asset.name for asset in finish.outlets] == assets
    assert build(GUEST).get_task("finish_job").models_are == {
        "model_id": "arbiter-10000#guest-9999#host-10000#model",
        "party": "guest-9999",
        "components": ["data_transform_0", "feature_scale_0", "hetero_lr_0"],
    }


def test_only_the_initiator_waits_for_assets() -> None:
    schedule = {"any": [{"job": "other"}, {"all": ["prices", "s3://bank/rates"]}]}
    condition = build(GUEST, airflow={"schedule": schedule}).timetable.asset_condition
    models, both = condition.objects
    assert (type(condition).__name__, type(both).__name__) == ("AssetAny", "AssetAll")
    assert (models.name, models.uri) == ("other.guest-9999.models", "fate://models/other/guest-9999")
    assert (both.objects[0].name, both.objects[1].uri) == ("prices", "s3://bank/rates")
    assert build(HOST, airflow={"schedule": schedule}).schedule is None


def test_the_form_shows_params_with_what_holds_without_them() -> None:
    sets = "/component_parameters/common/hetero_lr_0/max_iter"
    block = {"params": {"rounds": {"type": "integer", "minimum": 1, "sets": sets}, "region": "north"}}
    form = build(GUEST, airflow=block).params
    assert list(form) == ["rounds", "region", "component_parameters"]
    assert (form["rounds"], form["region"], form["component_parameters"]) == (10, "north", {})
    assert form.get_param("rounds").schema["minimum"] == 1


def test_a_default_that_its_own_schema_refuses_is_located() -> None:
    with pytest.raises(DslError) as caught:
        build(GUEST, airflow={"params": {"rounds": {"type": "integer", "default": "ten"}}})
    (problem,) = caught.value.problems
    assert problem.pointer == "/airflow/params/rounds/default"


def test_a_job_of_four_hundred_components_becomes_a_dag_that_airflow_can_keep() -> None:
    _, conf = demo()
    components = {"reader_0": {"module": "Reader", "output": {"data": ["data"]}}}
    for number in range(200):
        source = "reader_0.data"
        for stage in ("first", "second"):
            name = f"{stage}_{number}"
            components[name] = {
                "module": "DataTransform",
                "input": {"data": {"data": [source]}},
                "output": {"data": ["data"], "model": ["model"]},
            }
            source = f"{name}.data"
    last = [f"second_{number}.data" for number in range(200)]
    components["union_0"] = {"module": "Union", "input": {"data": {"data": last}}, "output": {"data": ["data"]}}
    texts = json.dumps({"components": components}), json.dumps(conf)
    dag = build_dag(parse_job(*texts), name="large", party=GUEST, dsl_text=texts[0], conf_text=texts[1])
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert len(again.task_dict) == 404
    assert len(again.get_task("union_0").upstream_task_ids) == 200
