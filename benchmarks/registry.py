"""What the model registry costs with 10,000 versions of 100 models: three sites with a process each, mTLS, SQLite, DVC.

    python benchmarks/registry.py [--json] [--versions 10000] [--large-mb 1024]

The limits beside the figures: log, show and resolve 50 ms; commit of 10 MB at three parties together 3 s; memory of a
gateway that commits 1 GB 300 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import insert

from fate_federated.gateway.client import GatewayClient
from fate_federated.gateway.database import open_database
from fate_federated.gateway.job_store import add_job
from fate_federated.gateway.schema import AttemptRow, ModelRefRow, ModelRow, ModelVersionRow, OutputRow
from fate_federated.party import Party
from fate_federated.pb.model.linear_model_pb2 import LRModelMeta
from fate_federated.registry.repository import ModelRepository
from fate_federated.settings import SiteSettings
from fate_federated.status import JobStatus
from fate_federated.wire.model_records import Action, ModelRequest, OperationState
from fate_federated.wire.records import Job, JobFiles, JobParty
from gateway import client as connect
from gateway import make_sites, wait_for_gateways
from report import Report, arguments

PARTIES = tuple(map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000")))
GUEST, HOST, ARBITER = PARTIES
MODELS, COMMITS, READS = 100, 5, 50
LR = "hetero_lr_0"
OWNERS = "arbiter-10000#guest-9999#host-10000"
MB = 1 << 20

DSL = json.dumps(
    {
        "components": {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            LR: {
                "module": "HeteroLR",
                "input": {"data": {"train_data": ["reader_0.data"]}},
                "output": {"model": ["model"]},
            },
        }
    }
)
CONF = json.dumps(
    {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": "9999"},
        "role": {"guest": ["9999"], "host": ["10000"], "arbiter": ["10000"]},
        "component_parameters": {"common": {"reader_0": {"table": {"namespace": "e", "name": "t"}}}},
    }
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--large-mb", type=int, default=1024)
    options = parser.parse_args()
    report = Report(f"Model registry with {options.versions} versions of {MODELS} models", options.json)
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        sites = make_sites(folder, PARTIES)
        for party, site in sites.items():
            fill(site, options.versions)
            for number in range(COMMITS):
                leave_job(site, party, f"2{number}", "m0", 10 * MB)
            leave_job(site, party, "29", "m1", options.large_mb * MB if party is HOST else MB)
        processes = {party: running.enter_context(gateway(site)) for party, site in sites.items()}
        clients = {party: running.enter_context(connect(site)) for party, site in sites.items()}
        wait_for_gateways(clients)
        client = clients[GUEST]
        reads(report, client, options.versions)
        commits(report, client)
        large(report, client, processes[HOST], options.large_mb)
    report.print()


def reads(report: Report, client: GatewayClient, versions: int) -> None:
    middle = str(10**20 + versions // 2)
    calls = {
        "list of 100 models": lambda: client.models.list(),
        "log, newest 30": lambda: client.models.versions("m50", limit=30),
        "trainings in progress": lambda: client.models.in_progress("m50"),
        "log of all that leads to a branch": lambda: client.models.versions("m50", "experiment"),
        "show": lambda: client.models.version(middle),
        "resolve by tag": lambda: client.models.version("m50@v1"),
    }
    for name, call in calls.items():
        call()
        times = []
        for _ in range(READS):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
        times.sort()
        report.add(f"{name}, median", times[READS // 2] * 1e3, "ms")
        report.add(f"{name}, slowest of {READS}", times[-1] * 1e3, "ms")


def commits(report: Report, client: GatewayClient) -> None:
    times = [commit(client, f"2{number}") for number in range(COMMITS)]
    report.add("commit of 10 MB at three parties, first", times[0], "s")
    report.add("commit of 10 MB at three parties, median", sorted(times)[COMMITS // 2], "s")


def large(report: Report, client: GatewayClient, process: subprocess.Popen[bytes], megabytes: int) -> None:
    before = peak_mb(process)
    report.add(f"commit of {megabytes} MB", commit(client, "29"), "s")
    report.add("memory of its gateway before, highest", before, "MB")
    report.add("memory of its gateway, highest", peak_mb(process), "MB")


def commit(client: GatewayClient, job_id: str) -> float:
    began = time.perf_counter()
    operation = client.models.change(ModelRequest(Action.COMMIT, "", GUEST, ref=job_id, wait_seconds=300))
    if operation.state is not OperationState.DONE:
        raise SystemExit(f"not committed: {operation}")
    return time.perf_counter() - began


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process has had resident."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def fill(site: SiteSettings, versions: int) -> None:
    """Versions in database and git, without files of their own: a model's are one after the other, on one branch."""
    repository = ModelRepository(site.model_repository, site.model_remote)
    with repository.objects.staging() as folder:
        (folder / "file").write_bytes(b"the same for all")
        kept = repository.objects.keep(folder)
    heads: dict[str, str] = {}
    commits: dict[str, str] = {}
    rows = []
    parts = [[str(party), "0" * 64, 1000] for party in PARTIES]
    for number in range(versions):
        name, version = f"m{number % MODELS}", str(10**20 + number)
        tree = repository.write_tree(kept, {"version": version}, {"auc": number / versions}, {})
        parents = [commits[name]] if name in commits else []
        commit = repository.commit(tree, parents, f"version {version}\n", "benchmark", "b@b", 1e9 + number)
        repository.keep_commit(version, commit)
        rows.append(
            {
                "version": version, "model_id": f"{OWNERS}#{name}", "parent": heads.get(name, ""), "source": "",
                "kind": "trained", "job_id": version, "job_name": name, "components": [], "message": f"Train {name}",
                "author": "guest-9999", "by": "guest-9999", "created_at": 1e9 + number,
                "models": [[LR, "model", "HeteroLR"]], "parts": parts,
                "metrics": json.dumps({LR: {"train": {LR: {"auc": number / versions}}}}), "data": [],
                "code_version": "0", "pinned": False, "retired": False, "change_id": version, "commit": commit,
            }
        )  # fmt: skip
        heads[name], commits[name] = version, commit
    database = open_database(site.database_url)
    ids = [f"{OWNERS}#m{number}" for number in range(MODELS)]
    with database.engine.begin() as connection:
        models = [
            {"model_id": each, "name": each.rpartition("#")[2], "initiator": str(GUEST), "created_at": 1e9}
            for each in ids
        ]
        connection.execute(insert(ModelRow), [{**each, "parties": list(map(str, PARTIES))} for each in models])
        connection.execute(insert(ModelVersionRow), rows)
        refs = [
            {"model_id": each, "name": name, "kind": kind, "version": heads[each.rpartition("#")[2]], "moved_at": 1e9}
            for each in ids
            for name, kind in (("experiment", "branch"), ("v1", "tag"))
        ]
        connection.execute(insert(ModelRefRow), refs)
    for name, commit in commits.items():
        repository.point("branch", f"models/{name}", "experiment", commit)
        repository.point("tag", f"models/{name}", "v1", commit)
    database.close()


def leave_job(site: SiteSettings, party: Party, job_id: str, name: str, size: int) -> None:
    """A job that has trained a model of that size here, and ended long ago."""
    folder = site.path("storage") / job_id
    folder.mkdir(parents=True)
    location = folder / "model.model.json"
    names = {"module": "HeteroLR", "meta": "fate_federated.v1.model.LRModelMeta"}
    location.write_text(json.dumps({**names, "param": "fate_federated.v1.model.LRModelParam"}))
    (folder / "model.model.meta.pb").write_bytes(LRModelMeta(max_iter=3).SerializeToString())
    with (folder / "model.model.param.pb").open("wb") as file:
        for _ in range(size // MB):
            file.write(os.urandom(MB))
    job = Job(
        job_id=job_id,
        name=name,
        run_id=f"benchmark-{job_id}",
        initiator=GUEST,
        parties=tuple(JobParty(each, f"{name}.{each}", JobStatus.SUCCESS) for each in PARTIES),
        status=JobStatus.SUCCESS,
        detail="",
        created_at=1.0,
        ended_at=2.0,
    )
    database = open_database(site.database_url)
    with database.engine.begin() as connection:
        from sqlalchemy.orm import Session

        with Session(connection) as session:
            runs = dict.fromkeys(PARTIES, f"benchmark-{job_id}")
            add_job(session, job, JobFiles(name, DSL, CONF), runs)
            session.flush()
            session.add(
                AttemptRow(
                    job_id=job_id, component=LR, number=1, state="success", detail="", revision=1, opened_at=1.0,
                    started_at=1.0, decided_at=2.0, rerun=False, seats=[],
                )
            )  # fmt: skip
            if party is not ARBITER:
                session.add(
                    OutputRow(
                        job_id=job_id, component=LR, party=str(party), attempt=1, kind="model", name="model",
                        location=f"file://{location}", rows=0, columns=[], module="HeteroLR",
                    )
                )  # fmt: skip
            session.commit()
    database.close()


@contextmanager
def gateway(site: SiteSettings) -> Iterator[subprocess.Popen[bytes]]:
    """A site's gateway."""
    command: Sequence[str] = (sys.executable, "-m", "fate_federated.gateway", "--site", str(site.home / "site.yaml"))
    with (site.home / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
