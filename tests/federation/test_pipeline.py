from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Edge, EdgeKind, Node, Pipeline
from fate_federated.errors import DslError, ModelError, TableNotFound
from fate_federated.federation import Federation, MemoryStore, MemoryTables, make_table
from fate_federated.party import Party
from fate_federated.task.run import gather_inputs, spec_of
from fate_federated.task.table import Table

GUEST, HOST, ARBITER = (Party.parse(text) for text in ("guest-9999", "host-10000", "arbiter-10000"))

DSL = {
    "components": {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "reader_1": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": {
            "module": "DataTransform",
            "input": {"data": {"data": ["reader_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
        "data_transform_1": {
            "module": "DataTransform",
            "input": {"data": {"data": ["reader_1.data"]}, "model": ["data_transform_0.model"]},
            "output": {"data": ["data"]},
        },
        "intersection_0": {
            "module": "Intersection",
            "input": {"data": {"data": ["data_transform_0.data"]}},
            "output": {"data": ["data"]},
        },
        "feature_scale_0": {
            "module": "FeatureScale",
            "input": {"data": {"data": ["intersection_0.data"]}},
            "output": {"data": ["data"], "model": ["model"]},
        },
        "feature_scale_1": {
            "module": "FeatureScale",
            "input": {"data": {"data": ["data_transform_1.data"]}, "model": ["feature_scale_0.model"]},
            "output": {"data": ["data"]},
        },
        "evaluation_0": {"module": "Evaluation", "input": {"data": {"data": ["reader_1.data"]}}},
    }
}


def conf(**guest: Any) -> dict[str, Any]:
    def reader(name: str) -> dict[str, Any]:
        return {"table": {"namespace": "test", "name": name}}

    readers = {"reader_0": reader("train"), "reader_1": reader("new")}
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000], "arbiter": [10000]},
        "component_parameters": {
            "common": readers,
            "role": {"guest": {"0": {"data_transform_0": {"with_label": True}, **guest}}},
        },
    }


def compile_job(dsl: dict[str, Any], conf: dict[str, Any]) -> Pipeline:
    return parse_job(json.dumps(dsl), json.dumps(conf))


@pytest.fixture
def tables() -> dict[Party, dict[tuple[str, str], Table]]:
    rng = np.random.default_rng(5)
    ids = [f"person-{number}" for number in range(60)]
    label = rng.integers(0, 2, 60)
    train = make_table(ids[:50], {"a": rng.normal(size=50), "y": label[:50]})
    new = make_table(
        ids[50:],
        {"a": rng.normal(size=10), "predict_score": rng.random(10)},
        label=[0, 1] * 5,
    )
    host = make_table(ids[10:50], {"b": rng.normal(size=40)})
    return {
        GUEST: {("test", "train"): train, ("test", "new"): new},
        HOST: {("test", "train"): host, ("test", "new"): make_table(ids[50:], {"b": rng.normal(size=10)})},
    }


def test_a_pipeline_runs_at_every_party(tables: dict[Party, dict[tuple[str, str], Table]]) -> None:
    results = Federation([GUEST, HOST, ARBITER]).run_pipeline(compile_job(DSL, conf()), tables)
    scaled = {party: results["feature_scale_0"][party].data for party in (GUEST, HOST)}
    assert len(scaled[GUEST]) == 40
    assert scaled[GUEST].ids.equals(scaled[HOST].ids)
    common = results["intersection_0"][HOST].data.features
    np.testing.assert_allclose(scaled[HOST].features, StandardScaler().fit_transform(common), atol=1e-9)
    assert scaled[GUEST].label_column == "y"
    assert ARBITER not in results["intersection_0"]


def test_models_reach_the_components_that_apply_them(tables: dict[Party, dict[tuple[str, str], Table]]) -> None:
    results = Federation([GUEST, HOST, ARBITER]).run_pipeline(compile_job(DSL, conf()), tables)
    common = results["intersection_0"][HOST].data.features
    new = tables[HOST]["test", "new"].features
    expected = StandardScaler().fit(common).transform(np.clip(new, common.min(), common.max()))
    np.testing.assert_allclose(results["feature_scale_1"][HOST].data.features, expected, atol=1e-9)


def test_metrics_carry_the_name_of_the_component_that_predicted(
    tables: dict[Party, dict[tuple[str, str], Table]],
) -> None:
    results = Federation([GUEST, HOST, ARBITER]).run_pipeline(compile_job(DSL, conf()), tables)
    new = tables[GUEST]["test", "new"]
    auc = roc_auc_score(new.label, new.data["predict_score"].to_numpy())
    assert results["evaluation_0"][GUEST].summary["reader_1"]["train"]["auc"] == pytest.approx(auc)


def test_a_failure_names_component_and_party(tables: dict[Party, dict[tuple[str, str], Table]]) -> None:
    del tables[HOST]["test", "train"]
    with pytest.raises(TableNotFound) as caught:
        Federation([GUEST, HOST, ARBITER]).run_pipeline(compile_job(DSL, conf()), tables)
    assert caught.value.__notes__ == ["reader_0 at host-10000"]


# What a task is given


def node(*inputs: Edge) -> Node:
    return Node("scale_1", "FeatureScale", inputs, ("data",), (), {}, (GUEST, HOST))


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(MemoryTables({}))
    for name in ("a", "b"):
        store.save_table(name, "data", Table(pa.table({"id": [name]}), "id"))
    return store


def test_tables_come_in_the_order_of_the_dsl_with_their_sources(store: MemoryStore) -> None:
    edges = [Edge(EdgeKind.DATA, "data", source, "data") for source in ("b", "missing", "a")]
    inputs = gather_inputs(node(*edges), GUEST, store)
    assert [table.ids.to_pylist() for table in inputs.data["data"]] == [["b"], ["a"]]
    assert inputs.sources["data"] == ["b", "a"]
    assert inputs.first("train_data", "data") is inputs.data["data"][0]


def test_a_missing_model_is_an_error_but_at_the_arbiter(store: MemoryStore) -> None:
    edge = Edge(EdgeKind.MODEL, "model", "scale_0", "model")
    with pytest.raises(ModelError, match="scale_1 needs the model 'model' of scale_0, which left none at host-10000"):
        gather_inputs(node(edge), HOST, store)
    assert gather_inputs(node(edge), ARBITER, store).model is None


def test_models_of_other_components_are_given_by_name(store: MemoryStore) -> None:
    model = Federation([GUEST]).run(
        "FeatureScale", inputs={GUEST: make_table(["a"], {"x": [1.0]})}
    )[GUEST].model  # fmt: skip
    assert model is not None
    store.save_model("binning_0", "model", model)
    edge = Edge(EdgeKind.ISOMETRIC_MODEL, "isometric_model", "binning_0", "model")
    inputs = gather_inputs(node(edge), GUEST, store)
    assert inputs.isometric == {"binning_0": model}
    assert inputs.model is None


def test_an_unknown_module_is_named_with_what_was_meant() -> None:
    with pytest.raises(DslError, match="no component is named 'Intersect'"):
        spec_of("Intersect")
