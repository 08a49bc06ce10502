"""How fast scores come: a guest's and a host's serving process on this machine, asked over gRPC by this process.

    python benchmarks/serving.py [--json] [--seconds 4] [--soak SECONDS]

The baseline is a chain of two bare gRPC servers of this run, of which the first passes on to the second what it is
sent. They have the same event loop, and the messages are as long.

This process takes longer over a call than the guest does where the guest has the answer already. So hits of the cache
are asked for by h2load (Debian's package nghttp2-client) where it is installed, of a guest with one process for each
core, and so is the bare server beside it. The guest's own count of return codes says that all were answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import uvloop
import yaml

from fate_federated.party import Party
from fate_federated.pb.model import boosting_tree_pb2, data_transform_pb2, feature_scale_pb2, linear_model_pb2
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.archive import ArchiveAbout, write_archive
from fate_federated.registry.layout import DEFINE, META, PARAM, PIPELINE, Buffer, buffer_name, buffer_path, define_text
from fate_federated.task.model import Model
from fate_serving.pb import model_service_pb2
from fate_serving.pb.inference_service_pb2 import InferenceMessage
from fate_serving.pb.inference_service_pb2_grpc import InferenceServiceStub
from fate_serving.pb.model_service_pb2_grpc import ModelServiceStub
from report import Report, arguments

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
MODEL_ID = "guest-9999#host-10000#bench"
OWN, THEIRS = [f"x{place}" for place in range(10)], [f"z{place}" for place in range(20)]
ROWS, BATCH, TREES, DEPTH, MODELS = 5000, 300, 50, 5, 20
ECHO = "/bench/echo"
INFERENCE = "/com.webank.ai.fate.api.serving.InferenceService/inference"
READY_SECONDS = 60.0
HIT_ROWS, HIT_CONNECTIONS, HIT_FLIGHT = 4, 4, 4
"""Rows that are asked for at once, connections for each, and requests in flight on each of these."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds at 70 %% of the maximum; 0 for none")
    given = parser.parse_args()
    if os.environ.get("BENCH_ECHO"):
        uvloop.run(_echo(os.environ["BENCH_ECHO"], os.environ.get("BENCH_NEXT", "")))
        return
    report = Report("Serving", given.json)
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(report, Path(folder), given.seconds, given.soak))
    report.print()


async def measure(report: Report, folder: Path, seconds: float, soak: float) -> None:
    zips = _parts(folder)
    _features(folder / "features.parquet")
    ports = _ports(8)
    last, first = f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
    with ExitStack() as stack:
        stack.enter_context(_process({"BENCH_ECHO": last}))
        stack.enter_context(_process({"BENCH_ECHO": first, "BENCH_NEXT": last}))
        for port in ports[:2]:
            await _await_port(port)
        body = orjson.dumps(_single(0))
        async with grpc.aio.insecure_channel(first) as channel:
            call = channel.unary_unary(ECHO)
            alone = await _latencies(lambda place: call(body), seconds)
            chain = await _rate(lambda place: call(body), 64, seconds)
        report.add("echo chain, one in flight, p50", 1000 * _quantile(alone, 0.5), "ms")
        report.add("echo chain, 64 in flight", chain, "requests/s")
    with ExitStack() as stack:
        host = _site(folder / "host", HOST, ports[2:5], {
            "adapter": {"kind": "table", "options": {"path": str(folder / "features.parquet"), "id_column": "id"}},
        })  # fmt: skip
        peers = [{"parties": [str(HOST)], "address": f"127.0.0.1:{ports[4]}"}]
        guest = _site(folder / "guest", GUEST, ports[5:8], {"peers": peers})
        pids = [stack.enter_context(_serving(site)) for site in (host, guest)]
        for port in (ports[4], ports[5]):
            await _await_port(port)
        await _load(ports[2], zips, HOST)
        await _load(ports[5], zips, GUEST)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[5]}") as channel:
            stub = InferenceServiceStub(channel)
            await _measure_requests(report, stub, seconds, alone, chain)
            if soak:
                await _soak(report, stub, pids, soak)
    with ExitStack() as stack:
        cached = {"peers": peers, "cache": {"seconds": 600, "rows": 100_000}}
        _site(guest, GUEST, ports[5:8], cached)
        for site in (host, guest):
            stack.enter_context(_serving(site))
        start = time.perf_counter()
        await _await_port(ports[5])
        report.add(f"restart to ready, {MODELS} models", time.perf_counter() - start, "s")
        await _await_port(ports[4])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[5]}") as channel:
            stub = InferenceServiceStub(channel)
            hit = await _rate(_asking(stub, "lr", 64), 64, seconds)
            report.add("cache hit, one process, asked by this one", hit, "requests/s", chain, more_is_better=True)
    if shutil.which("h2load") is None:
        print("h2load is not installed (Debian: nghttp2-client): hits of several processes are not measured")
        return
    processes = os.cpu_count() or 1
    with ExitStack() as stack:
        echoes = [stack.enter_context(_process({"BENCH_ECHO": last})) for _ in range(processes)]
        await _await_port(ports[0])
        await asyncio.sleep(1)  # for all of those that share the port
        echo = _hammer(folder, ports[0], ECHO, echoes, seconds)
    with ExitStack() as stack:
        _site(guest, GUEST, ports[5:8], {**cached, "workers": processes})
        _, pid = [stack.enter_context(_serving(site)) for site in (host, guest)]
        async with asyncio.timeout(READY_SECONDS):
            while (guest / "log").read_text().count(" ready\n") < processes:
                await asyncio.sleep(0.05)
        workers = [child.pid for child in psutil.Process(pid).children()]
        await _await_port(ports[4])
        _hammer(folder, ports[5], INFERENCE, workers, 1)  # what is not kept yet is asked for
        before = _codes(ports[6])
        hits = _hammer(folder, ports[5], INFERENCE, workers, seconds)
        answered = {code: count - before.get(code, 0) for code, count in _codes(ports[6]).items()}
    good = answered.pop("0", 0)
    assert not any(answered.values()), answered
    assert good >= hits.requests, (good, hits)
    for name, found, base in (("bare gRPC echo", echo, None), ("cache hit", hits, echo)):
        named = f"{name}, {processes} processes, {HIT_ROWS * HIT_CONNECTIONS * HIT_FLIGHT} in flight"
        report.add(named, found.rate, "requests/s", base and base.rate, more_is_better=True)
        report.add(f"{name}, CPU of the server for one", found.cpu * 1e6, "µs", base and base.cpu * 1e6)


async def _measure_requests(
    report: Report, stub: InferenceServiceStub, seconds: float, echo: list[float], chain: float
) -> None:
    one = await _latencies(_asking(stub, "lr", ROWS), seconds)
    report.add("HeteroLR, one in flight, p50", 1000 * _quantile(one, 0.5), "ms", 1000 * _quantile(echo, 0.5))
    report.add("HeteroLR, one in flight, p99", 1000 * _quantile(one, 0.99), "ms", 1000 * _quantile(echo, 0.99))
    for model in ("lr", "trees"):
        before = _cpu()
        rate = await _rate(_asking(stub, model, ROWS), 64, seconds)
        report.add(f"{model}, 64 in flight", rate, "requests/s", chain, more_is_better=True)
        report.add(f"{model}, this client's share of the CPU", 100 * (_cpu() - before) / seconds, "%")
    for model in ("lr", "trees"):
        for flight in (1, 4):
            rate = await _rate(_batching(stub, model), flight, seconds)
            report.add(f"{model}, batches of {BATCH}, {flight} in flight", rate * BATCH, "rows/s")


async def _soak(report: Report, stub: InferenceServiceStub, pids: list[int], seconds: float) -> None:
    most = await _rate(_asking(stub, "lr", ROWS), 64, 3)
    memory = [psutil.Process(pid).memory_info().rss for pid in pids]
    rate, ask, sent = 0.7 * most, _asking(stub, "lr", ROWS), 0
    failures: Counter[str] = Counter()
    start = time.perf_counter()
    waiting: set[asyncio.Task[Any]] = set()
    while (passed := time.perf_counter() - start) < seconds:
        while sent < passed * rate:
            task = asyncio.ensure_future(ask(sent))
            waiting.add(task)
            sent += 1
        await asyncio.sleep(0.005)
        done = {task for task in waiting if task.done()}
        failures.update(_failure(task) for task in done if task.exception() is not None)
        waiting -= done
    await asyncio.gather(*waiting, return_exceptions=True)
    failures.update(_failure(task) for task in waiting if task.exception() is not None)
    report.add("soak, requests", sent, "requests")
    report.add("soak, rate", rate, "requests/s", most)
    report.add("soak, failures", failures.total(), "requests")
    for why, count in failures.most_common(5):
        report.add(f"soak, failures: {why}", count, "requests")
    for name, pid, before in zip(("host", "guest"), pids, memory, strict=True):
        report.add(f"soak, growth of the {name}", (psutil.Process(pid).memory_info().rss - before) / 1e6, "MB")


@dataclass(frozen=True)
class Hammered:
    """What h2load found.

    Attributes:
        requests: answered while it was measured.
        rate: requests for a second.
        cpu: seconds that the servers worked for one request.
    """

    requests: int
    rate: float
    cpu: float


def _hammer(folder: Path, port: int, path: str, servers: Sequence[int], seconds: float) -> Hammered:
    """Ask for the same few rows as fast as they are answered."""
    commands = []
    for row in range(HIT_ROWS):
        message = InferenceMessage(body=orjson.dumps(_single(row))).SerializeToString()
        file = folder / f"row{row}"
        file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        commands.append(
            ["h2load", f"--duration={seconds:g}", "-t1", f"-c{HIT_CONNECTIONS}", f"-m{HIT_FLIGHT}", f"--data={file}",
             "-Hcontent-type: application/grpc", "-Hte: trailers", f"http://127.0.0.1:{port}{path}"]
        )  # fmt: skip
    worked, start = _cpu_of(servers), time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    texts = [process.communicate()[0] for process in running]
    passed, worked = time.perf_counter() - start, _cpu_of(servers) - worked
    requests = 0
    for text in texts:
        found = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", text)
        assert found is not None, text
        assert found[1] == found[2], text
        requests += int(found[2])
    return Hammered(requests, requests / passed, worked / requests)


def _cpu_of(pids: Sequence[int]) -> float:
    used = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in used)


def _codes(port: int) -> dict[str, float]:
    """How often the guest has answered each return code."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    found = re.findall(r'^fate_serving_answers_total\{.*code="(\d+)".*\} ([\d.e+]+)$', text, re.MULTILINE)
    return {code: float(count) for code, count in found}


def _failure(task: asyncio.Task[Any]) -> str:
    """Why a request failed, without what differs from one to the next."""
    return re.sub(r"[0-9a-f]{32}", "…", str(task.exception()))[:160]


def _asking(stub: InferenceServiceStub, model: str, distinct: int) -> Callable[[int], Awaitable[Any]]:
    bodies = [orjson.dumps({**_single(place), "serviceId": model}) for place in range(distinct)]

    async def ask(place: int) -> None:
        reply = await stub.inference(InferenceMessage(body=bodies[place % distinct]))
        assert b'"retcode":0' in reply.body, reply.body

    return ask


def _batching(stub: InferenceServiceStub, model: str) -> Callable[[int], Awaitable[Any]]:
    bodies = []
    for first in range(0, ROWS - BATCH, BATCH):
        rows = [{"index": place, **_row(first + place)} for place in range(BATCH)]
        bodies.append(orjson.dumps({"serviceId": model, "batchDataList": rows}))

    async def ask(place: int) -> None:
        reply = await stub.batchInference(InferenceMessage(body=bodies[place % len(bodies)]))
        said = orjson.loads(reply.body)
        assert not any(row["retcode"] for row in said["batchDataList"]), said

    return ask


def _row(place: int) -> dict[str, Any]:
    values = np.random.default_rng(place).normal(size=len(OWN)).tolist()
    return {
        "featureData": dict(zip(OWN, values, strict=True)),
        "sendToRemoteFeatureData": {"device_id": f"u{place}"},
    }


def _single(place: int) -> dict[str, Any]:
    return {"serviceId": "lr", **_row(place)}


async def _latencies(ask: Callable[[int], Awaitable[Any]], seconds: float) -> list[float]:
    for place in range(100):
        await ask(place)
    found, end, place = [], time.perf_counter() + seconds, 0
    while (start := time.perf_counter()) < end:
        await ask(place)
        found.append(time.perf_counter() - start)
        place += 1
    return found


async def _rate(ask: Callable[[int], Awaitable[Any]], flight: int, seconds: float) -> float:
    """Calls per second."""
    done = 0

    async def work(first: int) -> None:
        nonlocal done
        place = first
        while time.perf_counter() < end:
            await ask(place)
            place += flight
            done += 1

    end = time.perf_counter() + min(1.0, seconds)
    await asyncio.gather(*(work(place) for place in range(flight)))
    done, start = 0, time.perf_counter()
    end = start + seconds
    await asyncio.gather(*(work(place) for place in range(flight)))
    return done / (time.perf_counter() - start)


def _quantile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000)[round(share * 1000) - 1]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _echo(address: str, following: str) -> None:
    channel = grpc.aio.insecure_channel(following) if following else None
    call = channel.unary_unary(ECHO) if channel is not None else None

    async def echo(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return request if call is None else await call(request)

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", {"echo": handler})])
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


@contextmanager
def _process(environment: dict[str, str]) -> Iterator[int]:
    with subprocess.Popen([sys.executable, __file__], env={**os.environ, **environment}) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def _serving(site: Path) -> Iterator[int]:
    with (site / "log").open("wb") as log:
        command = [sys.executable, "-m", "fate_serving", "--site", str(site)]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)


def _site(home: Path, party: Party, ports: list[int], settings: dict[str, Any]) -> Path:
    home.mkdir(exist_ok=True)
    (home / "site.yaml").write_text(yaml.safe_dump({"name": home.name, "parties": [str(party)]}))
    addresses = dict(zip(("listen", "http", "federation"), (f"127.0.0.1:{port}" for port in ports), strict=True))
    (home / "serving.yaml").write_text(yaml.safe_dump({**addresses, **settings}))
    return home


def _ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


async def _await_port(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def _load(port: int, zips: dict[tuple[str, Party], Path], party: Party) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ModelServiceStub(channel)
        local = model_service_pb2.LocalInfo(role=str(party.role), partyId=party.party_id)
        for (model, whose), file in zips.items():
            if whose != party:
                continue
            request = model_service_pb2.PublishRequest(local=local, filePath=str(file))
            reply = await stub.publishLoad(request, timeout=30)
            assert reply.statusCode == 0, reply.message
            if party == GUEST:
                request = model_service_pb2.PublishRequest(local=local, serviceId=model, **json.loads(reply.data))
                reply = await stub.publishBind(request, timeout=30)
                assert reply.statusCode == 0, reply.message


def _features(file: Path) -> None:
    random = np.random.default_rng(1)
    columns = {name: random.normal(size=ROWS) for name in THEIRS}
    pq.write_table(pa.table({"id": [f"u{place}" for place in range(ROWS)], **columns}), file)


def _parts(folder: Path) -> dict[tuple[str, Party], Path]:
    """Both parties' parts of a linear model and of one of trees, drawn at random."""
    random = np.random.default_rng(0)
    found = {}
    forests = _forest(random)
    for number in range(MODELS):
        name, version = ("lr", "trees")[number % 2], str(number + 1)
        for party, header in ((GUEST, OWN), (HOST, THEIRS)):
            if name == "lr":
                module, meta = "HeteroLR", linear_model_pb2.LRModelMeta(threshold=0.5)
                weights = dict(zip(header, random.normal(size=len(header)).tolist(), strict=True))
                param = linear_model_pb2.LRModelParam(weight=weights, header=header, classes=[0, 1])
            else:
                module, meta = "HeteroSecureBoost", boosting_tree_pb2.BoostingTreeModelMeta(learning_rate=0.3)
                param = forests[party]
            models = {
                "transform": Model(
                    "DataTransform",
                    data_transform_pb2.DataTransformMeta(input_format="dense", data_type="float64"),
                    data_transform_pb2.DataTransformParam(header=header),
                ),
                "scale": Model(
                    "FeatureScale",
                    feature_scale_pb2.ScaleMeta(method="standard_scale", scale_cols=header),
                    feature_scale_pb2.ScaleParam(
                        header=header,
                        col_scale_param={
                            each: feature_scale_pb2.ColumnScaleParam(column_upper=3, column_lower=-3, mean=0.1, std=1.1)
                            for each in header
                        },
                    ),
                ),
                name: Model(module, meta, param),
            }
            service = name if number < 2 else f"{name}-{version}"
            found[service, party] = _zip(folder / f"{service}-{party}.zip", party, version, models)
    return found


def _zip(file: Path, party: Party, version: str, models: dict[str, Model]) -> Path:
    content, buffers, components, source = {}, [], {}, "args.eval_data"
    for component, model in models.items():
        for kind, message in ((META, model.meta), (PARAM, model.param)):
            path = buffer_path(component, "model", buffer_name(model.module, party, kind))
            content[path] = message.SerializeToString()
            buffers.append(Buffer(component, "model", model.module, kind, path, message.DESCRIPTOR.name))
        components[component] = {
            "module": model.module,
            "input": {"data": {"data": [source]}, "model": [f"pipeline.{component}.model"]},
        }
        source = f"{component}.data"
    content[DEFINE] = define_text(buffers)
    content[PIPELINE] = Pipeline(inference_dsl=json.dumps({"components": components}).encode()).SerializeToString()
    about = ArchiveAbout(MODEL_ID, version, str(party), str(GUEST), (str(GUEST), str(HOST)), version)

    def nothing() -> Any:
        raise AssertionError("all files have their content")

    with file.open("wb") as target:
        write_archive(target, about, dict.fromkeys(content, nothing), content)
    return file


def _forest(random: np.random.Generator) -> dict[Party, boosting_tree_pb2.BoostingTreeModelParam]:
    headers = {GUEST: OWN, HOST: THEIRS}
    found = {
        party: boosting_tree_pb2.BoostingTreeModelParam(
            tree_num=TREES, tree_dim=1, num_classes=2, classes_=["0", "1"], labels=[0, 1], init_score=[0.0],
            feature_name_fid_mapping=dict(enumerate(header)),
        )
        for party, header in headers.items()
    }  # fmt: skip
    inner = 2**DEPTH - 1
    for _ in range(TREES):
        trees = {party: param.trees_.add() for party, param in found.items()}
        for node in range(2 * inner + 1):
            if node >= inner:
                weight = float(random.normal())
                trees[GUEST].tree_.add(id=node, is_leaf=True, weight=weight, left_nodeid=-1, right_nodeid=-1)
                continue
            party = GUEST if random.random() < 1 / 3 else HOST
            site = f"{party.role}:{party.party_id}"
            children = {"left_nodeid": 2 * node + 1, "right_nodeid": 2 * node + 2}
            feature = int(random.integers(len(headers[party])))
            for whose, tree in trees.items():
                if whose == party:
                    tree.tree_.add(id=node, sitename=site, fid=feature, bid=0, **children)
                    tree.split_maskdict[node] = float(random.normal() / 2)
                elif whose == GUEST:
                    tree.tree_.add(id=node, sitename=site, fid=-1, bid=-1, **children)
    return found


if __name__ == "__main__":
    main()
