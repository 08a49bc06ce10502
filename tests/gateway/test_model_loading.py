"""ModelLoader: a model of a version, of a branch or tag, or of a training that failed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation
from tests.gateway.model_federation import LR, ask, finish, model, run_training, train

from fate_components.model_loader.component import ModelLoader
from fate_components.model_loader.spec import ModelLoaderParams
from fate_components.model_store.component import ModelRestore, ModelStore
from fate_components.model_store.spec import ModelStoreParams
from fate_federated.errors import FateFederatedError, ModelError, ModelNotFound
from fate_federated.party import Party
from fate_federated.status import JobStatus
from fate_federated.task.component import Component, Inputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.model import Model
from fate_federated.task_store import GatewayOutputStore
from fate_federated.transport.memory import MemoryHub
from fate_federated.wire.model_records import Action


def load(federation: Federation, **params: Any) -> dict[Party, Model | FateFederatedError | None]:
    """What every party's ModelLoader hands on."""
    hub = MemoryHub(ALL, deadline_seconds=20)

    def work(party: Party) -> Model | FateFederatedError | None:
        store = store_of(federation, party)
        ctx = TaskContext(
            party=party, participants=ALL, job_id="1", component="model_loader_0", attempt=1,
            transport=hub.transport(party), tracker=MemoryTracker(),
        )  # fmt: skip
        component = ModelLoader(ModelLoaderParams.model_validate({"component_name": LR, **params}))
        try:
            return component.run(ctx, Inputs(models=store.earlier_models)).model
        except FateFederatedError as error:
            hub.fail(party, str(error))
            return error
        finally:
            hub.leave(party)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(ALL, pool.map(work, ALL), strict=True))


def store_of(federation: Federation, party: Party, job_id: str = "1", attempt: int = 1) -> GatewayOutputStore:
    site = federation[party]
    return GatewayOutputStore(site.client(), job_id, attempt, party, site.settings.storage_url)


@pytest.fixture(scope="module")
def trained(modules_federation: Federation) -> Federation:
    train(modules_federation, 0.5)
    ask(modules_federation, Action.TAG, name="v1")
    train(modules_federation, 0.75)
    return modules_federation


@pytest.mark.parametrize(
    ("params", "weight"),
    [
        ({"model_version": "credit@v1"}, 0.5),
        ({"model_version": "credit@experiment"}, 0.75),
        ({"model_version": "v1", "model_id": "arbiter-10000#guest-9999#host-10000#credit"}, 0.5),
    ],
)
def test_a_branch_or_tag_is_loaded_at_every_party(trained: Federation, params: dict[str, Any], weight: float) -> None:
    assert load(trained, **params) == {GUEST: model(weight), HOST: model(-weight), ARBITER: None}


def test_a_version_is_loaded_by_its_digits(trained: Federation) -> None:
    version = trained[GUEST].client().models.version("credit@v1").version
    assert load(trained, model_version=int(version))[HOST] == model(-0.5)


def test_what_is_not_there_is_said(trained: Federation) -> None:
    missing = load(trained, model_version="credit@v7")[GUEST]
    assert isinstance(missing, ModelNotFound)
    other = load(trained, model_version="credit@v1", component_name="hetero_lr_7")
    assert "has no model 'model' of hetero_lr_7 in version" in str(other[GUEST])


def test_a_checkpoint_of_the_newest_attempt_that_all_parties_kept(trained: Federation) -> None:
    job = run_training(trained, 0.8)
    for party, attempts in ((GUEST, (1, 2)), (HOST, (1,))):
        for attempt in attempts:
            store_of(trained, party, job.job_id, attempt).save_checkpoint(LR, "model", 4, model(attempt))
    finish(trained, job, JobStatus.FAILED)
    assert load(trained, model_version=job.job_id, step_index=4) == {GUEST: model(1), HOST: model(1), ARBITER: None}
    none = load(trained, model_version=job.job_id, step_index="5")[GUEST]
    assert isinstance(none, ModelError)
    assert f"Step 5 of hetero_lr_0 in job {job.job_id} was not kept at all parties" in str(none)


def run_at_all(federation: Federation, component: type[Component[Any]], params: dict[str, Any]) -> dict[Party, Any]:
    """A component at every party; what it says of itself, or its error."""
    hub = MemoryHub(ALL, deadline_seconds=20)

    def work(party: Party) -> Any:
        tracker = MemoryTracker()
        ctx = TaskContext(
            party=party, participants=ALL, job_id="1", component="store_0", attempt=1,
            transport=hub.transport(party), tracker=tracker,
        )  # fmt: skip
        try:
            component(component.Params.model_validate(params)).run(
                ctx, Inputs(models=store_of(federation, party).earlier_models)
            )
        except FateFederatedError as error:
            hub.fail(party, str(error))
            return error
        finally:
            hub.leave(party)
        return tracker.summary

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(ALL, pool.map(work, ALL), strict=True))


def test_a_version_is_stored_elsewhere_and_restored(trained: Federation, tmp_path: Path) -> None:
    version = trained[GUEST].client().models.version("credit@v1").version
    address = {"storage": "file", "path": f"file://{tmp_path}/kept"}
    params = {"model_version": "credit@v1", "store_address": address}
    stored = run_at_all(trained, ModelStore, params)
    assert all(said["model_version"] == version for said in stored.values())
    assert len(list((tmp_path / "kept").glob(f"*_{version}.zip"))) == 3
    assert "set force_update to write over it" in str(run_at_all(trained, ModelStore, params)[GUEST])
    assert run_at_all(trained, ModelStore, {**params, "force_update": True})[HOST] == stored[HOST]

    there = run_at_all(trained, ModelRestore, {"model_version": version, "store_address": address})
    assert any("has version" in str(said) for said in there.values()), "it is there already"
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Federation(tmp_path / "elsewhere", lambda name: "").add_sites((GUEST,), (HOST,), (ARBITER,))
    try:
        restored = run_at_all(elsewhere, ModelRestore, {"model_version": version, "store_address": address})
        assert list(restored.values()) == [{"model_version": version}] * 3
        assert load(elsewhere, model_version=version)[GUEST] == model(0.5)
    finally:
        elsewhere.close()


def test_fates_own_stores_are_told_from_mistakes() -> None:
    with pytest.raises(ValidationError, match="parts are not kept in redis: give storage file and a path"):
        ModelStoreParams.model_validate({"model_version": "1", "store_address": {"storage": "redis", "path": "x"}})
