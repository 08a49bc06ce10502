"""What the way through the gateways costs: two sites with a process each, mTLS, SQLite; the tasks are this process.

    python benchmarks/gateway.py [--json]

The baseline of each figure is a bare gRPC server of this run, with the same certificates and options, to which the same
bytes are sent: one call for a latency, one stream for a transfer.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import uvloop
import yaml

from fate_federated.errors import GatewayUnavailable
from fate_federated.gateway.client import ClientTls, GatewayClient, open_channel
from fate_federated.gateway.database import open_database
from fate_federated.gateway.job_store import add_job
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_federated.status import JobStatus, Presence
from fate_federated.transport.rpc import PART_BYTES, SIZE_OPTIONS
from fate_federated.wire.records import Job, JobFiles, JobParty, TaskRef
from report import Report, arguments

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
PARTIES = (GUEST, HOST)
JOB_ID = "20260101"
SMALL_ROUNDS, LARGE_BYTES, LARGE_ROUNDS, ATTEMPTS = 300, 64 << 20, 3, 25
ECHO, SINK = "/bench/echo", "/bench/sink"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--serve-echo", type=Path, help="used by the benchmark itself: a folder of certificates")
    options = parser.parse_args()
    if options.serve_echo:
        uvloop.run(serve_echo(options.serve_echo))
        return
    report = Report("Gateways of two sites", options.json)
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        sites = make_sites(folder, PARTIES)
        for site in sites.values():
            add_the_job(site)
            running.enter_context(process("-m", "fate_federated.gateway", "--site", str(site.home / "site.yaml")))
        running.enter_context(process(__file__, "--serve-echo", str(sites[GUEST].home)))
        clients = {party: running.enter_context(client(sites[party])) for party in PARTIES}
        address = wait_for_port(sites[GUEST].home / "echo.port")
        bare = running.enter_context(open_channel(address, tls(sites[GUEST])))
        wait_for_gateways(clients)

        echo = statistics.median(timed(lambda: bare.unary_unary(ECHO)(b"x" * 100), SMALL_ROUNDS))
        attempts(report, clients, echo)
        messages(report, clients, echo)
        transfers(report, clients, bare)
    report.print()


def attempts(report: Report, clients: dict[Party, GatewayClient], echo: float) -> None:
    """From the last task's join to the running attempt at both parties, and from the last report to the decision."""
    joins, decisions = [], []
    for number in range(ATTEMPTS):
        task = TaskRef(JOB_ID, f"component_{number}")
        guest = clients[GUEST].attend(task, GUEST, participants=PARTIES, instance=f"guest/{number}")
        guest.wait_running(0.05)
        began = time.perf_counter()
        host = clients[HOST].attend(task, HOST, participants=PARTIES, instance=f"host/{number}")
        host.wait_running(10)
        guest.wait_running(10)
        joins.append(time.perf_counter() - began)
        guest.report(Presence.SUCCEEDED)
        began = time.perf_counter()
        host.report(Presence.SUCCEEDED)
        host.wait_decided()
        guest.wait_decided()
        decisions.append(time.perf_counter() - began)
    report.add("last join to running at both, p50", 1e3 * statistics.median(joins), "ms", 1e3 * echo)
    report.add("last report to decided at both, p50", 1e3 * statistics.median(decisions), "ms", 1e3 * echo)


def messages(report: Report, clients: dict[Party, GatewayClient], echo: float) -> None:
    """A message of 1 kB, pushed by one task and then pulled by the other."""
    with running_attempt(clients, "messages") as task:
        guest = clients[GUEST].transport(task, 1, GUEST)
        host = clients[HOST].transport(task, 1, HOST)
        value = np.zeros(125)
        pushes, pulls = [], []
        for number in range(SMALL_ROUNDS):
            began = time.perf_counter()
            guest.push(HOST, str(number), value)
            pushed = time.perf_counter()
            host.pull(GUEST, str(number))
            pushes.append(pushed - began)
            pulls.append(time.perf_counter() - pushed)
    report.add("push 1 kB to the peer's disk, p50", 1e3 * statistics.median(pushes), "ms", 1e3 * echo)
    report.add("pull 1 kB, p50", 1e3 * statistics.median(pulls), "ms", 1e3 * echo)


def transfers(report: Report, clients: dict[Party, GatewayClient], bare: grpc.Channel) -> None:
    """A message of 64 MiB from task to task, the receiver waiting for it."""
    value = np.random.default_rng(0).integers(0, 256, LARGE_BYTES, dtype="u1")
    rates = []
    with running_attempt(clients, "transfers") as task:
        guest = clients[GUEST].transport(task, 1, GUEST)
        host = clients[HOST].transport(task, 1, HOST)
        for number in range(LARGE_ROUNDS):
            pull = threading.Thread(target=host.pull, args=(GUEST, str(number)))
            pull.start()
            began = time.perf_counter()
            guest.push(HOST, str(number), value)
            pull.join()
            rates.append(LARGE_BYTES / 1e6 / (time.perf_counter() - began))

    def stream() -> None:
        parts = (bytes(value[at : at + PART_BYTES].data) for at in range(0, LARGE_BYTES, PART_BYTES))
        bare.stream_unary(SINK)(parts)

    upload = LARGE_BYTES / 1e6 / statistics.median(timed(stream, LARGE_ROUNDS))
    report.add("64 MiB from task to task", statistics.median(rates), "MB/s", upload, more_is_better=True)


@contextmanager
def running_attempt(clients: dict[Party, GatewayClient], component: str) -> Iterator[TaskRef]:
    task = TaskRef(JOB_ID, component)
    attendances = [clients[p].attend(task, p, participants=PARTIES, instance=f"{p}/{component}") for p in PARTIES]
    for attendance in attendances:
        attendance.wait_running(10)
    yield task
    for attendance in attendances:
        attendance.report(Presence.SUCCEEDED)
    for attendance in attendances:
        attendance.wait_decided(10)


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def make_sites(folder: Path, parties: Sequence[Party]) -> dict[Party, SiteSettings]:
    """Sites of one party each that know each other."""
    authority = make_authority("benchmark")
    ports = {party: free_port() for party in parties}
    sites = {}
    for party in parties:
        home = folder / str(party)
        home.mkdir()
        certificate, key = issue_certificate(*authority, str(party), (party,), ["127.0.0.1"])
        files = {"certificate": certificate, "private_key": key, "authority": authority[0]}
        for name, content in files.items():
            (home / name).write_bytes(content)
        content = {
            "name": str(party),
            "parties": [str(party)],
            "gateway": {"listen": f"127.0.0.1:{ports[party]}"},
            "tls": {name: str(home / name) for name in files},
            "peers": [
                {"address": f"127.0.0.1:{ports[other]}", "parties": [str(other)]} for other in parties if other != party
            ],
        }
        (home / "site.yaml").write_text(yaml.safe_dump(content))
        sites[party] = SiteSettings.model_validate({**content, "home": home})
    return sites


def add_the_job(site: SiteSettings) -> None:
    """A job that both sites have in common."""
    parties = tuple(JobParty(party, f"job.{party}", JobStatus.RUNNING) for party in PARTIES)
    job = Job(JOB_ID, "job", "run", GUEST, parties, JobStatus.RUNNING, "", 1.0, 0.0)
    database = open_database(site.database_url)
    run_ids = dict.fromkeys(PARTIES, "run")
    asyncio.run(database.run(lambda session: add_job(session, job, JobFiles("job", "{}", "{}"), run_ids)))
    database.close()


def tls(site: SiteSettings) -> ClientTls:
    return ClientTls(*((site.home / name).read_bytes() for name in ("certificate", "private_key", "authority")))


def client(site: SiteSettings) -> GatewayClient:
    address = site.gateway.listen
    return GatewayClient(open_channel(address, tls(site)), address, patience_seconds=60)


def wait_for_gateways(clients: dict[Party, GatewayClient]) -> None:
    for one in clients.values():
        try:
            one.site()
        except GatewayUnavailable as error:
            raise SystemExit(f"a gateway did not start: {error}") from error


def wait_for_port(file: Path) -> str:
    deadline = time.monotonic() + 60
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit("the bare server did not start")
        time.sleep(0.05)
    return f"127.0.0.1:{file.read_text()}"


@contextmanager
def process(*arguments: str) -> Iterator[None]:
    """A Python process, ended with the block."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


async def serve_echo(home: Path) -> None:
    """The bare server: answers a call with what it was sent, and a stream with nothing."""

    async def echo(request: bytes, context: object) -> bytes:
        return request

    async def sink(parts: object, context: object) -> bytes:
        async for _ in parts:  # type: ignore[attr-defined]
            pass
        return b""

    methods = {"echo": grpc.unary_unary_rpc_method_handler(echo), "sink": grpc.stream_unary_rpc_method_handler(sink)}
    server = grpc.aio.server(options=SIZE_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", methods),))
    files = [(home / name).read_bytes() for name in ("private_key", "certificate", "authority")]
    credentials = grpc.ssl_server_credentials([(files[0], files[1])], files[2], require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    (home / "echo.new").write_text(str(port))
    (home / "echo.new").rename(home / "echo.port")
    await server.wait_for_termination()


if __name__ == "__main__":
    main()
