"""Jobs that predict, dropped into the folder: what their files leave out comes from the training."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from dropped_jobs import Site, demo

from fate_federated.bundle import FateDagBundle
from fate_federated.settings import load_site
from fate_federated.trained_jobs import TrainedJobs
from fate_federated.wire.records import JobFiles

TRAINING = "202601010000000000000"


def predict_conf(dialect: int, **changes: Any) -> dict[str, Any]:
    """A conf that names a model and new tables, and nothing else."""
    _, conf = demo(dialect)
    job = {"job_type": "predict", "model_id": "m", "model_version": TRAINING}
    written = {key: conf[key] for key in ("initiator", "role")}
    if dialect == 1:
        tables = {
            role: {"args": {"data": {"eval_data": [{"namespace": "new", "name": role}]}}} for role in ("guest", "host")
        }
        return {**written, "job_parameters": job, "role_parameters": tables, **changes}
    table = {"table": {"namespace": "new", "name": "rows"}}
    parameters = {"common": {"reader_0": table}}
    return {
        **written, "dsl_version": 2, "job_parameters": {"common": job}, "component_parameters": parameters, **changes
    }  # fmt: skip


def train(site: Site, dialect: int, overrides: dict[str, Any] | None = None) -> None:
    dsl, conf = map(json.dumps, demo(dialect))
    files = JobFiles("credit", dsl, conf, json.dumps(overrides) if overrides else "")
    TrainedJobs(load_site(site.home).trained_jobs).keep(TRAINING, files)


def drop(site: Site, conf: dict[str, Any]) -> None:
    (site.dags / "scores_conf.json").write_text(json.dumps(conf, indent=1))


def parsed(bundle: FateDagBundle) -> BundleDagBag:
    bundle.refresh()
    return BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name="fate", safe_mode=True)


@pytest.fixture
def bundle(site: Site) -> FateDagBundle:
    bundle = FateDagBundle(name="fate", site=str(site.home))
    bundle.initialize()
    return bundle


@pytest.mark.parametrize(("dialect", "reader"), [(1, "reader_eval_data"), (2, "reader_0")])
def test_a_conf_alone_is_a_job_with_the_dsl_derived_from_the_training(
    site: Site, bundle: FateDagBundle, dialect: int, reader: str
) -> None:
    train(site, dialect)
    drop(site, predict_conf(dialect))
    bag = parsed(bundle)
    assert bag.import_errors == {}
    dag = bag.dags["scores.guest-9999"]
    assert reader in dag.task_ids
    lr = dag.get_task("hetero_lr_0")
    (model,) = (edge for edge in lr.node.inputs if edge.trained)
    assert model.source == "hetero_lr_0"
    assert lr.node.parameters[lr.party]["max_iter"] == 10, "as the training says"
    assert {edge.port for edge in lr.node.inputs} == {"eval_data" if dialect == 1 else "test_data", "model"}


def test_what_the_training_s_run_was_triggered_with_holds(site: Site, bundle: FateDagBundle) -> None:
    train(site, 2, {"component_parameters": {"common": {"hetero_lr_0": {"max_iter": 3}}}})
    drop(site, predict_conf(2))
    lr = parsed(bundle).dags["scores.guest-9999"].get_task("hetero_lr_0")
    assert lr.node.parameters[lr.party]["max_iter"] == 3


def test_a_version_1_training_serves_a_version_2_prediction(site: Site, bundle: FateDagBundle) -> None:
    train(site, 1)
    parameters = {"common": {"reader_train_data": {"table": {"namespace": "new", "name": "rows"}}}}
    drop(site, predict_conf(2, component_parameters=parameters))
    dag = parsed(bundle).dags["scores.guest-9999"]
    assert "hetero_lr_0" in dag.task_ids


def test_a_training_that_comes_later_mends_the_job(site: Site, bundle: FateDagBundle) -> None:
    drop(site, predict_conf(2))
    (error,) = parsed(bundle).import_errors.values()
    assert "scores_conf.json" in error
    assert "/job_parameters/common/model_version" in error
    assert f'this site has no job "{TRAINING}"' in error
    train(site, 2)
    bag = parsed(bundle)
    assert bag.import_errors == {}
    assert "scores.host-10000" in bag.dags


def test_a_conf_alone_that_does_not_predict_misses_its_dsl(site: Site, bundle: FateDagBundle) -> None:
    drop(site, demo(2)[1])
    (error,) = parsed(bundle).import_errors.values()
    assert "there is no scores_dsl.json beside it" in error


def test_a_mistake_in_the_conf_is_located_there(site: Site, bundle: FateDagBundle) -> None:
    train(site, 2)
    conf = predict_conf(2)
    conf["component_parameters"]["common"]["hetero_lr_0"] = {"max_itr": 3}
    drop(site, conf)
    (error,) = parsed(bundle).import_errors.values()
    assert "/component_parameters/common/hetero_lr_0/max_itr" in error
    assert "Did you mean 'max_iter'?" in error


@pytest.mark.parametrize("version", ["../x", "", 5, "9" * 60])
def test_a_model_version_that_is_no_job_is_an_error(site: Site, bundle: FateDagBundle, version: object) -> None:
    train(site, 2)
    conf = predict_conf(2)
    conf["job_parameters"]["common"]["model_version"] = version
    drop(site, conf)
    (error,) = parsed(bundle).import_errors.values()
    assert "model_version is left open" in error or "this site has no job" in error
