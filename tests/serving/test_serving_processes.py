"""Serving as it is run: processes, mTLS, several hosts, code of one's own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pyarrow.csv as pa_csv
import pytest
import yaml
from serving_models import ARBITER, GUEST, HOST, SECOND_HOST, Trained, features, rows, start, step, train
from serving_sites import Client, Sites, serve
from typer.testing import CliRunner

from fate_federated.cli.main import app
from fate_federated.errors import ConfigError
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_serving.processors import Processors
from fate_serving.server import build
from fate_serving.settings import ServingSettings, load_settings


def free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


@asynccontextmanager
async def process(home: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "fate_serving", "--site", str(home)]
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(60):
            while True:
                assert running.poll() is None, (home / "log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0, (home / "log").read_text()


async def test_two_processes_share_a_port_and_a_command_loads_and_asks(tmp_path: Path, trained_lr: Trained) -> None:
    listen, http, federation = free_ports(3)
    zips = trained_lr.zips(tmp_path / "zips")
    pa_csv.write_csv(trained_lr.tables[HOST].data, tmp_path / "host.csv")
    (tmp_path / "site.yaml").write_text(yaml.safe_dump({"name": "both", "parties": [str(GUEST), str(HOST)]}))
    said = {
        "listen": f"127.0.0.1:{listen}",
        "http": f"127.0.0.1:{http}",
        "federation": f"127.0.0.1:{federation}",
        "workers": 2,
        "adapter": {"kind": "table", "options": {"path": "host.csv", "id_column": "id"}},
    }
    (tmp_path / "serving.yaml").write_text(yaml.safe_dump(said))

    async def fate(*arguments: str) -> str:
        command = ["serving", *arguments, "--site", str(tmp_path)]
        done = await asyncio.to_thread(CliRunner().invoke, app, command)
        assert done.exit_code == 0, done.output
        return done.output

    async with process(tmp_path, listen) as parent:
        await fate("load", str(zips[HOST]), "--party", str(HOST))
        await fate("load", str(zips[GUEST]), "--bind", "credit")
        assert "credit" in await fate("list", "--json")
        children = {int(pid) for pid in _children(parent.pid)}
        assert len(children) == 2
        table, scores = trained_lr.tables[GUEST], set()
        for _ in range(24):  # a new connection each time: the kernel gives it to either process
            async with grpc.aio.insecure_channel(
                f"127.0.0.1:{listen}", (("grpc.use_local_subchannel_pool", 1),)
            ) as channel:
                answer = await Client(channel).score(features(table, 1), "u1")
                assert answer["retcode"] == 0, answer
                scores.add(answer["data"]["score"])
        assert len(scores) == 1
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{http}/metrics") as reply:
            numbers = await reply.text()
        assert 'fate_serving_request_seconds_count{call="inference",service="credit"} 24.0' in numbers
        os.kill(children.pop(), signal.SIGKILL)
        async with asyncio.timeout(60):
            while len(_children(parent.pid)) < 2 or not children < {int(pid) for pid in _children(parent.pid)}:
                await asyncio.sleep(0.1)
        assert '"retcode": 0' in await fate("score", "credit", _json(features(table, 1)), _json({"device_id": "u1"}))
    assert _children(parent.pid) == []


async def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    ports = free_ports(3)
    (tmp_path / "site.yaml").write_text(yaml.safe_dump({"name": "alone", "parties": [str(GUEST)]}))
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(("listen", "http", "federation"), ports, strict=True)}
    (tmp_path / "serving.yaml").write_text(yaml.safe_dump({**addresses, "workers": 2}))
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "fate_serving", "--site", str(tmp_path)]
        parent = subprocess.Popen(command, stdout=log, stderr=log)
    async with asyncio.timeout(60):
        while (tmp_path / "log").read_text().count(" ready\n") < 2:
            await asyncio.sleep(0.05)
    workers = _children(parent.pid)
    parent.kill()
    parent.wait()
    async with asyncio.timeout(20):
        while any(_alive(pid) for pid in workers):
            await asyncio.sleep(0.05)
    assert (tmp_path / "log").read_text().count("is gone") == len(workers) == 2


def _alive(pid: str) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children(pid: int) -> list[str]:
    file = Path(f"/proc/{pid}/task/{pid}/children")
    return file.read_text().split() if file.exists() else []


def _json(said: Mapping[str, Any]) -> str:
    import json

    return json.dumps(said)


def certified(folder: Path, party: Party, authority: tuple[bytes, bytes]) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    certificate, key = issue_certificate(*authority, str(party), [party], ["localhost", "127.0.0.1"])
    for name, content in (("certificate", certificate), ("private_key", key), ("authority", authority[0])):
        (folder / name).write_bytes(content)
    return {name: name for name in ("certificate", "private_key", "authority")}


async def test_sites_know_each_other_by_certificates(sites: Sites, trained_lr: Trained) -> None:
    zips = trained_lr.zips(sites.folder / "zips")
    authority, stranger = make_authority("ours"), make_authority("other")
    pa_csv.write_csv(trained_lr.tables[HOST].data, sites.folder / "host.csv")
    adapter = {"kind": "table", "options": {"path": str(sites.folder / "host.csv"), "id_column": "id"}}
    tls = certified(sites.folder / "host", HOST, authority)
    host = await sites.start("host", (HOST,), tls=tls, adapter=adapter)
    await host.sources.from_file(zips[HOST], None)
    peers = [{"parties": [str(HOST)], "address": f"localhost:{host.ports['federation']}"}]
    other = Party.parse("guest-8888")
    for number, (whose, by, protocol, code) in enumerate(
        [
            (GUEST, authority, "fate_federated", 0),
            (GUEST, authority, "fate_serving", 0),
            (other, authority, "fate_federated", 2129),
            (other, authority, "fate_serving", 2129),
            (GUEST, stranger, "fate_federated", 2105),
        ]
    ):
        name = f"guest{number}"
        tls = certified(sites.folder / name, whose, by)
        guest = await sites.start(
            name, (whose,), tls=tls, peers=[{**peers[0], "protocol": protocol}], timeout_seconds=1
        )
        guest.sources._parties = ()  # it lays hands on another's part
        loaded = await guest.sources.from_file(zips[GUEST], None)
        await guest.shelf.bind("credit", *loaded.key)
        answer = await sites.client(guest).score(features(trained_lr.tables[GUEST], 0), "u0")
        assert answer["retcode"] == code, (number, answer)


async def test_several_hosts_have_their_part(sites: Sites) -> None:
    parties = (GUEST, HOST, SECOND_HOST, ARBITER)
    components = {**start(), "model_0": step("HeteroLR", "train_data", "intersection_0.data")}
    params = {"model_0": {"max_iter": 2, "encrypt_param": {"key_length": 1024}}}
    trained = train(components, params, rows(40, hosts=(HOST, SECOND_HOST)), parties=parties)
    zips = trained.zips(sites.folder / "zips")
    first = await sites.host(trained.tables[HOST])
    second = await sites.host(trained.tables[SECOND_HOST].take(trained_rows(20)), SECOND_HOST, "second")
    for serving, party in ((first, HOST), (second, SECOND_HOST)):
        await serving.sources.from_file(zips[party], None)
    guest = await sites.guest((HOST, first), (SECOND_HOST, second))
    loaded = await guest.sources.from_file(zips[GUEST], None)
    await guest.shelf.bind("credit", *loaded.key)
    client, table = sites.client(guest), trained.tables[GUEST]
    offline = trained.predicted(trained.tables, "model_0").data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))
    batch = [
        {"index": row, "featureData": features(table, row), "sendToRemoteFeatureData": {"device_id": f"u{row}"}}
        for row in (3, 30)
    ]
    answer = await client.ask("batchInference", {"serviceId": "credit", "batchDataList": batch})
    known, unknown = answer["batchDataList"]
    assert known["data"]["score"] == pytest.approx(expected["u3"], abs=1e-9)
    assert (unknown["retcode"], "host-10001" in unknown["retmsg"]) == (2113, True)
    await sites.stop(second)
    answer = await client.score(features(table, 3), "u3")
    assert (answer["retcode"], "host-10001" in answer["retmsg"]) == (2105, True)


def trained_rows(count: int) -> Any:
    import numpy as np

    return np.arange(count)


class Doubling:
    """Takes half of a feature, and adds a word to the answer."""

    async def before(self, service_id: str, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("fail"):
            raise RuntimeError("a secret")
        halved = {**body["featureData"], "g1": body["featureData"]["g1"] / 2}
        return {**body, "featureData": halved}

    async def after(self, service_id: str, body: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "word": f"from {service_id}"}


async def test_processors_change_requests_and_answers(
    sites: Sites, trained_lr: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    pair = await serve(sites, trained_lr)
    row = features(trained_lr.tables[GUEST], 0)
    plain = await pair.client.score(row, "u0")
    pair.guest.applications._processors = Processors([("doubling", "1.2", Doubling())])
    changed = await pair.client.score({**row, "g1": 2 * row["g1"]}, "u0")
    assert changed["data"]["score"] == pytest.approx(plain["data"]["score"], abs=1e-12)
    assert changed["word"] == "from credit"
    assert pair.guest.applications._processors.versions == {"doubling": "1.2"}
    said = {"serviceId": "credit", "featureData": row, "sendToRemoteFeatureData": {"device_id": "u0"}, "fail": True}
    with caplog.at_level(logging.ERROR):
        answer = await pair.client.ask("inference", said)
    assert (answer["retcode"], "secret" in answer["retmsg"], "doubling" in answer["retmsg"]) == (110, False, True)
    with pytest.raises(ConfigError, match="nobody"):
        Processors.named(["nobody"])


async def test_the_access_log_has_the_case_and_no_feature(
    sites: Sites, trained_lr: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    pair = await serve(sites, trained_lr)
    row = {**features(trained_lr.tables[GUEST], 0), "g1": 0.123456789}
    said = {"serviceId": "credit", "caseId": "case-77", "featureData": row, "sendToRemoteFeatureData": {"i": "u0"}}
    with caplog.at_level(logging.INFO, logger="fate_serving.access"):
        await pair.client.ask("inference", said)
        pair.guest.applications.flush_log()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "fate_serving.access"]
    _, line = message.splitlines()
    _, call, _, case, service, version, code, *_ = line.split("|")
    assert (call, case, service, code) == ("inference", "case-77", "'credit'", "0")
    assert version == "202611210700000000010"
    assert "0.123456789" not in line
    assert "u0" not in line
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="fate_serving.access"):
        await pair.client.ask("inference", {**said, "caseId": "a|b", "serviceId": "c|d"})
        pair.guest.applications.flush_log()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "fate_serving.access"]
    assert message.splitlines()[1].split("|")[3:5] == ["a%7Cb", "'c%7Cd'"], "who asks makes no columns of its own"


async def test_requests_in_progress_are_answered_when_a_process_stops(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    row = features(trained_lr.tables[GUEST], 0)
    asked = [asyncio.create_task(pair.client.score(row, "u0")) for _ in range(20)]
    async with asyncio.timeout(10):
        while not pair.guest.applications.in_progress:
            await asyncio.sleep(0)
    await sites.stop(pair.guest)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    codes = {answer["retcode"] for answer in answers if isinstance(answer, dict)}
    assert codes <= {0, 111}
    assert 0 in codes


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("listen: [", "serving.yaml"),
        ("- 1", "mapping"),
        ("lissten: x", "lissten"),
        ("workers: 0", "workers"),
        ("federation: 0.0.0.0:1", "tls"),
        ("peers: [{parties: [boss-1], address: 'x:1'}]", "boss-1"),
        ("peers: [{parties: [host-1], address: 'x:1'}]", "tls"),
    ],
)
def test_a_wrong_configuration_names_the_key(said: str, names: str, tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text(said)
    with pytest.raises(ConfigError) as caught:
        load_settings(SiteSettings(name="s", parties=("guest-1",), home=tmp_path))
    assert names in str(caught.value)


def test_an_unknown_adapter_ends_the_start(tmp_path: Path) -> None:
    site = SiteSettings(name="s", parties=("host-1",), home=tmp_path)
    with pytest.raises(ConfigError, match="sqll"):
        build(site, ServingSettings.model_validate({"adapter": {"kind": "sqll"}, "home": tmp_path}))
