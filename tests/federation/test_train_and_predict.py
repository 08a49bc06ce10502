"""Training, then predicting with the models of the training, as two jobs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents, parse_job, predict_dsl
from fate_federated.dsl.pipeline import Mode
from fate_federated.errors import ModelError
from fate_federated.federation import Federation, make_table, trained_models
from fate_federated.party import Party

GUEST, HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000"))


def component(module: str, port: str, source: str, *, model: bool = True) -> dict[str, Any]:
    output = {"data": ["data"], "model": ["model"]} if model else {"data": ["data"]}
    return {"module": module, "input": {"data": {port: [source]}}, "output": output}


DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": component("DataTransform", "data", "reader_0.data"),
        "intersection_0": component("Intersection", "data", "data_transform_0.data", model=False),
        "feature_scale_0": component("FeatureScale", "data", "intersection_0.data"),
        "hetero_lr_0": component("HeteroLR", "train_data", "feature_scale_0.data"),
        "evaluation_0": component("Evaluation", "data", "hetero_lr_0.data", model=False),
    }
}


def conf(**job: Any) -> dict[str, Any]:
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000], "arbiter": [10000]},
        "job_parameters": {"common": job},
        "component_parameters": {
            "common": {"reader_0": {"table": {"namespace": "t", "name": "rows"}}},
        },
    }


def training() -> dict[str, Any]:
    written = conf()
    written["component_parameters"]["common"]["hetero_lr_0"] = {
        "max_iter": 3, "learning_rate": 0.3, "encrypt_param": {"key_length": 1024},
    }  # fmt: skip
    written["component_parameters"]["role"] = {"guest": {"0": {"data_transform_0": {"with_label": True}}}}
    return written


def tables(rows: int) -> dict[Party, Any]:
    random = np.random.default_rng(5)
    ids = [f"u{number}" for number in range(rows)]
    own, theirs = random.normal(size=(2, rows, 2))
    label = (own[:, 0] + theirs[:, 0] > 0).astype(int)
    guest = make_table(ids, {"y": label, "a": own[:, 0], "b": own[:, 1]})
    host = make_table(ids, {"c": theirs[:, 0], "d": theirs[:, 1]})
    return {GUEST: {("t", "rows"): guest}, HOST: {("t", "rows"): host}}


def test_a_prediction_of_the_rows_that_were_learnt_gives_the_training_s_scores() -> None:
    dsl, train_conf = json.dumps(DSL), json.dumps(training())
    trained = parse_job(dsl, train_conf)
    federation = Federation((GUEST, HOST, ARBITER), seed=1)
    learnt = federation.run_pipeline(trained, tables(60))

    derived = predict_dsl(read_json(dsl), read_json(train_conf))
    predict_conf = read_json(json.dumps(conf(job_type="predict", model_version="1")))
    pipeline = parse_documents(read_json(json.dumps(derived)), predict_conf, trained=trained)
    assert pipeline.mode is Mode.PREDICT
    predicted = federation.run_pipeline(pipeline, tables(60), trained=trained_models(trained, learnt))

    scores, again = (results["hetero_lr_0"][GUEST].data.data for results in (learnt, predicted))
    assert again["predict_score"].to_numpy() == pytest.approx(scores["predict_score"].to_numpy(), abs=1e-9)
    assert set(again["type"].to_pylist()) == {"predict"}
    assert ("train", "loss") not in predicted["hetero_lr_0"][GUEST].metrics


def test_a_prediction_without_models_says_what_it_lacks() -> None:
    dsl, train_conf = json.dumps(DSL), json.dumps(training())
    derived = predict_dsl(read_json(dsl), read_json(train_conf))
    predict_conf = read_json(json.dumps(conf(job_type="predict", model_version="1")))
    pipeline = parse_documents(read_json(json.dumps(derived)), predict_conf, trained=parse_job(dsl, train_conf))
    with pytest.raises(ModelError, match="data_transform_0 needs the model 'model' of the training's data_transform_0"):
        Federation((GUEST, HOST, ARBITER)).run_pipeline(pipeline, tables(20))


def test_a_model_that_a_dsl_names_of_a_module_that_learns_nothing_is_not_asked_for() -> None:
    scored = {"scorecard_0": component("Scorecard", "data", "hetero_lr_0.data")}
    dsl, train_conf = json.dumps({"components": DSL["components"] | scored}), json.dumps(training())
    trained = parse_job(dsl, train_conf)
    federation = Federation((GUEST, HOST, ARBITER), seed=1)
    learnt = federation.run_pipeline(trained, tables(60))

    derived = predict_dsl(read_json(dsl), read_json(train_conf))
    predict_conf = read_json(json.dumps(conf(job_type="predict", model_version="1")))
    pipeline = parse_documents(read_json(json.dumps(derived)), predict_conf, trained=trained)
    predicted = federation.run_pipeline(pipeline, tables(60), trained=trained_models(trained, learnt))

    scores, again = (results["scorecard_0"][GUEST].data.data for results in (learnt, predicted))
    assert again["credit_score"].to_numpy() == pytest.approx(scores["credit_score"].to_numpy(), abs=0.01)
