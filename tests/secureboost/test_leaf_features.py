"""Leaves of boosted trees as features."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, learn, some_rows, split_tables

from fate_components.secureboost.model import forest_of
from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents, parse_job, predict_dsl
from fate_federated.errors import DataError, FateFederatedError, ModelError
from fate_federated.federation import Federation, make_table, trained_models
from fate_federated.task.component import Inputs

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3], HOSTS[1]: [4]}
MODULE = "SBTFeatureTransformer"


def transform(tables: Any, models: Any, params: dict[str, Any] | None = None, *, own: bool = False) -> Any:
    inputs = {
        party: Inputs(
            data={"data": [table]}, model=models[party].model if own else None,
            isometric={} if own else {"sbt_0": models[party].model},
        )
        for party, table in tables.items()
    }  # fmt: skip
    return Federation(tuple(tables), seed=0, deadline_seconds=20).outcomes(MODULE, params or {}, inputs)


@pytest.mark.parametrize(("params", "classes"), [(REGRESSION, 0), ({}, 3), ({"multi_mode": "multi_output"}, 3)])
def test_leaves_add_up_to_the_scores_of_the_trees(params: dict[str, Any], classes: int) -> None:
    features, number = some_rows(80, 5)
    features[np.random.default_rng(1).random(features.shape) < 0.1] = np.nan
    label = np.digitize(number, np.quantile(number, [0.3, 0.7])) if classes else number
    tables = split_tables(features, label, OWNED)
    learnt = learn({**params, "use_missing": True}, tables)
    results = transform(tables, learnt)
    table = results[GUEST].data
    forest = forest_of(learnt[GUEST].model)
    leaves = table.features
    places = [tuple(map(int, (name.split("_")[2], name.split("_")[4]))) for name in table.feature_names]
    for tree in range(len(forest.trees)):
        assert leaves[:, [place for place, (of, _) in enumerate(places) if of == tree]].sum(axis=1).tolist() == [1] * 80
    scores = np.tile(forest.start, (80, 1))
    for column, (tree, leaf) in zip(leaves.T, places, strict=True):
        weight = np.zeros((1, forest.dimensions))
        weight[0, forest.dimensions_of(tree)] = forest.trees[tree].weight[leaf]
        scores += forest.learning_rate * column[:, None] * weight
    found = learnt[GUEST].data.data.column("predict_score").to_numpy()
    if classes:
        chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assert np.allclose(found, chance.max(axis=1))
    else:
        assert np.allclose(found, scores[:, 0])
    assert table.label is not None
    assert table.label.tolist() == label.tolist()
    assert results[HOSTS[0]].data is tables[HOSTS[0]]


def test_a_transformer_applies_its_own_model() -> None:
    features, number = some_rows(60, 5)
    tables = split_tables(features, number, OWNED)
    first = transform(tables, learn(REGRESSION, tables), {"dense_format": False})
    for result in first.values():
        assert result.model.param.model_name == "HeteroSecureBoost"
        assert len(result.model.param.tree_param.trees_) == 2
    again = transform(tables, first, own=True)
    kinds = {field.type for field in first[GUEST].data.data.schema if field.name.startswith("sbt_tree_")}
    assert kinds == {pa.int8()}
    assert again[GUEST].data.data.equals(first[GUEST].data.data)


def test_other_models_and_rows_are_refused_at_all_parties() -> None:
    features, number = some_rows(40, 5)
    tables = split_tables(features, number, OWNED)
    learnt = learn(REGRESSION, tables)
    fewer = tables | {HOSTS[1]: tables[HOSTS[1]].take(np.arange(10))}
    outcomes = transform(fewer, learnt)
    assert isinstance(outcomes[HOSTS[1]], DataError)
    assert isinstance(outcomes[GUEST], FateFederatedError)
    without = Federation(tuple(tables), seed=0, deadline_seconds=20).outcomes(MODULE, {}, tables)
    assert all(isinstance(outcome, ModelError) for outcome in without.values())


DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": {
            "module": "DataTransform", "input": {"data": {"data": ["reader_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
        "intersection_0": {
            "module": "Intersection", "input": {"data": {"data": ["data_transform_0.data"]}},
            "output": {"data": ["data"]},
        },
        "sbt_0": {
            "module": "HeteroSecureBoost", "input": {"data": {"train_data": ["intersection_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
        "leaves_0": {
            "module": MODULE,
            "input": {"data": {"data": ["intersection_0.data"]}, "isometric_model": ["sbt_0.model"]},
            "output": {"data": ["data"], "model": ["model"]},
        },
    }
}  # fmt: skip


def conf(job: dict[str, Any]) -> dict[str, Any]:
    parts = {
        "common": {
            "reader_0": {"table": {"namespace": "t", "name": "rows"}},
            "sbt_0": OURS | {"task_type": "classification"},
        },
        "role": {"guest": {"0": {"data_transform_0": {"with_label": True}}}},
    }
    return {
        "dsl_version": 2, "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000]}, "job_parameters": {"common": job}, "component_parameters": parts,
    }  # fmt: skip


def test_a_prediction_job_transforms_as_the_training_did() -> None:
    features, number = some_rows(50, 4)
    ids = [f"u{row}" for row in range(50)]
    rows = {
        GUEST: make_table(ids, {"y": (number > 0).astype(int), "a": features[:, 0], "b": features[:, 1]}),
        HOSTS[0]: make_table(ids, {"c": features[:, 2], "d": features[:, 3]}),
    }
    tables = {party: {("t", "rows"): table} for party, table in rows.items()}
    dsl, train_conf = json.dumps(DSL), json.dumps(conf({}))
    trained = parse_job(dsl, train_conf)
    federation = Federation((GUEST, HOSTS[0]), seed=1)
    learnt = federation.run_pipeline(trained, tables)
    derived = predict_dsl(read_json(dsl), read_json(train_conf))
    predict_conf = read_json(json.dumps(conf({"job_type": "predict", "model_version": "1"})))
    pipeline = parse_documents(read_json(json.dumps(derived)), predict_conf, trained=trained)
    predicted = federation.run_pipeline(pipeline, tables, trained=trained_models(trained, learnt))
    first, again = (results["leaves_0"][GUEST].data for results in (learnt, predicted))
    assert first.feature_names == again.feature_names
    assert np.array_equal(first.features, again.features)
