"""Parties whose DAG runs attend real gateways. Airflow has a home of its own here, set before anything imports it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.airflow_edge.airflows import Airflows, PartyRun
from tests.gateway.conftest import ALL, GUEST, Federation, databases, loopback, new_federation  # noqa: F401 fixtures

from fate_federated.party import Party
from fate_federated.wire.records import Job, JobFiles

# The gateways in this process compile the tests' jobs, too.
sys.path.append(str(Path(__file__).parent / "extra_package"))
# None of the above imports Airflow.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="fate-airflow-edge-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

DATE = "2026-01-01T00:00:00+00:00"
RUN_ID = f"manual__{DATE}"
NAME = "sum"
COMPONENT = "sum_0"
CONNECTION = "AIRFLOW_CONN_FATE_GATEWAY"

DAG_FILE = """\
# One Airflow DAG per party: Airflow looks into files that say so.
from pathlib import Path
from fate_federated.dag_factory.job_file import job_dags

dags = job_dags(
    __file__, name={name!r}, copies={copies!r}, files={copies!r}, parties={parties!r}, received=False, paused=False
)
for dag in dags.values():
    for task in dag.tasks:
        if hasattr(task, "join_grace_seconds"):
            task.join_grace_seconds = {grace!r}
globals().update(dags)
"""


def dsl() -> dict[str, Any]:
    return {"components": {COMPONENT: {"module": "SumOfNumbers", "output": {"data": ["total"]}}}}


def conf(
    of_party: Mapping[str, Mapping[str, Any]] | None = None, *, timeout: int | None = None, **options: Any
) -> dict[str, Any]:
    """A conf in which the guest's number is 1 and the host's 2, and more by role; options of its airflow block."""
    given = {"guest": {"number": 1}, "host": {"number": 2}}
    for role, parameters in (of_party or {}).items():
        given[role] = {**given[role], **parameters}
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": "9999"},
        "role": {"guest": ["9999"], "host": ["10000"], "arbiter": ["10000"]},
        "component_parameters": {
            "role": {role: {"0": {COMPONENT: parameters}} for role, parameters in given.items()}
        },
        **({"airflow": options} if options else {}),
        **({"job_parameters": {"common": {"timeout": timeout}}} if timeout else {}),
    }  # fmt: skip


def connection_to(address: str) -> str:
    """An Airflow connection, as a variable of the environment gives one."""
    host, _, port = address.rpartition(":")
    return json.dumps({"conn_type": "grpc", "host": host, "port": int(port), "extra": {"auth_type": "NO_AUTH"}})


@dataclass
class Parties:
    """One site of three parties: its gateway, and an Airflow of its own for each party's DAG."""

    folder: Path
    federation: Federation
    airflows: Airflows
    files: JobFiles = field(init=False)
    job: Job = field(init=False)

    def prepare(self, conf: Mapping[str, Any], grace_seconds: float = 10.0) -> Job:
        """Write the DAG and start its job: what the guest's first task finds, and the others' need."""
        dags = self.folder / "dags"
        dags.mkdir()
        copies = (f"{NAME}_dsl.json", f"{NAME}_conf.json")
        texts = (json.dumps(dsl()), json.dumps(conf))
        for copy, text in zip(copies, texts, strict=True):
            (dags / copy).write_text(text)
        (dags / f"{NAME}.py").write_text(
            DAG_FILE.format(name=NAME, copies=copies, parties=[str(party) for party in ALL], grace=grace_seconds)
        )
        self.files = JobFiles(NAME, *texts)
        self.federation.drop(GUEST, self.files)
        self.job = self.federation[GUEST].client().start_job(GUEST, f"{NAME}.{GUEST}", RUN_ID, self.files)
        return self.job

    def start(self, party: Party, run_conf: Mapping[str, Any] | None = None) -> PartyRun:
        """Run a party's DAG."""
        return self.airflows.start(
            self.folder / "dags" / f"{NAME}.py",
            f"{NAME}.{party}",
            self.folder / str(party),
            date=DATE,
            conf=run_conf,
            environment={CONNECTION: connection_to(self.federation[party].address)},
        )

    def start_all(
        self, parties: Sequence[Party] = ALL, run_conf: Mapping[str, Any] | None = None
    ) -> dict[Party, PartyRun]:
        return {party: self.start(party, run_conf) for party in parties}


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflows]:
    airflows = Airflows(tmp_path_factory.mktemp("airflow"))
    yield airflows
    airflows.close()


@pytest.fixture
def parties(tmp_path: Path, airflows: Airflows, loopback: Federation) -> Parties:  # noqa: F811 the fixture
    return Parties(tmp_path, loopback, airflows)
