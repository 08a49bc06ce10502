"""FATE's example jobs run: every one whose components are all installed, on FATE's data, in one process.

Of the jobs with the same modules one runs, of the newest release that has one, unless another has all of these modules
and more; ``pytest tests/examples --all-examples`` runs all. Keys are smaller and rounds fewer than the confs say, see
:mod:`shared_jobs`.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from tests.examples.shared_jobs import (
    ExampleTables,
    NoSuchData,
    by_role,
    document,
    examples,
    needs_shared,
    run_cheaply,
    run_example,
)

from fate_federated.catalog.discovery import component_names
from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents, predict_dsl
from fate_federated.dsl.pipeline import EdgeKind, Mode, Node
from fate_federated.federation import trained_models
from fate_federated.party import Role

pytestmark = needs_shared

V1 = "v1.4.6/examples/federatedml-1.x-examples"
V2 = "v1.11.4/examples/dsl/v2"
HOMO_LR = "v1.11.4/examples/flow_test_template/homo_lr"

TEMPLATE = "v1.11.4/examples/experiment_template/dsl/v2"
COLUMN_EXPAND = f"{TEMPLATE}/column_expand/test_column_expand"
POISSON = f"{V2}/hetero_poisson_regression/test_hetero_poisson"
SSHE_LR = f"{V2}/hetero_sshe_lr/hetero_lr"
SSHE_LIN_R = f"{V2}/hetero_sshe_linr/hetero_linr"
CACHE_LOADER = f"{V2}/intersect/test_intersect_job_rsa_cache_loader"

ONE_COLUMN = "leaves a host of these data one column, which HeteroLR refuses: its selection has a test of its own"

OTHERWISE = {
    CACHE_LOADER: "loads what an earlier job kept: a test of its own",
    f"{V2}/local_baseline/test_local_baseline_predict_job": "predicts: a test of its own",
    f"{HOMO_LR}/homo-lr-normal-predict-conf": "predicts: a test of its own",
    f"{V2}/homo_secureboost/test_predict": "names a table for a reader that its dsl does not have",
    f"{POISSON}_predict_job": "predicts: a test of its own",
    f"{COLUMN_EXPAND}_predict_job": "predicts: a test of its own",
    f"{SSHE_LR}_normal_predict": "predicts: a test of its own",
    f"{SSHE_LIN_R}_predict": "predicts: a test of its own",
    f"{SSHE_LIN_R}_sample_weight": "weights rows by the first column, which FATE does not find, and which is below 0",
    f"{TEMPLATE}/hetero_lr/test_hetero_lr_train_manually_job": ONE_COLUMN,
    f"{TEMPLATE}/hetero_lr/test_hetero_lr_train_sample_job": ONE_COLUMN,
    f"{TEMPLATE}/hetero_lr/test_hetero_lr_train_verify_job": ONE_COLUMN,
    f"{V2}/hetero_secureboost/test_secureboost_train_layered_mode_multi": "scores four classes as if they were two",
}
"""Jobs that compile and do not run by themselves, or not on these data."""

SLOW = frozenset({f"{V1}/hetero_stepwise/test_hetero_stepwise_poisson"})
"""Jobs of a minute or so: only with --all-examples."""

TRAINING = {
    f"{POISSON}_predict_job": f"{POISSON}_validate_job",
    f"{V2}/local_baseline/test_local_baseline_predict_job": f"{V2}/local_baseline/test_local_baseline_job",
    f"{COLUMN_EXPAND}_predict_job": f"{COLUMN_EXPAND}_train_job",
    f"{V1}/hetero_linear_regression/test_predict":
        f"{V1}/hetero_linear_regression/test_hetero_linr_train_sparse_job",
    f"{V1}/hetero_logistic_regression/test_predict":
        f"{V1}/hetero_logistic_regression/test_hetero_lr_none_penalty_train_job",
    "v1.4.6/examples/test/demo/predict": "v1.4.6/examples/test/demo/train_job",
    f"{V1}/homo_logistic_regression/test_predict": f"{V1}/homo_logistic_regression/test_homolr_train_job",
    f"{HOMO_LR}/homo-lr-normal-predict-conf": f"{HOMO_LR}/homo_lr_train",
    f"{SSHE_LR}_normal_predict": f"{SSHE_LR}_compute_loss",
    f"{SSHE_LIN_R}_predict": f"{SSHE_LIN_R}_validate",
    f"{V1}/homo_secureboost/test_predict": f"{V1}/homo_secureboost/test_secureboost_train_binary",
}  # fmt: skip
"""A job that trains, by the job that predicts with its model."""

PREDICTORS = frozenset(
    {"HeteroLR", "HeteroLinR", "HeteroPoisson", "HomoLR", "HeteroSSHELR", "HeteroSSHELinR", "HomoSecureboost"}
)


def shortened(name: str) -> str:
    return re.sub(r"/(\w+-)*(1\.x-)?examples|/dsl/v2", "", name)


def runnable() -> list[str]:
    return [
        name
        for name, example in examples().items()
        if example.dsl and name not in OTHERWISE and example.modules <= component_names() and example.compiles()
    ]


def one_of_each_kind() -> list[str]:
    by_modules = {examples()[name].modules: name for name in runnable() if name not in SLOW}
    return sorted(name for modules, name in by_modules.items() if not any(modules < others for others in by_modules))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-examples")
        metafunc.parametrize("name", runnable() if every else one_of_each_kind(), ids=shortened)


def test_an_example_runs(name: str, tables: ExampleTables) -> None:
    try:
        results = run_example(name, tables)
    except NoSuchData as missing:
        pytest.skip(f"FATE's data do not have {missing}")
    assert results.keys() == {node.name for node in examples()[name].pipeline().nodes}


@pytest.mark.parametrize("prediction", TRAINING, ids=shortened)
def test_an_example_predicts_with_the_model_of_another(prediction: str, tables: ExampleTables) -> None:
    example, training = examples()[prediction], examples()[TRAINING[prediction]]
    conf = document(example.conf)
    # Some of FATE's predictions name other parties than the training: here it is theirs.
    trains = read_json(
        json.dumps({**document(training.conf).value, "role": conf.value["role"], "initiator": conf.value["initiator"]}),
        str(training.conf),
    )
    trained = parse_documents(document(training.dsl), trains)
    results = run_cheaply(trained, tables)
    dsl = (
        document(example.dsl)
        if example.dsl
        else read_json(json.dumps(predict_dsl(document(training.dsl), trains)), "derived")
    )
    pipeline = parse_documents(dsl, conf, trained=trained)
    assert pipeline.mode is Mode.PREDICT
    predicted = run_cheaply(pipeline, tables, trained=trained_models(trained, results))
    model = next(node.name for node in pipeline.nodes if node.module in PREDICTORS)
    rows = by_role(predicted)[model][Role.GUEST].data
    assert set(rows.data.column("type").to_pylist()) == {"predict"}


def test_an_example_intersects_with_what_another_kept(tables: ExampleTables) -> None:
    pipeline = examples()[CACHE_LOADER].pipeline()

    def keeping(node: Node) -> Node:
        given = {party: {**values, "run_cache": True} for party, values in node.parameters.items()}
        if node.module != "Intersection":
            return node
        inputs = tuple(edge for edge in node.inputs if edge.kind is not EdgeKind.CACHE)
        return replace(node, parameters=given, inputs=inputs, cache_outputs=("cache",))

    def naming(node: Node) -> Node:
        given = {party: {**values, "job_id": "earlier"} for party, values in node.parameters.items()}
        return replace(node, parameters=given) if node.module == "CacheLoader" else node

    without = tuple(keeping(node) for node in pipeline.nodes if node.module != "CacheLoader")
    kept = run_cheaply(replace(pipeline, nodes=without), tables)["intersect_0"]
    caches = {party: {("earlier", "intersect_0", "cache"): result.outputs.cache} for party, result in kept.items()}
    named = tuple(naming(node) for node in pipeline.nodes)
    results = run_cheaply(replace(pipeline, nodes=named), tables, caches=caches)
    assert len(by_role(results)["intersect_0"][Role.GUEST].data) == 569
