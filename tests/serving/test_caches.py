"""What hosts answered is used again: at most once asked for, never for another version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_models import GUEST, HOST, Trained, features, lr
from serving_sites import Sites
from test_adapters import redis_server

from fate_serving.adapters import Adapter, Found
from fate_serving.cache import LocalCache, shared_key
from fate_serving.server import Serving


class Counting:
    """An adapter that counts the rows that it is asked for, and can be made to wait."""

    def __init__(self, inner: Adapter) -> None:
        self._inner = inner
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        self.asked += [row["device_id"] for row in rows]
        await self.gate.wait()
        return await self._inner.fetch(rows)

    async def close(self) -> None:
        await self._inner.close()


def count(host: Serving) -> Counting:
    adapter = host.hosting._adapter
    assert adapter is not None
    counting = Counting(adapter)
    host.hosting._adapter = counting
    return counting


async def pair(sites: Sites, trained: Trained, **settings: Any) -> tuple[Serving, Counting]:
    zips = trained.zips(sites.folder / "zips")
    host = await sites.host(trained.tables[HOST])
    guest = await sites.guest((HOST, host), **settings)
    await host.sources.from_file(zips[HOST], None)
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    return guest, count(host)


async def test_a_burst_for_one_row_asks_the_host_once(sites: Sites, trained_lr: Trained) -> None:
    guest, store = await pair(sites, trained_lr, cache={})
    client, row = sites.client(guest), features(trained_lr.tables[GUEST], 0)
    store.gate.clear()
    burst = [asyncio.create_task(client.score(row, "u0")) for _ in range(30)]
    async with asyncio.timeout(10):
        while not store.asked:
            await asyncio.sleep(0.01)
        while guest.applications.in_progress < 30:
            await asyncio.sleep(0.01)
    store.gate.set()
    answers = await asyncio.gather(*burst)
    assert {answer["retcode"] for answer in answers} == {0}
    assert len({answer["data"]["score"] for answer in answers}) == 1
    assert store.asked == ["u0"]
    batch = [
        {"index": place, "featureData": row, "sendToRemoteFeatureData": {"device_id": name}}
        for place, name in enumerate(("u0", "u1", "u1", "nobody", "u0"))
    ]
    answer = await client.ask("batchInference", {"serviceId": "credit", "batchDataList": batch})
    assert [each["retcode"] for each in answer["batchDataList"]] == [0, 0, 0, 2113, 0]
    assert store.asked == ["u0", "u1", "nobody"]
    await client.score(row, "nobody")
    assert store.asked[3:] == ["nobody"], "what a host does not know is asked for again"


async def test_what_is_kept_is_an_answer_only_to_the_same_row(sites: Sites, trained_lr: Trained) -> None:
    guest, store = await pair(sites, trained_lr, cache={})
    client, table = sites.client(guest), trained_lr.tables[GUEST]
    offline = trained_lr.predicted(trained_lr.tables, "hetero_lr_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    for _ in range(3):  # asked, computed of what is kept, and known
        for row in range(4):
            answer = await client.score(features(table, row), f"u{row}")
            assert answer["data"]["score"] == pytest.approx(expected[f"u{row}"], abs=1e-9)
    assert store.asked == ["u0", "u1", "u2", "u3"]
    crossed = await client.score(features(table, 1), "u2")
    assert crossed["data"]["score"] not in [pytest.approx(score, abs=1e-9) for score in expected.values()]
    wrong = {**features(table, 1), "g1": "many"}
    assert [(await client.score(wrong, "u1"))["retcode"] for _ in range(2)] == [102, 102]


async def test_what_a_host_says_anew_is_computed_with(sites: Sites, trained_lr: Trained) -> None:
    guest, store = await pair(sites, trained_lr, cache={"seconds": 0.2})
    client, row = sites.client(guest), features(trained_lr.tables[GUEST], 0)
    for _ in range(3):
        before = await client.score(row, "u0")
    table = trained_lr.tables[HOST].data
    for place, name in enumerate(table.column_names):
        if name != "id":
            table = table.set_column(place, name, pc.add(table[name], 0.5))
    pa_csv.write_csv(table, sites.folder / "host.csv")
    asked = len(store.asked)
    async with asyncio.timeout(10):
        while len(store.asked) == asked:
            await asyncio.sleep(0.02)
            after = await client.score(row, "u0")
    assert after["data"]["score"] != before["data"]["score"]
    assert [(await client.score(row, "u0"))["data"]["score"] for _ in range(2)] == [after["data"]["score"]] * 2


async def test_another_version_never_gets_what_is_kept(sites: Sites, trained_lr: Trained) -> None:
    guest, store = await pair(sites, trained_lr, cache={})
    client, row = sites.client(guest), features(trained_lr.tables[GUEST], 0)
    first = await client.score(row, "u0")
    other = lr(max_iter=6, learning_rate=0.9)
    zips = other.zips(sites.folder / "other", "2")
    await sites.running("host").sources.from_file(zips[HOST], None)
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    second = await client.score(row, "u0")
    assert first["data"]["score"] != second["data"]["score"]
    assert store.asked == ["u0", "u0"]
    offline = other.predicted(other.tables, "hetero_lr_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    assert second["data"]["score"] == pytest.approx(expected["u0"], abs=1e-9)


async def test_a_redis_behind_is_shared_and_may_be_away(sites: Sites, trained_lr: Trained) -> None:
    row = features(trained_lr.tables[GUEST], 0)
    with redis_server() as url:
        guest, store = await pair(sites, trained_lr, cache={"redis": url})
        first = await sites.client(guest).score(row, "u0")
        await asyncio.gather(*guest.answers._keeping)
        host = sites.running("host")
        peers = [{"parties": [str(HOST)], "address": f"127.0.0.1:{host.ports['federation']}"}]
        other = await sites.start("guest", (GUEST,), peers=peers, cache={"redis": url})
        assert (await sites.client(other).score(row, "u0"))["data"]["score"] == first["data"]["score"]
        assert store.asked == ["u0"]
    answer = await sites.client(other).score(row, "u1")
    assert answer["retcode"] == 0, answer


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.floats(0, 3)), max_size=60))
def test_a_cache_forgets_the_old_and_the_least_used(steps: list[tuple[int, bool, float]]) -> None:
    now = 0.0
    cache: LocalCache[int, int] = LocalCache(4, 5.0, lambda: now)
    written: dict[int, tuple[float, int]] = {}
    used: list[int] = []
    for number, (key, put, passed) in enumerate(steps):
        now += passed
        if put:
            cache.put(key, number)
            written[key] = (now, number)
        found = cache.get(key)
        assert len(cache) <= 4
        if found is not None:
            at, value = written[key]
            assert found == value
            assert now - at <= 5.0
        elif key in written and now - written[key][0] < 5.0:
            assert len({*used[-60:]} - {key}) >= 4, "only others that were used since have driven it out"
        if put or found is not None:
            used.append(key)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_words_have_different_keys(one: list[str], other: list[str]) -> None:
    assert (shared_key(*one) == shared_key(*other)) == (one == other)
