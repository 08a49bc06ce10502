"""A gateway that dies at any step of a change leaves parties that agree, once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation, TestSite, eventually
from tests.gateway.model_federation import ask, committed, history, run_training, train
from tests.gateway.test_restart import own_process

from fate_federated.errors import FateFederatedError
from fate_federated.gateway import model_coordinator, model_local
from fate_federated.gateway.client import GatewayClient, open_channel
from fate_federated.party import Party
from fate_federated.status import JobStatus
from fate_federated.wire.model_records import Action, ModelOperation, ModelRequest, OperationState


class Death:
    """Lets a running gateway die after so many more steps that outlive it: nothing of it happens any more.

    Args:
        steps: transactions of the database and pieces of work on the repository.
        acknowledged: the last step's caller still hears of it; else it dies with what it knows.
    """

    def __init__(self, site: TestSite, steps: int, *, acknowledged: bool) -> None:
        assert site.gateway is not None
        self.left, self.acknowledged, self.dead = steps, acknowledged, False
        for store in (site.gateway.database, site.gateway.models.files):
            store.run = self._mortal(store.run)  # type: ignore[method-assign, union-attr]

    def _mortal(self, run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def mortal(*args: Any) -> Any:
            self.left -= 1
            if self.left < 0 or (self.left == 0 and not self.acknowledged):
                if self.left == 0:
                    await run(*args)
                self.dead = True
                await asyncio.Event().wait()
            return await run(*args)

        return mortal


def bury(site: TestSite) -> None:
    """What is left of a dead gateway in this process, and a new one in its place."""
    gateway, site.gateway = site.gateway, None
    assert gateway is not None
    for store in (gateway.database, gateway.models.files):
        store.run = _nothing  # type: ignore[method-assign, assignment]

    async def work() -> None:
        await gateway.server.stop(0)
        for background in (gateway.background, gateway.jobs._background, gateway.models.jobs._background):
            await background.close()
        await gateway.models.coordinator.close()
        await gateway.links.close()
        gateway.models.files.close()
        gateway.database.close()

    site.loop.run(work())
    site.start()


async def _nothing(*_: Any) -> None:
    await asyncio.Event().wait()


def all_agree(federation: Federation) -> object:
    """The one history, once nothing is open and every party has it."""

    def look() -> object:
        if any(federation[party].client().models.operations(only_open=True) for party in ALL):
            return None
        histories = [history(federation, party) for party in ALL]
        return histories[0] if histories[0] == histories[1] == histories[2] else None

    return eventually(look, 30)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_coordinator, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(model_coordinator, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(model_local, "ASK_SECONDS", 0.2)


@pytest.mark.parametrize("dying", [GUEST, HOST], ids=str)
def test_parties_agree_wherever_a_gateway_dies(federation: Federation, dying: Party) -> None:
    train(federation, 0.5)
    site = federation[dying]
    outcomes, steps = set[bool](), 0
    with ThreadPoolExecutor(1) as pool:
        while True:
            before = history(federation, GUEST)
            death = Death(site, steps + 1, acknowledged=bool(steps % 2))
            asked = pool.submit(_deploy, federation, f"b{steps}")
            eventually(lambda asked=asked, death=death: death.dead or asked.done(), 30)
            survived = not death.dead
            bury(site)
            asked.result(30)
            made = all_agree(federation) != before
            outcomes.add(made)
            if survived:
                assert made
                break
            steps += 1
    # A host that dies is waited for; an initiator may die before it has written down what it was asked for.
    assert outcomes == ({True, False} if dying is GUEST else {True})
    assert steps > 10


def _deploy(federation: Federation, branch: str) -> ModelOperation | FateFederatedError:
    """One try; the caller may not hear how it went."""
    site = federation[GUEST]
    request = ModelRequest(Action.DEPLOY, "credit", GUEST, ref="experiment", branch=branch, wait_seconds=10)
    with GatewayClient(open_channel(site.address, site.tls()), site.address, patience_seconds=0) as client:
        try:
            return client.models.change(request)
        except FateFederatedError as error:
            return error


def test_a_promise_outlives_the_process_that_gave_it(federation: Federation) -> None:
    train(federation, 0.5)
    federation[ARBITER].stop()
    with own_process(federation[HOST]) as process:
        operation = ask(federation, Action.DEPLOY, ref="experiment", wait_seconds=0)
        guest = federation[GUEST].client().models

        def promised() -> bool:
            (now,) = guest.operations(only_open=True)
            return (now.state, now.detail) == (OperationState.PREPARING, "Waits for arbiter-10000")

        eventually(promised, 30)
        here = federation[HOST].client().models.operations(only_open=True)
        assert [each.change.change_id for each in here] == [operation.change.change_id]
        process.kill()
        process.wait()
    federation[HOST].start()
    federation[ARBITER].start()
    all_agree(federation)
    for party in ALL:
        version = federation[party].client().models.version("credit@product")
        assert version.about == operation.change.version


def test_a_commit_at_a_jobs_end_waits_for_a_party_that_is_down(federation: Federation) -> None:
    job = run_training(federation, 0.5)
    for party in (HOST, ARBITER):
        federation[party].client().finish_job(job.job_id, party, JobStatus.SUCCESS)
    federation[HOST].stop()
    guest = federation[GUEST].client()
    guest.finish_job(job.job_id, GUEST, JobStatus.SUCCESS)
    _, operation = guest.models.of_job(job.job_id, 2.0)
    assert operation is not None
    assert operation.state is OperationState.PREPARING
    assert guest.models.list() == (), "never half-done"
    federation[HOST].start()
    assert committed(federation, job).version == job.job_id
    all_agree(federation)
