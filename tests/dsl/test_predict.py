"""Deriving the dsl of a prediction, and compiling a job that predicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from dsl_jobs import SPECS, Job, parse, problems, rendered

from fate_federated.dsl.components import ComponentText
from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import check_conf, parse_documents, predict_dsl
from fate_federated.dsl.pipeline import Edge, EdgeKind, Mode, Pipeline
from fate_federated.dsl.predict import derive_components
from fate_federated.errors import DslError
from fate_federated.party import Party

GUEST, HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000"))


def derive(dsl: Job, conf: Job, *deployed: str) -> Mapping[str, Any]:
    documents = read_json(json.dumps(dsl)), read_json(json.dumps(conf))
    components: Mapping[str, Any] = predict_dsl(*documents, deployed=deployed or None, catalog=SPECS.get)["components"]
    return components


def parse_with(dsl: Job, conf: Job, trained: Pipeline) -> Pipeline:
    return parse_documents(
        read_json(json.dumps(dsl), "dsl"), read_json(json.dumps(conf), "conf"), catalog=SPECS.get, trained=trained
    )


# --- version 1: derived at the end of the training


def test_what_learnt_applies_its_model_to_the_table_of_the_prediction(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["dataio_1"]["need_deploy"] = False
    assert derive(dsl1, conf1) == {
        "dataio_0": {
            "module": "DataIO",
            "input": {"data": {"data": ["args.eval_data"]}, "model": ["pipeline.dataio_0.dataio"]},
            "output": {"data": ["train"]},
        },
        "hetero_lr_0": {
            "module": "HeteroLR",
            "input": {"data": {"eval_data": ["dataio_0.train"]}, "model": ["pipeline.hetero_lr_0.default"]},
            "output": {"data": ["scores"]},
        },
    }


def test_modules_say_whether_they_are_deployed_unless_the_dsl_does(dsl1: Job, conf1: Job) -> None:
    assert "evaluation_0" not in derive(dsl1, conf1)
    dsl1["components"]["evaluation_0"]["need_deploy"] = True
    assert derive(dsl1, conf1)["evaluation_0"]["input"] == {"data": {"data": ["hetero_lr_0.scores"]}}


def test_what_applied_the_model_of_another_still_does(dsl1: Job, conf1: Job) -> None:
    assert derive(dsl1, conf1)["dataio_1"]["input"]["model"] == ["pipeline.dataio_0.dataio"]


def test_only_the_first_source_that_was_learnt_from_is_predicted(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["hetero_lr_0"]["input"]["data"] = {
        "eval_data": ["dataio_1.eval"], "train_data": ["dataio_0.train", "dataio_1.eval"],
    }  # fmt: skip
    assert derive(dsl1, conf1)["hetero_lr_0"]["input"]["data"] == {"eval_data": ["dataio_0.train"]}


def test_what_is_not_deployed_is_bypassed_by_its_first_input(dsl1: Job, conf1: Job) -> None:
    components = dsl1["components"]
    for number, source in enumerate(("dataio_0.train", "sample_0.out")):
        components[f"sample_{number}"] = {
            "module": "DataIO",
            "input": {"data": {"data": [source, "dataio_1.eval"]}},
            "output": {"data": ["out", "more"]},
            "need_deploy": False,
        }
    components["hetero_lr_0"]["input"]["data"]["train_data"] = ["sample_1.out"]
    derived = derive(dsl1, conf1)
    assert set(derived) == {"dataio_0", "dataio_1", "hetero_lr_0"}
    assert derived["hetero_lr_0"]["input"]["data"] == {"eval_data": ["dataio_0.train"]}


def test_bypassing_up_to_the_table_reads_the_table_of_the_prediction(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["dataio_0"]["need_deploy"] = False
    assert derive(dsl1, conf1)["hetero_lr_0"]["input"]["data"] == {"eval_data": ["args.eval_data"]}


def test_isometric_models_are_those_of_the_training(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["hetero_lr_0"]["input"]["isometric_model"] = ["dataio_0.dataio"]
    assert derive(dsl1, conf1)["hetero_lr_0"]["input"]["isometric_model"] == ["pipeline.dataio_0.dataio"]


# --- version 2: deployed by a user


def test_all_components_are_deployed_unless_somebody_chooses(dsl: Job, conf: Job) -> None:
    derived = derive(dsl, conf)
    assert list(derived) == ["reader_0", "data_io_0", "hetero_lr_0", "evaluation_0"]
    assert derived["reader_0"] == {"module": "Reader", "output": {"data": ["data"]}}
    assert derived["hetero_lr_0"]["input"] == {
        "data": {"test_data": ["data_io_0.data"]}, "model": ["pipeline.hetero_lr_0.model"],
    }  # fmt: skip


def test_an_input_whose_source_is_gone_is_erased(dsl: Job, conf: Job) -> None:
    derived = derive(dsl, conf, "data_io_0", "hetero_lr_0")
    assert list(derived) == ["data_io_0", "hetero_lr_0"]
    assert derived["data_io_0"]["input"] == {"model": ["pipeline.data_io_0.model"]}


def test_what_nobody_chose_is_bypassed(dsl: Job, conf: Job) -> None:
    derived = derive(dsl, conf, "reader_0", "hetero_lr_0", "evaluation_0")
    assert derived["hetero_lr_0"]["input"]["data"] == {"test_data": ["reader_0.data"]}


@pytest.mark.parametrize(
    ("ports", "chosen"),
    [
        (("validate_data", "train_data"), "train_data"),
        (("test_data", "validate_data"), "validate_data"),
        (("test_data",), "test_data"),
    ],
)
def test_the_first_of_train_validate_and_test_data_is_predicted(
    dsl: Job, conf: Job, ports: tuple[str, ...], chosen: str
) -> None:
    sources = {port: [f"{'data_io_0' if port == chosen else 'reader_0'}.data"] for port in ports}
    dsl["components"]["hetero_lr_0"]["input"]["data"] = sources
    assert derive(dsl, conf)["hetero_lr_0"]["input"]["data"] == {"test_data": ["data_io_0.data"]}


def test_a_component_that_nobody_has_cannot_be_deployed(dsl: Job, conf: Job) -> None:
    with pytest.raises(DslError, match="Did you mean 'hetero_lr_0'"):
        derive(dsl, conf, "hetero_lr_9")


def test_a_prediction_has_nothing_to_derive(dsl: Job, conf: Job) -> None:
    dsl["components"] = dict(derive(dsl, conf))
    with pytest.raises(DslError, match="applies models of an earlier job already"):
        derive(dsl, conf)


def test_a_wrong_training_is_refused(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["module"] = "HeteroLRR"
    with pytest.raises(DslError, match="HeteroLRR"):
        derive(dsl, conf)


def test_a_cache_is_made_where_one_is_taken(dsl: Job, conf: Job) -> None:
    dsl["components"]["data_io_0"]["output"]["cache"] = ["cache"]
    dsl["components"]["hetero_lr_0"]["input"]["cache"] = ["data_io_0.cache"]
    derived = derive_components(_texts(dsl), SPECS.get, 2, dsl["components"])
    assert derived["data_io_0"].output.cache == ["cache"]
    assert derived["hetero_lr_0"].input.cache == ["data_io_0.cache"]


def _texts(dsl: Job) -> dict[str, ComponentText]:
    return {name: ComponentText.model_validate(text) for name, text in dsl["components"].items()}


# --- compiling a prediction


@pytest.fixture
def predict_conf(conf: Job) -> Job:
    """For one of the two hosts, with a table of its own."""
    table = {"table": {"namespace": "ns", "name": "new"}}
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": ["bank"], "arbiter": [10000]},
        "job_parameters": {"common": {"job_type": "predict", "model_id": "m", "model_version": "20260101"}},
        "component_parameters": {"role": {"host": {"0": {"reader_0": table}}}},
    }


def test_a_prediction_takes_what_its_conf_does_not_say_from_the_training(
    dsl: Job, conf: Job, predict_conf: Job
) -> None:
    trained = parse(dsl, conf)
    pipeline = parse_with({"components": dict(derive(dsl, conf))}, predict_conf, trained)
    bank = Party.parse("host-bank")
    assert pipeline.mode is Mode.PREDICT
    assert (pipeline.job_parameters.model_id, pipeline.job_parameters.model_version) == ("m", "20260101")
    assert pipeline.node("reader_0").parameters == {
        GUEST: {"table": {"namespace": "ns", "name": "guest"}}, bank: {"table": {"namespace": "ns", "name": "new"}},
    }  # fmt: skip
    assert pipeline.node("data_io_0").parameters == {GUEST: {"with_label": True}, bank: {"with_label": False}}
    model = Edge(EdgeKind.MODEL, "model", "hetero_lr_0", "model", trained=True)
    assert pipeline.node("hetero_lr_0").inputs[1] == model
    assert pipeline.node("hetero_lr_0").upstream == ("data_io_0",)
    assert parse(*rendered(pipeline)) == pipeline, "what is sent to the others holds everything"


def test_a_party_that_did_not_train_cannot_predict(dsl: Job, conf: Job, predict_conf: Job) -> None:
    trained = parse(dsl, conf)
    predict_conf["role"]["host"] = ["bank", 7]
    with pytest.raises(DslError) as caught:
        parse_with({"components": dict(derive(dsl, conf))}, predict_conf, trained)
    problem = caught.value.problems[0]
    assert (problem.pointer, problem.file) == ("/role/host/1", "conf")
    assert "host-7 took no part in the training" in problem.message


def test_a_model_that_was_not_trained_is_located(dsl: Job, conf: Job, predict_conf: Job) -> None:
    trained = parse(dsl, conf)
    derived = dict(derive(dsl, conf))
    derived["hetero_lr_0"]["input"]["model"] = ["pipeline.hetero_lr_0.modle"]
    with pytest.raises(DslError) as caught:
        parse_with({"components": derived}, predict_conf, trained)
    (problem,) = caught.value.problems
    assert problem.pointer == "/components/hetero_lr_0/input/model/0"
    assert problem.remedy == "Did you mean 'hetero_lr_0.model'?"


def test_without_its_training_a_prediction_only_misses_what_that_says(dsl: Job, conf: Job, predict_conf: Job) -> None:
    pipeline = parse({"components": dict(derive(dsl, conf))}, predict_conf)
    (warning,) = pipeline.warnings
    assert "reader_0 at guest-9999: table is missing here" in warning.message


def test_a_dsl_that_applies_earlier_models_predicts_whatever_the_conf_says(
    dsl: Job, conf: Job, predict_conf: Job
) -> None:
    predict_conf["job_parameters"] = {"common": {"model_id": "", "model_version": ""}}
    pipeline = parse({"components": dict(derive(dsl, conf))}, predict_conf)
    assert pipeline.mode is Mode.PREDICT
    assert pipeline.job_parameters.model_version is None
    assert {"/job_parameters/common", "/job_parameters/common/model_version"} <= {
        warning.pointer for warning in pipeline.warnings
    }


def test_a_version_1_prediction_beside_its_training_s_dsl_is_derived_from_it(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["dataio_1"]["need_deploy"] = False
    conf1["job_parameters"] |= {"job_type": "predict", "model_id": "m", "model_version": "1"}
    pipeline = parse(dsl1, conf1)
    assert [node.name for node in pipeline.nodes] == ["reader_eval_data", "dataio_0", "hetero_lr_0"]
    assert pipeline.mode is Mode.PREDICT


def test_models_of_earlier_jobs_are_not_for_data(dsl: Job, conf: Job) -> None:
    dsl["components"]["hetero_lr_0"]["input"]["data"]["train_data"] = ["pipeline.data_io_0.data"]
    found = problems(dsl, conf)
    assert "only models can be used" in found["dsl /components/hetero_lr_0/input/data/train_data/0"].message


def test_a_conf_of_a_prediction_can_stand_alone(predict_conf: Job) -> None:
    check_conf(read_json(json.dumps(predict_conf)))


def test_any_other_conf_needs_a_dsl(conf: Job) -> None:
    conf["role"]["guest"] = []
    with pytest.raises(DslError) as caught:
        check_conf(read_json(json.dumps(conf), "job_conf.json"))
    assert "no party is named for the role guest" in str(caught.value)
    assert "there is no dsl beside this conf" in str(caught.value)
