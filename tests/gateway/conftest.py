"""Federations of real gateways on this machine's loopback, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from tests.gateway.airflow_server import PASSWORD, AirflowServer

from fate_federated.gateway.client import Attendance, ClientTls, GatewayClient, open_channel
from fate_federated.gateway.database import open_database
from fate_federated.gateway.server import Gateway, build_gateway
from fate_federated.gateway.tables import Tables
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_federated.wire.records import Attempt, Job, JobFiles, TableRecord, TaskRef

T = TypeVar("T")

GUEST, HOST, ARBITER = (Party.parse(name) for name in ("guest-9999", "host-10000", "arbiter-10000"))
ALL = (GUEST, HOST, ARBITER)
RUN_ID = "manual__2026-01-01T00:00:00+00:00"

DSL = json.dumps({"components": {"reader_0": {"module": "Reader", "output": {"data": ["data"]}}}})

BREAST = TableRecord("experiment", "breast", "file:///storage/breast.parquet", 569, "id", (), 1 << 20)


def conf(parties: Sequence[Party] = ALL, initiator: Party = GUEST) -> str:
    """A conf in which guests and hosts read a table."""
    roles: dict[str, list[str]] = {}
    for party in parties:
        roles.setdefault(party.role, []).append(party.party_id)
    table = {"name": "breast", "namespace": "experiment"}
    return json.dumps(
        {
            "dsl_version": 2,
            "initiator": {"role": initiator.role, "party_id": initiator.party_id},
            "role": roles,
            "component_parameters": {"common": {"reader_0": {"table": table}}},
        }
    )


def eventually(check: Callable[[], T], within_seconds: float = 5.0) -> T:
    """What ``check`` gives as soon as that is true."""
    deadline = time.monotonic() + within_seconds
    while not (result := check()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
    return result


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def free_port() -> int:
    """A port to listen at, below those that the system gives to outgoing connections."""
    while True:
        port = random.randint(15_000, 30_000)
        with socket.socket() as listening, contextlib.suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


@dataclass
class TestSite:
    """A gateway, its Airflow, and clients of it."""

    __test__ = False

    settings: SiteSettings
    loop: Loop
    airflow: AirflowServer
    gateway: Gateway | None = None
    _clients: list[GatewayClient] = field(default_factory=list)

    def start(self) -> None:
        async def work() -> None:
            self.gateway = build_gateway(self.settings)
            await self.gateway.start()

        self.loop.run(work())

    def have_table(self) -> None:
        """Have the table that the jobs read in the catalogue, also while another process is the site's gateway."""
        database = open_database(self.settings.database_url)
        try:
            self.loop.run(Tables(database).put(BREAST, replace_existing=True))
        finally:
            database.close()

    def stop(self) -> None:
        if self.gateway is not None:
            gateway, self.gateway = self.gateway, None
            self.loop.run(gateway.stop())

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def address(self) -> str:
        return self.settings.gateway.listen

    def tls(self) -> ClientTls | None:
        files = self.settings.tls
        if files is None:
            return None
        return ClientTls(files.certificate.read_bytes(), files.private_key.read_bytes(), files.authority.read_bytes())

    def client(self, tls: ClientTls | None = None) -> GatewayClient:
        client = GatewayClient(open_channel(self.address, tls or self.tls()), self.address)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()


class Federation:
    """Sites that know each other, and what tests do with them over and over."""

    __test__ = False

    def __init__(self, folder: Path, databases: Callable[[str], str]) -> None:
        self.folder = folder
        self.loop = Loop()
        self.authority = make_authority("the test's authority")
        self._databases = databases
        self.sites: dict[str, TestSite] = {}
        self._of: dict[Party, TestSite] = {}
        self.shared = False
        self._attendances: list[Attendance] = []
        self._instances = 0

    def add_sites(self, *sites: Sequence[Party], **options: Any) -> Federation:
        """Start one site per group of parties. A single one has no tls.

        Args:
            options: ``gateway`` and ``policy`` sections of every site.yaml.
        """
        ports = [free_port() for _ in sites]
        for number, parties in enumerate(sites):
            name = f"site-{number}"
            home = self.folder / name
            (home / "dags").mkdir(parents=True)
            (home / "airflow").mkdir()
            (home / "airflow/gateway.password").write_text(PASSWORD)
            airflow = AirflowServer([home / "dags", home / "gateway/jobs"], tuple(map(str, parties)))
            self.loop.run(airflow.start())
            content: dict[str, Any] = {
                "name": name,
                "parties": [str(party) for party in parties],
                "home": home,
                "airflow": {"url": airflow.url},
                "gateway": {
                    "listen": f"127.0.0.1:{ports[number]}",
                    "database": self._databases(name),
                    "lease_seconds": 0.5,
                    **options.get("gateway", {}),
                },
                "policy": {"consent": "automatic", **options.get("policy", {})},
            }
            if len(sites) > 1:
                content["tls"] = self.certificate_files(home, name, parties)
                content["peers"] = [
                    {"address": f"127.0.0.1:{ports[other]}", "parties": [str(party) for party in others]}
                    for other, others in enumerate(sites)
                    if other != number
                ]
            site = TestSite(SiteSettings.model_validate(content), self.loop, airflow)
            self.sites[name] = site
            self._of.update(dict.fromkeys(parties, site))
        for site in self.sites.values():
            site.start()
        return self

    def certificate_files(self, home: Path, name: str, parties: Sequence[Party]) -> dict[str, str]:
        home.mkdir(parents=True, exist_ok=True)
        certificate, key = issue_certificate(*self.authority, name, parties, ["127.0.0.1", "localhost"])
        files = {"certificate": certificate, "private_key": key, "authority": self.authority[0]}
        for file, content in files.items():
            (home / file).write_bytes(content)
        return {file: str(home / file) for file in files}

    def identity(self, *parties: Party) -> ClientTls:
        """A certificate of the federation's authority for any parties."""
        certificate, key = issue_certificate(*self.authority, "somebody", parties, ["127.0.0.1"])
        return ClientTls(certificate, key, self.authority[0])

    def __getitem__(self, party: Party) -> TestSite:
        return self._of[party]

    def drop(self, party: Party, files: JobFiles) -> None:
        """Put a job's files into a site's dags folder, and the table that it reads into every site's catalogue."""
        for site in self.sites.values():
            site.have_table()
        dags = self[party].settings.path("dags")
        (dags / f"{files.name}_dsl.json").write_text(files.dsl)
        (dags / f"{files.name}_conf.json").write_text(files.conf)

    def start_job(self, name: str = "demo", run_id: str = RUN_ID, parties: Sequence[Party] = ALL) -> Job:
        """Drop a job at the guest and start it, as its first task does. In a shared federation the run is a new one."""
        if self.shared:
            run_id = f"manual__{uuid.uuid4()}"
        files = JobFiles(name, DSL, conf(parties))
        self.drop(GUEST, files)
        return self[GUEST].client().start_job(GUEST, f"{name}.{GUEST}", run_id, files)

    def attend(
        self,
        job: Job,
        party: Party,
        component: str = "hetero_lr_0",
        participants: Sequence[Party] = ALL,
        instance: str = "",
        attempt: int = 0,
    ) -> Attendance:
        """A new task of a party joins."""
        self._instances += 1
        attendance = (
            self[party]
            .client()
            .attend(
                TaskRef(job.job_id, component),
                party,
                participants=participants,
                instance=instance or f"{party}/{self._instances}",
                attempt=attempt,
            )
        )
        self._attendances.append(attendance)
        return attendance

    def run_attempt(
        self, job: Job, component: str = "hetero_lr_0", participants: Sequence[Party] = ALL
    ) -> dict[Party, Attendance]:
        """All participants join, and the attempt runs."""
        attendances = {party: self.attend(job, party, component, participants) for party in participants}
        for attendance in attendances.values():
            assert attendance.wait_running(10) is not None
        return attendances

    def close_attendances(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(Attendance.close, self._attendances))
        self._attendances.clear()

    def close(self) -> None:
        self.close_attendances()
        for site in self.sites.values():
            site.close()
            self.loop.run(site.airflow.stop())
        self.loop.close()


def decided(attendance: Attendance, within_seconds: float = 5.0) -> Attempt:
    """The decision, which has to come in time."""
    attempt = attendance.wait_decided(within_seconds)
    assert attempt is not None, f"undecided: {attendance.attempt}"
    return attempt


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database on a PostgreSQL server of this session."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        reason = "PostgreSQL's server is not installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Its server does not run as root, and the temporary folders of pytest are for their owner only.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    if as_user:
        shutil.chown(folder, "postgres")
    port = free_port()
    initialise = [str(binaries[-1] / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "fate", "--no-sync"]
    subprocess.run([*as_user, *initialise], check=True, capture_output=True)
    options = [f"-p{port}", "-h127.0.0.1", f"-k{folder}", "-cfsync=off", "-cfull_page_writes=off"]
    server = subprocess.Popen(
        [*as_user, str(binaries[-1] / "postgres"), "-D", str(folder / "data"), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"postgresql+psycopg2://fate@127.0.0.1:{port}/postgres"
    try:
        eventually(lambda: _answers(url), 20)
        yield url
    finally:
        pid = int((folder / "data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        server.wait(20)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    engine = create_engine(url)
    try:
        engine.connect().close()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return True


def create_schema(url: str, name: str) -> str:
    """URL of a new, empty schema on the session's PostgreSQL: as good as a database of its own, and made at once."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
    engine.dispose()
    return f"{url}?options=-csearch_path%3D{name}"


on_both_databases = pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes a database for each site: SQLite, unless the test asks for another."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return lambda name: ""
    url = request.getfixturevalue("postgresql")
    unique = f"t{time.monotonic_ns()}"
    return lambda name: create_schema(url, f"{unique}_{name.replace('-', '_')}")


@pytest.fixture
def new_federation(tmp_path: Path, databases: Callable[[str], str]) -> Iterator[Federation]:
    """A federation without sites, for tests that choose them."""
    federation = Federation(tmp_path, databases)
    yield federation
    federation.close()


@pytest.fixture
def fresh_federation(new_federation: Federation) -> Federation:
    """Three sites of one party each, over mTLS."""
    return new_federation.add_sites((GUEST,), (HOST,), (ARBITER,))


@pytest.fixture
def federation(fresh_federation: Federation) -> Federation:
    """The same."""
    return fresh_federation


@pytest.fixture(scope="module")
def modules_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """The same, once for all tests of a module: each starts a job of its own."""
    federation = Federation(tmp_path_factory.mktemp("federation"), lambda name: "")
    federation.shared = True
    yield federation.add_sites((GUEST,), (HOST,), (ARBITER,))
    federation.close()


@pytest.fixture
def shared_federation(modules_federation: Federation) -> Iterator[Federation]:
    """For one test of several that share it."""
    yield modules_federation
    modules_federation.close_attendances()


@pytest.fixture
def loopback(new_federation: Federation) -> Federation:
    """One site that hosts all three parties."""
    return new_federation.add_sites(ALL)
