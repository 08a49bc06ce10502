"""A gateway that dies at any step of a change leaves parties that agree, once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from fate_federated.wire.model_records import Action, ModelOperation, ModelRequest, ModelVersion, OperationState


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


def _deploy(_: ModelVersion, number: int) -> ModelRequest:
    return ModelRequest(Action.DEPLOY, "credit", GUEST, ref="experiment", branch=f"b{number}")


def _roll_back(first: ModelVersion, _: int) -> ModelRequest:
    return ModelRequest(Action.ROLLBACK, "credit", GUEST, ref=first.version, branch="experiment")


def _commit(first: ModelVersion, _: int) -> ModelRequest:
    return ModelRequest(Action.COMMIT, "", GUEST, ref=first.about.job_id)


def _point(first: ModelVersion, number: int) -> ModelRequest:
    # The steps of both are the same ones, and whether the last is acknowledged goes by odd and even.
    action = Action.TAG if number // 2 % 2 else Action.BRANCH
    return ModelRequest(action, "credit", GUEST, ref=first.version, name=f"p{number}")


def _retire(first: ModelVersion, number: int) -> ModelRequest:
    # What a try has not retired, the next one does: marks that change nothing would tell nothing.
    return ModelRequest(Action.UNRETIRE if first.retired else Action.RETIRE, "credit", GUEST, ref=first.version)


@pytest.mark.parametrize("dying", [GUEST, HOST], ids=str)
@pytest.mark.parametrize(
    ("request_of", "least_steps"),
    [(_deploy, 11), (_roll_back, 11), (_commit, 11), (_point, 8), (_retire, 8)],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_parties_agree_wherever_a_gateway_dies(
    federation: Federation, dying: Party, request_of: Callable[[ModelVersion, int], ModelRequest], least_steps: int
) -> None:
    first = train(federation, 0.5)
    # So that nothing points to the first, which is what may be retired.
    ask(federation, Action.DEPLOY, ref=first.version, branch="product")
    ask(federation, Action.BRANCH, name="experiment", ref="product")
    site = federation[dying]
    outcomes, steps = set[bool](), 0
    with ThreadPoolExecutor(1) as pool:
        while True:
            before = history(federation, GUEST)
            wanted = request_of(federation[GUEST].client().models.version(first.version), steps)
            death = Death(site, steps + 1, acknowledged=bool(steps % 2))
            asked = pool.submit(_try, federation, wanted)
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
    assert steps >= least_steps


def _try(federation: Federation, request: ModelRequest) -> ModelOperation | FateFederatedError:
    """One try; the caller may not hear how it went."""
    site = federation[GUEST]
    with GatewayClient(open_channel(site.address, site.tls()), site.address, patience_seconds=0) as client:
        try:
            return client.models.change(replace(request, wait_seconds=10))
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
