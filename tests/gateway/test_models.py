"""Models: one history at every party."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pygit2
import pytest
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation, eventually, on_both_databases
from tests.gateway.model_federation import (
    LR,
    ask,
    committed,
    finish,
    history,
    model,
    run_training,
    train,
    training_conf,
)

from fate_federated.cli.model_view import progress_line
from fate_federated.dsl.document import read_json
from fate_federated.errors import JobError, ModelNotFound, RegistryError
from fate_federated.gateway import model_coordinator
from fate_federated.pb.model.linear_model_pb2 import LRModelParam
from fate_federated.registry.repository import ModelRepository
from fate_federated.status import JobStatus
from fate_federated.task_store import GatewayOutputStore
from fate_federated.trained_jobs import TrainedJobs
from fate_federated.wire.model_records import Action, ModelComponent, ModelRequest, OperationState, VersionKind
from fate_federated.wire.records import JobFiles


def test_a_training_becomes_a_version_at_every_party(federation: Federation) -> None:
    version = train(federation, 0.5)
    assert version.about.kind is VersionKind.TRAINED
    assert version.version == version.about.job_id
    assert {part.party for part in version.parts} == set(ALL)
    assert version.metrics == {LR: {"train": {LR: {"auc": 0.9}}}}
    assert [table["table"] for table in version.data] == ["experiment.breast"]
    histories = [history(federation, party) for party in ALL]
    assert histories[0] == histories[1] == histories[2]
    found = federation[HOST].client().models.version("credit@experiment")
    assert found.metrics == {}, "what the guest measured stays there"
    about, data = federation[HOST].client().models.read(version.version, HOST, LR, "model", "Param")
    assert (about.module, about.message) == ("HeteroLR", "LRModelParam")
    assert LRModelParam.FromString(data) == model(-0.5).param


def test_tag_train_on_a_branch_compare_deploy_and_roll_back(federation: Federation) -> None:
    first = train(federation, 0.5, auc=0.9)
    assert ask(federation, Action.TAG, name="v1").state is OperationState.DONE
    second = train(federation, 0.75, auc=0.8, model_branch="trial", model_message="A larger weight")
    assert (second.about.parent, second.message) == ("", "A larger weight")
    guest = federation[GUEST].client().models
    _, _, lines = guest.diff("credit@v1", "credit@trial")
    found = {(line.part, line.path): (line.old, line.new) for line in lines}
    assert found["metrics", f"{LR}/train/{LR}/auc"] == ("0.9", "0.8")
    assert found["models", f"guest-9999/{LR}/param/weight/x0"] == ("0.5", "0.75")

    deployed = ask(federation, Action.DEPLOY, HOST, ref="trial", branch="release", components=("reader_0", LR))
    assert deployed.state is OperationState.DONE
    assert deployed.change.version is not None
    assert deployed.change.version.source == second.version
    assert ask(federation, Action.BRANCH, name="release", ref="v1", by=ARBITER).state is OperationState.DONE
    assert ask(federation, Action.BRANCH, name="trial", ref="v1").state is OperationState.DONE
    third = train(federation, 0.8, model_branch="trial")
    assert third.about.parent == first.version
    back = ask(federation, Action.ROLLBACK, branch="trial", message="0.8 was worse")
    assert back.state is OperationState.DONE
    restored = guest.version("credit@trial")
    assert (restored.about.kind, restored.about.source) == (VersionKind.RESTORED, first.version)
    assert restored.parts == first.parts, "bit for bit"
    assert [version.version for version in guest.versions("credit", "trial")[1]] == [
        restored.version,
        third.version,
        first.version,
    ]
    _all_the_same(federation)
    for party, weight in ((GUEST, 0.5), (HOST, -0.5)):
        store = GatewayOutputStore(federation[party].client(), "0", 1, party, "file:///nowhere", restored.version)
        assert store.load_trained(LR, "model") == model(weight)


def _all_the_same(federation: Federation) -> None:
    """Registry, git and DVC at every party."""
    histories = [history(federation, party) for party in ALL]
    assert histories[0] == histories[1] == histories[2]
    graphs = []
    for party in ALL:
        root = federation[party].settings.model_repository
        found, versions = federation[party].client().models.versions("credit")
        commits = {version.version: version.commit for version in versions}
        repository = ModelRepository(root)
        refs = {(ref.kind.value, ref.name): commits[ref.version] for ref in found.refs}
        assert repository.refs("models/credit") == refs
        by_commit = {commit: version for version, commit in commits.items()}
        git = pygit2.Repository(str(root))
        walked = {}
        for version, commit in commits.items():
            walked[version] = [by_commit[str(parent)] for parent in git[commit].parent_ids]
            assert all(repository.objects.is_intact(file) for file in repository.folder_of(commit).files.values())
        graphs.append(walked)
    assert graphs[0] == graphs[1] == graphs[2]


def test_a_prediction_uses_what_a_tag_means_when_it_starts(federation: Federation) -> None:
    first = train(federation, 0.5)
    ask(federation, Action.TAG, name="v1")
    train(federation, 0.75)
    site = federation[GUEST]
    written = json.loads(training_conf())
    conf = {key: written[key] for key in ("dsl_version", "initiator", "role", "component_parameters")}
    conf["job_parameters"] = {"common": {"job_type": "predict", "model_version": "credit@v1"}}
    completed = TrainedJobs(site.settings.trained_jobs).complete(None, read_json(json.dumps(conf), "conf"))
    assert completed is not None
    files = JobFiles("scores", completed.dsl_text, completed.conf_text)
    federation.drop(GUEST, files)
    job = site.client().start_job(GUEST, f"scores.{GUEST}", "manual__1", files)
    for party in ALL:
        assert federation[party].client().trained_version(job.job_id, "credit@v1") == first.version

    ask(federation, Action.DELETE_TAG, name="v1")
    assert ask(federation, Action.RETIRE, ref=first.version).state is OperationState.DONE
    retired = JobFiles("scores", completed.dsl_text, completed.conf_text.replace("credit@v1", first.version))
    federation.drop(GUEST, retired)
    with pytest.raises(JobError, match=f"Version {first.version} is retired"):
        site.client().start_job(GUEST, f"scores.{GUEST}", "manual__3", retired)
    with pytest.raises(RegistryError, match="is retired"):
        site.client().models.read(first.version, GUEST, LR, "model", "Param")
    ask(federation, Action.UNRETIRE, ref=first.version)
    ask(federation, Action.TAG, name="v1", ref=first.version)

    missing = JobFiles("scores", completed.dsl_text, completed.conf_text.replace("credit@v1", "credit@v2"))
    federation.drop(GUEST, missing)
    with pytest.raises(ModelNotFound, match=r"no branch, tag or version 'v2'\. Known: experiment, v1"):
        site.client().start_job(GUEST, f"scores.{GUEST}", "manual__2", missing)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"action": Action.TAG, "name": "v1"}, r"has a tag v1 already, at version \d+\. Tags do not move"),
        ({"action": Action.BRANCH, "name": "v1"}, "has a tag v1: a branch cannot be called that too"),
        ({"action": Action.TAG, "name": "a/b"}, "'a/b' cannot name a branch or a tag"),
        ({"action": Action.TAG, "name": ".."}, "cannot name a branch or a tag"),
        ({"action": Action.TAG, "name": "123"}, "digits alone, which name a version"),
        ({"action": Action.TAG, "name": "v2", "ref": "v3"}, "no branch, tag or version 'v3'. Known: experiment, v1"),
        ({"action": Action.BRANCH, "name": "experiment", "ref": "v1"}, "is at version .* already"),
        (
            {"action": Action.DEPLOY, "ref": "v1", "branch": "experiment", "expected": "1"},
            "The branch experiment of credit has moved meanwhile: it is at",
        ),
        ({"action": Action.DEPLOY, "ref": "v1", "components": ("hetero_lr_1",)}, "hetero_lr_1"),
        ({"action": Action.ROLLBACK, "branch": "release"}, "has no branch release to roll back"),
        ({"action": Action.ROLLBACK, "branch": "experiment"}, "no version before"),
        ({"action": Action.RETIRE, "ref": "v1"}, "is in use: experiment, v1 of credit"),
        ({"action": Action.TAG, "model": "credits", "name": "v2"}, "no model 'credits' at this site. Did you mean"),
        ({"action": Action.DELETE_TAG, "name": "v7"}, "has no tag 'v7'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    shared_model: Federation, request_: dict[str, Any], problem: str
) -> None:
    before = [history(shared_model, party) for party in ALL]
    try:
        operation = ask(shared_model, **request_)
    except RegistryError as error:
        said = str(error)
    else:
        assert operation.state is OperationState.ABORTED
        said = operation.detail
    assert re.search(problem, said), said
    assert [history(shared_model, party) for party in ALL] == before


@pytest.fixture(scope="module")
def shared_model(modules_federation: Federation) -> Federation:
    train(modules_federation, 0.5)
    ask(modules_federation, Action.TAG, name="v1")
    return modules_federation


def test_a_party_that_is_down_leaves_a_change_open_which_may_be_cancelled(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_coordinator, "LONGEST_PAUSE_SECONDS", 0.5)
    train(federation, 0.5)
    federation[HOST].stop()
    operation = ask(federation, Action.TAG, name="v1", wait_seconds=1)
    assert operation.state is OperationState.PREPARING
    assert operation.detail == "Waits for host-10000"
    guest = federation[GUEST].client().models
    assert [each.change.change_id for each in guest.operations(only_open=True)] == [operation.change.change_id]
    with pytest.raises(RegistryError, match=r"Another change of credit is not done yet .*: Waits for host-10000"):
        ask(federation, Action.TAG, name="v2", wait_seconds=1)
    assert guest.version("credit@experiment"), "what was there is used as before"
    federation[HOST].start()
    assert eventually(lambda: not guest.operations(only_open=True), 30)
    assert guest.version("credit@v1") == guest.version("credit@experiment")

    federation[HOST].stop()
    open_ = ask(federation, Action.TAG, name="v2", wait_seconds=1)
    cancelled = guest.cancel(open_.change.change_id)
    assert cancelled.state in (OperationState.ABORTING, OperationState.ABORTED)
    federation[HOST].start()
    assert eventually(lambda: not guest.operations(only_open=True), 30)
    with pytest.raises(ModelNotFound):
        guest.version("credit@v2")
    _all_the_same(federation)


def test_policy_says_who_moves_a_branch(new_federation: Federation) -> None:
    federation = new_federation.add_sites(
        (GUEST,), (HOST,), (ARBITER,), policy={"branches": {"release": ["guest-9999"]}}
    )
    train(federation, 0.5)
    refused = ask(federation, Action.BRANCH, HOST, name="release")
    assert refused.state is OperationState.ABORTED
    assert "host-10000 may not move the branch release: policy.branches of site-" in refused.detail
    assert ask(federation, Action.BRANCH, GUEST, name="release").state is OperationState.DONE
    assert ask(federation, Action.BRANCH, HOST, name="other").state is OperationState.DONE


def test_whoever_waits_for_a_version_hears_at_once_that_a_site_refused_it(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), (ARBITER,), policy={"branches": {"release": []}})
    job = run_training(federation, 0.5, model_branch="release")
    finish(federation, job)
    began = time.monotonic()
    for party in ALL:
        version, operation = federation[party].client().models.of_job(job.job_id, 60.0)
        assert version is None
        assert operation is not None
        assert operation.state is OperationState.ABORTED
        assert "guest-9999 may not move the branch release" in operation.detail
    assert time.monotonic() - began < 30


def test_a_job_does_not_start_for_a_branch_that_cannot_be(federation: Federation) -> None:
    with pytest.raises(RegistryError, match="'a/b' cannot name a branch or a tag"):
        run_training(federation, 0.5, model_branch="a/b")


def test_checkpoints_are_versions_in_progress_until_the_job_commits(federation: Federation) -> None:
    job = run_training(federation, 0.5, model_branch="trial", model_message="A long one")
    for party, steps in ((GUEST, (2, 4)), (HOST, (2,))):
        site = federation[party]
        store = GatewayOutputStore(site.client(), job.job_id, 1, party, site.settings.storage_url)
        for step in steps:
            store.save_checkpoint(LR, "model", step, model(step))
    for party, step in ((GUEST, 4), (HOST, 2)):
        (found,) = federation[party].client().models.in_progress("credit")
        assert (found.version, found.branch, found.message) == (job.job_id, "trial", "A long one")
        assert found.status is JobStatus.RUNNING
        assert [(each.party, each.component, each.alias, each.step) for each in found.checkpoints] == [
            (party, LR, "model", step)
        ]
        assert federation[party].client().models.in_progress(found.model_id) == (found,)
        assert federation[party].client().models.in_progress("debit") == ()
        said = progress_line(found)
        assert said.startswith(f"o {job.job_id} in progress: running (to trial) ")
        assert said.endswith(f"guest-9999: A long one [step {step} of {LR}, at {party}]")
    assert federation[ARBITER].client().models.in_progress("credit") == ()
    finish(federation, job)
    version = committed(federation, job)
    assert version.components == (ModelComponent(LR, "model", "HeteroLR"),), "its checkpoints are no part of it"
    _all_the_same(federation)
    assert all(federation[party].client().models.in_progress("credit") == () for party in ALL)


def test_what_a_failed_training_kept_stays_in_progress(federation: Federation) -> None:
    train(federation, 0.5)
    job = run_training(federation, 0.75)
    site = federation[GUEST]
    GatewayOutputStore(site.client(), job.job_id, 1, GUEST, site.settings.storage_url).save_checkpoint(
        LR, "model", 3, model(0.7)
    )
    finish(federation, job, JobStatus.FAILED)
    (found,) = site.client().models.in_progress("credit")
    assert (found.version, found.status) == (job.job_id, JobStatus.FAILED)


def test_a_remote_that_cannot_be_written_gives_up_the_version_and_a_later_try_makes_it(federation: Federation) -> None:
    remote = Path(federation[HOST].settings.model_remote)
    remote.parent.mkdir(parents=True, exist_ok=True)
    remote.write_text("a file where a folder should be")
    job = run_training(federation, 0.5)
    finish(federation, job)
    guest = federation[GUEST].client().models
    _, operation = guest.of_job(job.job_id, 20)
    assert operation is not None
    assert operation.state is OperationState.ABORTED
    assert "host-10000" in operation.detail
    assert guest.list() == federation[HOST].client().models.list() == ()
    remote.unlink()
    again = guest.change(ModelRequest(Action.COMMIT, "", GUEST, ref=job.job_id))
    assert again.state is OperationState.DONE
    _all_the_same(federation)


def test_one_site_with_all_parties_has_one_repository(loopback: Federation) -> None:
    version = train(loopback, 0.5)
    assert {part.party for part in version.parts} == set(ALL)
    assert set(version.metrics) == {"guest-9999"}
    assert ask(loopback, Action.TAG, name="v1").state is OperationState.DONE
    client = loopback[HOST].client().models
    for party, weight in ((GUEST, 0.5), (HOST, -0.5)):
        _, data = client.read(version.version, party, LR, "model", "Param")
        assert LRModelParam.FromString(data) == model(weight).param


def test_jobs_without_a_model_and_failed_ones_make_no_version(federation: Federation) -> None:
    job = run_training(federation, 0.5)
    finish(federation, job, JobStatus.FAILED)
    plain = federation.start_job("plain")
    finish(federation, plain)
    time.sleep(0.3)
    for each in (job, plain):
        assert federation[GUEST].client().models.of_job(each.job_id) == (None, None)


@on_both_databases
def test_a_gateway_that_was_down_when_its_job_ended_commits_it_when_it_is_back(federation: Federation) -> None:
    job = run_training(federation, 0.5)
    gateway = federation[GUEST].gateway
    assert gateway is not None
    gateway.jobs._ended.clear()  # as if it died right after the job's end
    finish(federation, job)
    federation[GUEST].restart()
    assert committed(federation, job).about.job_id == job.job_id


def test_every_sites_airflow_hears_of_a_branch_that_moves(federation: Federation) -> None:
    release, other = "fate://models/credit/branches/release", "fate://models/credit/branches/release2"
    for party in ALL:
        federation[party].airflow.assets += [other, release]
    version = train(federation, 0.5)
    assert not any(federation[party].airflow.changed_assets for party in ALL), "no DAG knows of experiment"
    ask(federation, Action.BRANCH, HOST, name="release", message="Good enough")
    for party in ALL:
        ((uri, extra),) = eventually(lambda party=party: federation[party].airflow.changed_assets)
        assert uri == release
        assert (extra["model_version"], extra["before"], extra["by"]) == (version.version, "", "host-10000")
        assert extra["commit"] == federation[party].client().models.version("credit@release").commit
    ask(federation, Action.TAG, name="v1")
    assert all(len(federation[party].airflow.changed_assets) == 1 for party in ALL)


def test_a_warm_start_says_where_it_came_from(federation: Federation) -> None:
    first = train(federation, 0.5)
    second = train(federation, 0.6, loads=first.version, model_branch="trial")
    assert (second.about.parent, second.about.source) == ("", first.version)
    gone = train(federation, 0.7, loads="1", model_branch="trial")
    assert (gone.about.parent, gone.about.source) == (second.version, ""), "a job that is no version here"
    _all_the_same(federation)
