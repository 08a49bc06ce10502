"""Writing a Pipeline as a version 2 job, and reading that again."""

from __future__ import annotations

from typing import Any

from dsl_jobs import Job, parse, rendered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fate_federated.party import Party


def test_a_version_2_job_reads_the_same_once_written(dsl: Job, conf: Job) -> None:
    conf["job_parameters"] = {
        "common": {"task_cores": 4, "timeout": 60, "task_parallelism": 2},
        "role": {"host": {"0|1": {"user": "x"}}},
    }
    conf["airflow"] = {"schedule": "@daily", "tags": ["a"], "retries": 2}
    pipeline = parse(dsl, conf)
    assert pipeline.job_parameters.by_party[Party.parse("host-bank")] == {"user": "x"}
    assert parse(*rendered(pipeline)) == pipeline


def test_a_version_1_job_becomes_an_equal_version_2_job(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["hetero_lr_0"] = {"encrypt_param": {"key_length": [1024, 2048]}}
    pipeline = parse(dsl1, conf1)
    dsl, conf = rendered(pipeline)
    assert conf["dsl_version"] == 2
    assert dsl["components"]["reader_train_data"] == {
        "module": "Reader", "output": {"data": ["data"]}, "need_deploy": True,
    }  # fmt: skip
    again = parse(dsl, conf)
    assert again == pipeline
    assert again.dsl_version == 2


PARTY_IDS = st.lists(st.one_of(st.integers(0, 10**6), st.sampled_from(["bank", "007", "a_1"])), unique=True)
VALUES = st.fixed_dictionaries(
    {}, optional={"max_iter": st.integers(1, 99), "encrypt_param": st.just({"key_length": 2048})}
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_pipeline_reads_the_same_once_written(data: st.DataObject) -> None:
    hosts = data.draw(PARTY_IDS.filter(lambda ids: 1 <= len(ids) <= 4))
    count = data.draw(st.integers(1, 6))
    components: dict[str, Any] = {"reader_0": {"module": "Reader", "output": {"data": ["data"]}}}
    parameters: dict[str, Any] = {"common": {"reader_0": {"table": {"namespace": "n", "name": "t"}}}, "role": {}}
    for number in range(count):
        sources = [f"{name}.data" for name in components]
        component: dict[str, Any] = {
            "module": "HeteroLR",
            "input": {"data": {"train_data": data.draw(st.lists(st.sampled_from(sources), min_size=1, max_size=2))}},
            "output": {"data": ["data"], "model": ["m"]},
        }
        if number and data.draw(st.booleans()):
            component["input"]["isometric_model"] = [f"lr_{data.draw(st.integers(0, number - 1))}.m"]
        if data.draw(st.booleans()):
            component["need_deploy"] = data.draw(st.booleans())
        components[f"lr_{number}"] = component
        parameters["common"][f"lr_{number}"] = data.draw(VALUES)
        index = data.draw(st.sampled_from(["0", "all", *map(str, range(len(hosts)))]))
        parameters["role"].setdefault("host", {}).setdefault(index, {})[f"lr_{number}"] = data.draw(VALUES)
    conf = {
        "dsl_version": data.draw(st.sampled_from([2, "2"])),
        "initiator": {"role": "guest", "party_id": 1},
        "role": {"guest": [1], "host": hosts, "arbiter": [10_000_000]},
        "component_parameters": parameters,
    }
    pipeline = parse({"components": components}, conf)
    assert parse(*rendered(pipeline)) == pipeline
