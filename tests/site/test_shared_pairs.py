"""FATE's example jobs on a real Airflow: they do there what they do in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.examples.shared_jobs import (
    ExampleTables,
    document,
    examples,
    needs_shared,
    run_as_it_is,
    tables_read,
)

from fate_federated.catalog.discovery import component_names
from fate_federated.dsl.parse import parse_documents
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.party import Party
from fate_federated.site.airflow_api import AirflowApi
from fate_federated.site.site import Site
from fate_federated.site.submit import Submission, drop_job, job_of_run, start_job
from fate_federated.site.upload import upload_table
from fate_federated.site.upload_conf import UploadPlan
from fate_federated.wire.records import Job

pytestmark = [pytest.mark.airflow, needs_shared, pytest.mark.timeout(600)]

V1 = "v1.4.6/examples/federatedml-1.x-examples"
V2 = "v1.11.4/examples/dsl/v2"
TEMPLATE = "v1.11.4/examples/experiment_template/dsl/v2"

PARTY_IDS = {"guest": 9999, "host": 10000, "arbiter": 10000}
"""At the site. FATE's jobs have other numbers here and there."""

ENDED_SECONDS = 240.0
"""Within which a run has ended, on a machine that is busy with something else."""


@dataclass(frozen=True)
class Pair:
    """One job.

    Attributes:
        conf: its path among the examples, without its ending.
        changes: by component, what is written over its parameters, so that the job takes less time, or comes to the
            same twice.
    """

    conf: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.conf.rsplit("/", 1)[1]


PAIRS = (
    Pair(f"{V2}/data_statistics/data_statistics_all_columns"),
    Pair(f"{V2}/hetero_feature_binning/hetero_binning_optim_gini"),
    Pair(
        f"{V1}/hetero_feature_binning/test_sparse_optimal_binning_ks_job",
        {"hetero_feature_binning_0": {"encrypt_param": {"key_length": 1024}}},
    ),
    Pair(f"{V2}/feature_imputation/feature_imputation_method_job"),
    Pair(f"{V2}/psi/psi_cpn"),
    Pair(f"{TEMPLATE}/union/test_union_data_transform_job"),
    Pair(f"{V2}/hetero_feature_selection/hetero_feature_selection_iv_selection"),
    Pair(f"{V2}/hetero_logistic_regression/hetero_lr_normal", {"hetero_lr_0": {"shuffle": False}}),
    Pair(f"{V2}/hetero_logistic_regression/hetero_lr_cv"),
    Pair(f"{V2}/hetero_linear_regression/test_hetero_linr_validate_job"),
    Pair(f"{V2}/hetero_poisson_regression/test_hetero_poisson_validate_job", {"hetero_poisson_0": {"max_iter": 1}}),
    Pair(f"{V2}/hetero_secureboost/test_secureboost_train_binary"),
    Pair(f"{V2}/hetero_secureboost/test_secureboost_train_layered_mode_binary"),
    Pair(f"{V2}/hetero_secureboost/test_secureboost_train_regression"),
    Pair(f"{V2}/hetero_sshe_lr/hetero_lr_compute_loss", {"hetero_sshe_lr_0": {"max_iter": 2}}),
    Pair(f"{V2}/homo_logistic_regression/homo_lr_train"),
)


@dataclass(frozen=True)
class Run:
    """A job that was triggered."""

    pipeline: Pipeline
    submission: Submission
    run_id: str


def missing(pair: Pair) -> frozenset[str]:
    """Modules of a job that are not installed."""
    return examples()[pair.conf].modules - component_names()


def files(pair: Pair, folder: Path) -> tuple[Path, Path]:
    """The job's dsl and conf, at the site's parties, written into a folder."""
    example = examples()[pair.conf]
    dsl, conf = document(example.dsl).value, document(example.conf).value
    initiator = {"role": conf["initiator"]["role"], "party_id": PARTY_IDS[conf["initiator"]["role"]]}
    conf = {**conf, "initiator": initiator, "role": {role: [PARTY_IDS[role]] for role in conf["role"]}}
    common = conf["component_parameters"]["common"] if conf.get("dsl_version") == 2 else conf["algorithm_parameters"]
    for component, over in pair.changes.items():
        common[component] = {**common.get(component, {}), **over}
    paths = folder / f"{pair.name}_dsl.json", folder / f"{pair.name}_conf.json"
    for path, content in zip(paths, (dsl, conf), strict=True):
        path.write_text(json.dumps(content))
    return paths


@pytest.fixture(scope="module")
def api(running_site: Site) -> Iterator[AirflowApi]:
    with running_site.airflow_api() as api:
        yield api


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ExampleTables:
    return ExampleTables(tmp_path_factory.mktemp("uploaded"))


class Runs:
    """Starts jobs on the site, each when the one before it is waited for: one is under way while another is looked at.

    More at once are no quicker on two cores, and Airflow's API server and SQLite wait for one another then.
    """

    def __init__(self, site: Site, api: AirflowApi, tables: ExampleTables, pairs: list[Pair], folder: Path) -> None:
        self._site, self._api, self._tables, self._folder = site, api, tables, folder
        self._uploaded: set[tuple[str, str]] = set()
        self._dropped = {pair.conf: self._drop(pair) for pair in pairs}
        self._started: dict[str, Run] = {}

    def started(self, pair: Pair) -> Run:
        """The job, under way; the next one is, too."""
        order = list(self._dropped)
        place = order.index(pair.conf)
        for conf in order[place : place + 2]:
            if conf not in self._started:
                pipeline, submission = self._dropped[conf]
                self._started[conf] = Run(pipeline, submission, start_job(self._api, submission))
        return self._started[pair.conf]

    def _drop(self, pair: Pair) -> tuple[Pipeline, Submission]:
        dsl, conf = files(pair, self._folder)
        pipeline = parse_documents(document(dsl), document(conf))
        for _, (namespace, name) in tables_read(pipeline):
            if (namespace, name) not in self._uploaded:
                path, form = self._tables.source(name)
                upload_table(self._site, UploadPlan(path, namespace, name, form))
                self._uploaded.add((namespace, name))
        return pipeline, drop_job(self._site.settings, dsl, conf)


@pytest.fixture(scope="module")
def runs(
    running_site: Site, api: AirflowApi, tables: ExampleTables, tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Runs:  # fmt: skip
    asked = [item.callspec.params.get("pair") for item in request.session.items if hasattr(item, "callspec")]
    pairs = [pair for pair in PAIRS if pair in asked and not missing(pair)]
    return Runs(running_site, api, tables, pairs, tmp_path_factory.mktemp("pairs"))


def values_of(summary: Any, path: str = "") -> dict[str, Any]:
    """What stands in a JSON value, by its path."""
    if not isinstance(summary, Mapping | list):
        return {path.removeprefix("."): summary}
    parts = summary.items() if isinstance(summary, Mapping) else enumerate(summary)
    return {key: value for name, part in parts for key, value in values_of(part, f"{path}.{name}").items()}


def differences(told: Any, expected: Any) -> dict[str, tuple[Any, Any]]:
    """Where two summaries differ by more than the encryption rounds."""
    left, right = values_of(told), values_of(expected)
    pairs = {path: (left.get(path), right.get(path)) for path in left | right}
    return {
        path: (one, other)
        for path, (one, other) in pairs.items()
        if one != (pytest.approx(other, rel=1e-4, abs=1e-6, nan_ok=True) if isinstance(other, float) else other)
    }


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_pair_does_on_airflow_what_it_does_in_one_process(
    pair: Pair, running_site: Site, api: AirflowApi, runs: Runs, tables: ExampleTables
) -> None:
    if absent := missing(pair):
        pytest.skip(f"{', '.join(sorted(absent))} cannot be run here")
    run = runs.started(pair)
    expected = run_as_it_is(run.pipeline, tables)
    for party in run.pipeline.parties:
        state = api.wait_for_run(f"{run.submission.name}.{party}", run.run_id, ENDED_SECONDS)
        assert state == "success", job_of(running_site, run).detail
    found = summaries(running_site, run)
    for component, results in expected.items():
        for party, result in results.items():
            told = found.get((component, party), {})
            assert differences(told, result.summary) == {}, f"{component} at {party}"


def job_of(site: Site, run: Run) -> Job:
    with site.gateway() as gateway:
        job = job_of_run(gateway.list_jobs(limit=100), run.submission, run.run_id)
    assert job is not None
    return job


def summaries(site: Site, run: Run) -> dict[tuple[str, Party], Mapping[str, Any]]:
    """What the components of a run summed up at each party."""
    job_id = job_of(site, run).job_id
    with site.gateway() as gateway:
        return {
            (task.task.component, party): task.summary
            for party in run.pipeline.parties
            for task in gateway.get_metrics(job_id, "", party)
            if task.summary is not None
        }
