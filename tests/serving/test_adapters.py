"""Hosts find features in files, databases, Redis and services; every kind does the same."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import fakeredis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
import sqlalchemy as sa
from aiohttp import web
from serving_models import GUEST, HOST, Trained, features
from serving_sites import Sites

from fate_federated.errors import ConfigError
from fate_serving.adapters import Adapter, open_adapter
from fate_serving.codes import ServingError

ROWS = {"u1": {"a": 1.5, "b": 2}, "u2": {"a": -0.25, "b": 7}}


@contextmanager
def redis_server() -> Iterator[str]:
    """A server that speaks Redis' protocol over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = fakeredis.TcpFakeServer(("127.0.0.1", port), server_type="redis")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.shutdown()
        server.server_close()


@asynccontextmanager
async def service(answer: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/features", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/features"
    finally:
        await runner.cleanup()


async def coded(request: web.Request) -> web.Response:
    found = ROWS.get((await request.json())["device_id"])
    return web.json_response({"code": 404} if found is None else {"code": 200, "data": found})


async def by_status(request: web.Request) -> web.Response:
    found = ROWS.get((await request.json())["device_id"])
    return web.Response(status=404) if found is None else web.json_response(found)


@asynccontextmanager
async def adapter(kind: str, tmp_path: Path) -> AsyncIterator[Adapter]:
    table = pa.table({"id": list(ROWS), "a": [1.5, -0.25], "b": [2, 7]})
    if kind == "parquet":
        pq.write_table(table, tmp_path / "features.parquet")
        made = open_adapter("table", {"path": "features.parquet", "id_column": "id"}, tmp_path)
    elif kind == "csv":
        (tmp_path / "features.csv").write_text("id,a,b\nu1,1.5,2\nu2,-0.25,7\n")
        made = open_adapter("table", {"path": "features.csv", "id_column": "id"}, tmp_path)
    elif kind == "sql":
        url = f"sqlite:///{tmp_path / 'features.db'}"
        with sa.create_engine(url).begin() as connection:
            connection.execute(sa.text("create table f (id text primary key, a float, b integer)"))
            for name, row in ROWS.items():
                connection.execute(sa.text("insert into f values (:id, :a, :b)"), {"id": name, **row})
        made = open_adapter("sql", {"url": url, "table": "f", "id_column": "id"}, tmp_path)
    elif kind.startswith("redis"):
        with redis_server() as url:
            client = redis.Redis.from_url(url)
            for name, row in ROWS.items():
                if kind == "redis hash":
                    client.hset(f"f:{name}", mapping=row)
                else:
                    client.set(f"f:{name}", json.dumps(row))
            client.close()
            made = open_adapter("redis", {"url": url, "key": "f:{id}", "kind": kind.split()[1]}, tmp_path)
            yield made
            await made.close()
        return
    else:
        async with service(coded if kind == "http" else by_status) as url:
            made = open_adapter("http", {"url": url, "code_in_body": kind == "http"}, tmp_path)
            yield made
            await made.close()
        return
    yield made
    await made.close()


@pytest.mark.parametrize("kind", ["parquet", "csv", "sql", "redis hash", "redis json", "http", "http with status"])
async def test_features_are_found_by_row(kind: str, tmp_path: Path) -> None:
    async with adapter(kind, tmp_path) as made:
        found = await made.fetch(
            [{"device_id": "u2"}, {"device_id": "nobody"}, {"device_id": "u1"}, {"device_id": "u2"}]
        )
    assert found[1] is None
    numbers = [
        {name: float(value) for name, value in row.items()}
        for row in found
        if row is not None and not isinstance(row, ServingError)
    ]
    assert numbers == [ROWS["u2"], ROWS["u1"], ROWS["u2"]]


async def test_a_database_with_numbers_for_ids(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'features.db'}"
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("create table f (id integer primary key, a float)"))
        connection.execute(sa.text("insert into f values (7, 0.5)"))
    made = open_adapter("sql", {"url": url, "table": "f", "id_column": "id"}, tmp_path)
    assert await made.fetch([{"i": "7"}, {"i": 7}, {"i": "7 or 1=1"}, {"i": None}]) == [
        {"a": 0.5},
        {"a": 0.5},
        None,
        None,
    ]
    await made.close()


async def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "features.csv"
    file.write_text("id,a\nu1,1\n")
    made = open_adapter("table", {"path": "features.csv", "id_column": "id"}, tmp_path)
    assert await made.fetch([{"i": "u1"}]) == [{"a": 1}]
    file.write_text("id,a\nu1,2\nu2,30\n")
    assert await made.fetch([{"i": "u1"}, {"i": "u2"}]) == [{"a": 2}, {"a": 30}]


@pytest.mark.parametrize(
    ("kind", "options", "names"),
    [
        ("sqll", {}, "Did you mean 'sql'"),
        ("table", {"path": "none.csv", "id_column": "id"}, "none.csv"),
        ("table", {"paht": "x"}, "paht"),
        ("http", {"url": "ftp://x"}, "ftp"),
        ("redis", {"url": "redis://x", "key": "f"}, "{id}"),
        ("sql", {"url": "nothing", "table": "t", "id_column": "id"}, "URL"),
    ],
)
def test_a_wrong_adapter_is_refused_when_it_is_opened(
    kind: str, options: dict[str, Any], names: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_adapter(kind, options, tmp_path)
    assert names in str(caught.value)


async def test_a_store_that_is_away_or_slow_is_a_code(sites: Sites, trained_lr: Trained) -> None:
    zips = trained_lr.zips(sites.folder / "zips")

    async def slow(request: web.Request) -> web.Response:
        import asyncio

        await asyncio.sleep(5)
        return web.json_response({})

    async with service(slow) as url:
        for number, options in enumerate(({"url": url}, {"url": "http://127.0.0.1:9/"})):
            store = {"kind": "http", "options": options, "timeout_seconds": 0.2}
            host = await sites.start(f"host{number}", (HOST,), adapter=store)
            await host.sources.from_file(zips[HOST], None)
            peers = [{"parties": [str(HOST)], "address": f"127.0.0.1:{host.ports['federation']}"}]
            guest = await sites.start(f"guest{number}", (GUEST,), peers=peers)
            loaded = await guest.sources.from_file(zips[GUEST], None)
            await guest.shelf.bind("credit", *loaded.key)
            answer = await sites.client(guest).score(features(trained_lr.tables[GUEST], 0), "u0")
            assert answer["retcode"] == 2116, answer
