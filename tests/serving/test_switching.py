"""Versions: switched at all parties or at none, kept over restarts, shared by processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from serving_models import GUEST, HOST, Trained, features, lr
from serving_sites import Client, FolderVersions, Sites, serve

from fate_federated.party import Party
from fate_serving.codes import ServingError
from fate_serving.server import Serving

OLD, NEW = "202601010000000000010", "202601020000000000010"


@pytest.fixture(scope="module")
def trained_anew() -> Trained:
    return lr(max_iter=5, learning_rate=0.6)


@pytest.fixture
def versions(sites: Sites, trained_lr: Trained, trained_anew: Trained) -> FolderVersions:
    for version, trained in ((OLD, trained_lr), (NEW, trained_anew)):
        trained.zips(sites.folder / version, version)
    return FolderVersions(old=(OLD, sites.folder / OLD), new=(NEW, sites.folder / NEW))


async def score_of(client: Client, trained: Trained) -> float:
    answer = await client.score(features(trained.tables[GUEST], 0), "u0")
    assert answer["retcode"] == 0, answer
    score: float = answer["data"]["score"]
    return score


def versions_at(serving: Serving) -> list[str]:
    return [loaded.key[1] for loaded in serving.shelf.everything()]


async def until(what: object, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def test_a_switch_under_load_fails_no_request(
    sites: Sites, trained_lr: Trained, trained_anew: Trained, versions: FolderVersions
) -> None:
    host = await sites.host(trained_lr.tables[HOST], versions=versions)
    guest = await sites.guest((HOST, host), versions=versions, timeout_seconds=1)
    await guest.switching.to_ref("credit", "old", GUEST)
    assert versions_at(host) == [OLD], "the host loads what the guest is about to ask"
    client, answers, ended = sites.client(guest), [], False

    async def ask() -> None:
        while not ended:
            answers.append(await client.score(features(trained_lr.tables[GUEST], 0), "u0"))

    askers = [asyncio.create_task(ask()) for _ in range(8)]
    await until(lambda: len(answers) > 50)
    await guest.switching.to_ref("credit", "new", GUEST)
    after = len(answers)
    await until(lambda: len(answers) > after + 50)
    ended = True
    await asyncio.gather(*askers)
    assert {answer["retcode"] for answer in answers} == {0}
    offline = [
        dict(zip(table["id"].to_pylist(), table["predict_score"].to_pylist(), strict=True))["u0"]
        for table in (each.predicted(each.tables, "hetero_lr_0").data for each in (trained_lr, trained_anew))
    ]
    expected = {OLD: offline[0], NEW: offline[1]}
    for answer in answers:
        assert answer["data"]["score"] == pytest.approx(expected[answer["data"]["modelVersion"]], abs=1e-9)
    assert {answer["data"]["modelVersion"] for answer in answers[after + 8 :]} == {NEW}
    await until(lambda: versions_at(guest) == versions_at(host) == [NEW])


async def test_nothing_is_switched_where_a_host_cannot(
    sites: Sites, trained_lr: Trained, versions: FolderVersions
) -> None:
    only_old = FolderVersions(old=versions.refs["old"])
    host = await sites.host(trained_lr.tables[HOST], versions=only_old)
    guest = await sites.guest((HOST, host), versions=versions)
    await guest.switching.to_ref("credit", "old", GUEST)
    client = sites.client(guest)
    before = await score_of(client, trained_lr)
    with pytest.raises(ServingError, match="host-10000 cannot serve version"):
        await guest.switching.to_ref("credit", "new", GUEST)
    assert await score_of(client, trained_lr) == before
    assert versions_at(guest) == versions_at(host) == [OLD]


async def test_a_site_of_guest_and_host_switches_both_parts(
    sites: Sites, trained_lr: Trained, versions: FolderVersions
) -> None:
    site = await sites.host(trained_lr.tables[HOST], versions=versions, parties=(GUEST, HOST), timeout_seconds=0.5)
    await site.switching.to_ref("credit", "old", GUEST)
    assert versions_at(site) == [OLD, OLD]
    await score_of(sites.client(site), trained_lr)
    await site.switching.to_ref("credit", "new", GUEST)
    await score_of(sites.client(site), trained_lr)
    await until(lambda: versions_at(site) == [NEW, NEW])


async def test_a_guest_that_ends_after_a_switch_lets_the_old_version_go_when_it_is_back(
    sites: Sites, trained_lr: Trained, trained_anew: Trained, versions: FolderVersions
) -> None:
    host = await sites.host(trained_lr.tables[HOST], versions=versions)
    guest = await sites.guest((HOST, host), versions=versions, timeout_seconds=1)
    await guest.switching.to_ref("credit", "old", GUEST)
    await guest.switching.to_ref("credit", "new", GUEST)
    await sites.stop(guest)
    assert versions_at(host) == [OLD, NEW]
    guest = await sites.guest((HOST, host), versions=versions, timeout_seconds=1)
    assert guest.shelf.bindings["credit"][1] == NEW
    await until(lambda: versions_at(guest) == versions_at(host) == [NEW])
    await score_of(sites.client(guest), trained_anew)
    assert guest.shelf.leaving == {}


async def test_a_host_that_is_away_is_told_later_which_version_is_not_asked_any_more(
    sites: Sites, trained_lr: Trained, versions: FolderVersions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fate_serving.switching.RETRY_SECONDS", 0.1)
    host = await sites.host(trained_lr.tables[HOST], versions=versions)
    guest = await sites.guest((HOST, host), versions=versions, timeout_seconds=0.2)
    await guest.switching.to_ref("credit", "old", GUEST)
    await guest.switching.to_ref("credit", "new", GUEST)
    old = next(key for key in guest.shelf.leaving if key[1] == OLD)
    first, port = guest.shelf.leaving[old], host.ports["federation"]
    await sites.stop(host)
    await until(lambda: guest.shelf.leaving[old] > first)
    assert versions_at(guest) == [OLD, NEW]
    host = await sites.host(trained_lr.tables[HOST], versions=versions, federation=f"127.0.0.1:{port}")
    await until(lambda: versions_at(guest) == versions_at(host) == [NEW])


async def test_a_switch_that_was_given_up_leaves_nothing_loaded(
    sites: Sites, trained_lr: Trained, versions: FolderVersions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the process ends while a host loads."""
    monkeypatch.setattr("fate_serving.switching.SWITCH_SECONDS", 1.0)
    gate = asyncio.Event()

    class Slow(FolderVersions):
        async def fetch(self, ref: str, party: Party, folder: Path) -> Path:
            if ref == NEW:
                await gate.wait()
            return await super().fetch(ref, party, folder)

    host = await sites.host(trained_lr.tables[HOST], versions=Slow(**versions.refs))
    guest = await sites.guest((HOST, host), versions=versions)
    await guest.switching.to_ref("credit", "old", GUEST)
    switch = asyncio.create_task(guest.switching.to_ref("credit", "new", GUEST))
    await until(lambda: versions_at(guest) == [OLD, NEW])
    switch.cancel()
    gate.set()
    await until(lambda: versions_at(guest) == versions_at(host) == [OLD])
    await score_of(sites.client(guest), trained_lr)


async def test_a_service_follows_a_branch(sites: Sites, trained_lr: Trained, versions: FolderVersions) -> None:
    moving = FolderVersions(**{**versions.refs, "product": versions.refs["old"]})
    host = await sites.host(trained_lr.tables[HOST], versions=versions)
    follow = [{"service_id": "credit", "model": "job", "ref": "product"}]
    guest = await sites.guest((HOST, host), versions=moving, follow=follow, follow_seconds=0.05)
    await until(lambda: guest.shelf.bindings.get("credit", ("", ""))[1] == OLD)
    moving.refs["product"] = versions.refs["new"]
    await until(lambda: guest.shelf.bindings["credit"][1] == NEW)


async def test_a_restart_needs_neither_registry_nor_peers(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    before = await score_of(pair.client, trained_lr)
    await sites.stop(pair.host)
    await sites.stop(pair.guest)
    for file in (sites.folder / "zips").iterdir():
        file.unlink()
    host = await sites.host(trained_lr.tables[HOST])
    guest = await sites.guest((HOST, host))
    assert await score_of(sites.client(guest), trained_lr) == before


async def test_a_host_that_was_away_is_found_again(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr, timeout_seconds=1)
    before = await score_of(pair.client, trained_lr)
    port = pair.host.ports["federation"]
    await sites.stop(pair.host)
    answer = await pair.client.score(features(trained_lr.tables[GUEST], 0), "u0")
    assert answer["retcode"] == 2105, answer
    assert "host-10000" in answer["retmsg"]
    await sites.host(trained_lr.tables[HOST], federation=f"127.0.0.1:{port}")

    async def back() -> None:
        while (await pair.client.score(features(trained_lr.tables[GUEST], 0), "u0"))["retcode"]:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(back(), 10)
    assert await score_of(pair.client, trained_lr) == before


async def test_processes_of_one_site_agree_from_the_moment_of_a_binding(sites: Sites, trained_lr: Trained) -> None:
    """Two that share a folder, as two that share a port do."""
    pair = await serve(sites, trained_lr)
    peers = [{"parties": [str(HOST)], "address": f"127.0.0.1:{pair.host.ports['federation']}"}]
    other = await sites.start("guest", (GUEST,), peers=peers)
    client = sites.client(other)
    assert await score_of(client, trained_lr) == await score_of(pair.client, trained_lr)
    key = other.shelf.bindings["credit"]
    await pair.guest.shelf.bind("second", *key)
    answer = await client.score(features(trained_lr.tables[GUEST], 0), "u0", "second")
    assert answer["retcode"] == 0
    await pair.guest.shelf.unload(*key)
    answer = await client.score(features(trained_lr.tables[GUEST], 0), "u0", "second")
    assert answer["retcode"] == 122


async def test_a_model_is_taken_over_from_another_instance(sites: Sites, trained_lr: Trained) -> None:
    import grpc.aio

    from fate_serving.pb import model_service_pb2 as pb
    from fate_serving.pb.model_service_pb2_grpc import ModelServiceStub

    pair = await serve(sites, trained_lr)
    peers = [{"parties": [str(HOST)], "address": f"127.0.0.1:{pair.host.ports['federation']}"}]
    other = await sites.start("second-guest", (GUEST,), peers=peers)
    namespace, version = pair.guest.shelf.bindings["credit"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{other.ports['listen']}") as channel:
        reply = await ModelServiceStub(channel).fetchModel(
            pb.FetchModelRequest(
                namespace=namespace, tableName=version, sourceIp="127.0.0.1", sourcePort=pair.guest.ports["listen"],
                serviceIds=["credit"],
            )
        )  # fmt: skip
    assert reply.statusCode == 0, reply.message
    assert await score_of(sites.client(other), trained_lr) == await score_of(pair.client, trained_lr)
