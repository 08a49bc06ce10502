"""A model's history over three organisations: train, tag, train on a branch, compare, deploy, predict, roll back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pygit2
import pytest
from dvc.repo import Repo
from organisations import GUEST, HOST, ThreeSites, wait_for
from typer.testing import CliRunner

from fate_federated.cli.main import app
from fate_federated.party import Party
from fate_federated.registry.repository import ModelRepository
from fate_federated.status import JobStatus
from fate_federated.wire.model_records import ModelVersion

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

JOB, SCORES = "history", "history_scores"

ON_PRODUCT = """\
from airflow.sdk import DAG, task

from fate_federated.model_operators import branch_asset

with DAG("on_product", schedule=[branch_asset("history", "product")], is_paused_upon_creation=False):

    @task
    def tell(triggering_asset_events=None):
        return [event.extra["model_version"] for events in triggering_asset_events.values() for event in events]

    tell()
"""


def fate(three: ThreeSites, party: Party, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["model", *arguments, "--site", str(three[party].settings.home)])
    assert done.exit_code == 0, done.output
    return done.output


def run(three: ThreeSites, job: str, run_id: str, conf: Mapping[str, Any]) -> str:
    """A run to its end at all parties; the job's id."""
    done = three[GUEST].airflow("dags", "trigger", f"{job}.{GUEST}", "--run-id", run_id, "--conf", json.dumps(conf))
    assert done.returncode == 0, done.stdout + done.stderr
    job_id = three.job_id(run_id)
    with three[GUEST].gateway() as gateway:
        ended = wait_for("the job ends", lambda: (found := gateway.get_job(job_id)).status.ended and found, 240)
    assert ended.status is JobStatus.SUCCESS, ended.detail
    for party in three.sites:
        wait_for(f"the run ends at {party}", lambda party=party: _succeeded(three, job, run_id, party), 90)
    return job_id


def _succeeded(three: ThreeSites, job: str, run_id: str, party: Party) -> bool:
    with three[party].airflow_api() as api:
        return api.run_state(f"{job}.{party}", run_id) == "success"


def train(three: ThreeSites, run_id: str, alpha: float, **said: str) -> ModelVersion:
    overrides = {"component_parameters": {"common": {"hetero_lr_0": {"max_iter": 2, "alpha": alpha}}}, **said}
    job_id = run(three, JOB, run_id, overrides)
    with three[GUEST].gateway() as gateway:
        version, _ = gateway.models.of_job(job_id, 60)
    assert version is not None
    return version


def scores(three: ThreeSites, run_id: str, version: str) -> list[float]:
    job_id = run(three, SCORES, run_id, {"model_version": version})
    table = three.output(job_id, "hetero_lr_0", GUEST)
    values: list[float] = table.data["predict_score"].to_pylist()
    return values


def runs_of_product(three: ThreeSites) -> list[dict[str, Any]]:
    """Runs of the DAG at the host that wants to hear of the branch."""
    with three[HOST].airflow_api() as api:
        found = api.find("dags/on_product/dagRuns")
    return [] if found is None else [each for each in found["dag_runs"] if each["run_type"] == "asset_triggered"]


def see_everywhere(three: ThreeSites, refs: Mapping[tuple[str, str], ModelVersion]) -> None:
    """Branches and tags in registry, git and DVC at every party."""
    for party, site in three.sites.items():
        with site.gateway() as gateway:
            model, versions = gateway.models.versions(JOB)
            assert gateway.models.operations(only_open=True) == ()
        assert {(ref.kind, ref.name): ref.version for ref in model.refs} == {
            key: version.version for key, version in refs.items()
        }
        here = {version.version: version for version in versions}
        repository = ModelRepository(site.settings.model_repository)
        assert repository.refs(f"models/{JOB}") == {key: here[said.version].commit for key, said in refs.items()}
        for said in refs.values():
            assert here[said.version].parts == said.parts
            kept = repository.folder_of(here[said.version].commit)
            assert all(repository.objects.is_intact(file) for file in kept.files.values())
            assert repository.objects.missing_in_remote([kept.md5, *(file.md5 for file in kept.files.values())]) == []
            message = pygit2.Repository(str(site.settings.model_repository))[here[said.version].commit].message
            assert f"Version: {said.version}" in message, party


def test_the_first_models_scores_come_back_bit_for_bit(three: ThreeSites, tmp_path: Path) -> None:
    own = three[HOST].settings.path(three[HOST].settings.airflow.dags_folder) / "on_product.py"
    own.write_text(ON_PRODUCT)
    three.drop(JOB)
    first = train(three, "first", alpha=0.01)
    fate(three, GUEST, "tag", JOB, "v1", "-m", "the first")
    second = train(three, "second", alpha=5.0, model_branch="trial", model_message="A stronger penalty")
    see_everywhere(three, {("branch", "experiment"): first, ("tag", "v1"): first, ("branch", "trial"): second})

    compared = json.loads(fate(three, GUEST, "diff", f"{JOB}@v1", f"{JOB}@trial", "--json"))
    changed = {line["path"] for line in compared}
    assert "guest-9999/hetero_lr_0/alpha" in changed
    assert any(path.startswith("guest-9999/hetero_lr_0/param/weight/") for path in changed), changed
    assert any(path.endswith("/auc") for path in changed), changed
    with Repo(str(three[GUEST].settings.model_repository)) as repo:
        measured = repo.metrics.diff(f"models/{JOB}/v1", f"models/{JOB}/trial")["diff"]
        assert "metrics.json" in measured
        files = repo.diff(f"models/{JOB}/v1", f"models/{JOB}/trial")["modified"]
        assert any(entry["path"].endswith("HeteroLogisticRegressionParam") for entry in files)

    fate(three, HOST, "deploy", f"{JOB}@trial", "--branch", "product", "-m", "for the branch offices")
    with three[HOST].gateway() as gateway:
        deployed = gateway.models.version(f"{JOB}@product")
    assert deployed.about.source == second.version

    wait_for("the host's own DAG runs for the branch", lambda: runs_of_product(three), 60)

    three.drop_prediction(SCORES, f"{JOB}@product")
    by_tag = scores(three, "by-tag", f"{JOB}@v1")
    deployed_scores = scores(three, "deployed", f"{JOB}@product")
    assert by_tag != deployed_scores

    fate(three, GUEST, "rollback", JOB, "--branch", "product", "--to", "v1", "-m", "the penalty was too strong")
    with three[GUEST].gateway() as gateway:
        restored = gateway.models.version(f"{JOB}@product")
    assert (restored.about.parent, restored.about.source) == (deployed.version, first.version)
    assert scores(three, "rolled-back", f"{JOB}@product") == by_tag, "bit for bit"
    see_everywhere(
        three,
        {
            ("branch", "experiment"): first,
            ("branch", "product"): restored,
            ("branch", "trial"): second,
            ("tag", "v1"): first,
        },
    )
    assert "all is as it should be" in fate(three, GUEST, "check", JOB)
    drawing = fate(three, HOST, "log", f"{JOB}@product")
    assert re.findall(r"\d{20,}", drawing)[0] == restored.version
    _pull_a_clone(three, tmp_path / "clone", restored)


def _pull_a_clone(three: ThreeSites, clone: Path, version: ModelVersion) -> None:
    """What a person does who wants the files: git clone, dvc pull."""
    settings = three[HOST].settings
    pygit2.clone_repository(str(settings.model_repository), str(clone), checkout_branch=f"models/{JOB}/product")
    with Repo(str(clone)) as repo, repo.config.edit("local", validate=False) as config:
        config["core"]["remote"] = "store"
        config["remote"]["store"] = {"url": settings.model_remote}
    with Repo(str(clone)) as repo:
        repo.pull()
    param = clone / "model" / str(HOST) / "variables/data/hetero_lr_0/model/HeteroLogisticRegressionParam"
    assert param.stat().st_size > 0
