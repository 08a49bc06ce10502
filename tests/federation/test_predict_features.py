"""Components that change columns, in a training and in the prediction that follows from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents, parse_job, predict_dsl
from fate_federated.federation import Federation, make_table, trained_models
from fate_federated.party import Party
from fate_federated.task.table import Table

GUEST, HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "arbiter-1"))


def after(source: str, module: str, *, data: bool = True, model: bool = True) -> dict[str, Any]:
    output = {"data": ["data"]} if data else {}
    if model:
        output["model"] = ["model"]
    return {"module": module, "input": {"data": {"data": [f"{source}.data"]}}, "output": output}


DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "column_expand_0": after("reader_0", "ColumnExpand"),
        "data_transform_0": after("column_expand_0", "DataTransform"),
        "federated_sample_0": after("data_transform_0", "FederatedSample", model=False),
        "sample_weight_0": after("federated_sample_0", "SampleWeight"),
        "one_hot_encoder_0": after("sample_weight_0", "OneHotEncoder"),
        "homo_onehot_0": after("one_hot_encoder_0", "HomoOneHotEncoder"),
        "statistics_0": after("homo_onehot_0", "DataStatistics", data=False),
    }
}


def conf(**job: Any) -> dict[str, Any]:
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000], "arbiter": [1]},
        "job_parameters": {"common": job},
        "component_parameters": {
            "common": {
                "reader_0": {"table": {"namespace": "t", "name": "rows"}},
                "column_expand_0": {"append_header": ["extra"], "fill_value": 4},
                "data_transform_0": {"with_label": True},
                "federated_sample_0": {"fractions": 0.75, "random_state": 5},
                "sample_weight_0": {"class_weight": "balanced"},
                "one_hot_encoder_0": {"transform_col_indexes": [1, 2]},
                "homo_onehot_0": {"transform_col_indexes": [0]},
            },
            "role": {"host": {"0": {"sample_weight_0": {"need_run": False}}}},
        },
    }


def table(rows: int) -> Table:
    random = np.random.default_rng(0)
    columns = {"y": random.integers(0, 2, rows), "a": random.integers(0, 3, rows), "b": random.integers(5, 7, rows)}
    return make_table([f"u{number}" for number in range(rows)], columns)


def test_a_prediction_has_the_columns_of_its_training() -> None:
    dsl, train_conf = json.dumps(DSL), json.dumps(conf())
    trained = parse_job(dsl, train_conf)
    federation = Federation((GUEST, HOST, ARBITER), seed=1)
    tables = {party: {("t", "rows"): table(40)} for party in (GUEST, HOST)}
    learnt = federation.run_pipeline(trained, tables)
    deployed = [name for name in DSL["components"] if name != "federated_sample_0"]
    derived = predict_dsl(read_json(dsl), read_json(train_conf), deployed=deployed)

    predict_conf = read_json(json.dumps(conf(job_type="predict", model_version="1")))
    pipeline = parse_documents(read_json(json.dumps(derived)), predict_conf, trained=trained)
    predicted = federation.run_pipeline(pipeline, tables, trained=trained_models(trained, learnt))
    header = ("a_0", "a_1", "a_2", "b_5", "b_6", "extra_4")
    for party, weighted in ((GUEST, True), (HOST, False)):
        before, now = (results["homo_onehot_0"][party].data for results in (learnt, predicted))
        assert before.feature_names == now.feature_names == header
        assert (len(before), len(now)) == (30, 40)
        rows = np.isin(now.ids.to_pylist(), before.ids.to_pylist())
        np.testing.assert_array_equal(now.features[rows], before.features)
        assert (now.weight is not None) == (before.weight is not None) == weighted
        assert predicted["statistics_0"][party].model == learnt["statistics_0"][party].model
