"""Three organisations, as a test asks and steers them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recorder import Recorder

from fate_federated.party import Party, Role
from fate_federated.site.site import Site
from fate_federated.task.table import Table
from fate_federated.task_store import read_parquet

GUEST, HOST, ARBITER = Party(Role.GUEST, "9999"), Party(Role.HOST, "10000"), Party(Role.ARBITER, "10000")
NAMES = {GUEST: "bank", HOST: "insurer", ARBITER: "neutral"}
JOBS = Path(__file__).parents[2] / "dags"

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], within_seconds: float, poll_seconds: float = 0.2) -> T:
    """What ``look`` finds, once it finds something other than None or False."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(poll_seconds)
    raise AssertionError(f"{what}: not within {within_seconds:g} s")


@dataclass(frozen=True, slots=True)
class ThreeSites:
    """The sites by party, and what crossed between them."""

    sites: Mapping[Party, Site]
    recorders: Mapping[tuple[Party, Party], Recorder]

    def __getitem__(self, party: Party) -> Site:
        return self.sites[party]

    def recorded(self) -> list[bytes]:
        """Everything that crossed between any two gateways so far."""
        return [content for recorder in self.recorders.values() for content in recorder.contents()]

    def tasks(self, job: str, run_id: str, party: Party) -> dict[str, dict[str, Any]]:
        """Airflow's task instances of one party's run, by task id; empty before there is a run."""
        with self[party].airflow_api() as api:
            found = api.find(f"dags/{job}.{party}/dagRuns/{run_id}/taskInstances")
        return {} if found is None else {task["task_id"]: task for task in found["task_instances"]}

    def states(self, job: str, run_id: str, task_id: str) -> dict[Party, str | None]:
        """The state of one task at every party."""
        return {party: self.tasks(job, run_id, party).get(task_id, {}).get("state") for party in self.sites}

    def wait_for_states(self, job: str, run_id: str, task_id: str, state: str, within_seconds: float) -> None:
        """Wait until a task has a state at every party."""
        seen: dict[Party, str | None] = {}

        def look() -> bool:
            seen.update(self.states(job, run_id, task_id))
            return set(seen.values()) == {state}

        try:
            wait_for(f"{task_id} is {state} at all parties", look, within_seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {seen}") from None

    def job_id(self, run_id: str, within_seconds: float = 60) -> str:
        """The job of a run, once the initiator's gateway has it."""
        with self[GUEST].gateway() as gateway:
            return wait_for(
                f"a job of run {run_id}",
                lambda: next((job.job_id for job in gateway.list_jobs() if job.run_id == run_id), None),
                within_seconds,
            )

    def output(self, job_id: str, component: str, party: Party) -> Table:
        """A data output of a component, as it is in the party's storage."""
        with self[party].gateway() as gateway:
            outputs = gateway.list_outputs(job_id, component, party)
        return read_parquet(next(output.location for output in outputs if output.kind == "data"))

    def trigger(self, job: str, run_id: str) -> None:
        """As a person would, with Airflow's own command."""
        done = self[GUEST].airflow("dags", "trigger", f"{job}.{GUEST}", "--run-id", run_id)
        assert done.returncode == 0, done.stdout + done.stderr

    def drop(self, name: str, conf_changes: Mapping[str, Any] | None = None, source: str = "breast_cancer") -> None:
        """Put a pair of files into the guest's dags folder only, and wait until it is a DAG there."""
        folder = self[GUEST].settings.path(self[GUEST].settings.airflow.dags_folder)
        conf = json.loads((JOBS / f"{source}_conf.json").read_text())
        for component, changes in (conf_changes or {}).items():
            conf["component_parameters"]["common"].setdefault(component, {}).update(changes)
        shutil.copy(JOBS / f"{source}_dsl.json", folder / f"{name}_dsl.json")
        (folder / f"{name}_conf.json").write_text(json.dumps(conf, indent=2))
        self._wait_for_dag(name)

    def drop_prediction(self, name: str, model_version: str, source: str = "breast_cancer") -> None:
        """Put the conf of a prediction, and no dsl, into the guest's dags folder, and wait until it is a DAG there."""
        folder = self[GUEST].settings.path(self[GUEST].settings.airflow.dags_folder)
        training = json.loads((JOBS / f"{source}_conf.json").read_text())
        conf = {key: training[key] for key in ("dsl_version", "initiator", "role")}
        conf["job_parameters"] = {"common": {"job_type": "predict", "model_version": model_version}}
        (folder / f"{name}_conf.json").write_text(json.dumps(conf, indent=2))
        self._wait_for_dag(name)

    def _wait_for_dag(self, name: str) -> None:
        with self[GUEST].airflow_api() as api:
            wait_for(f"{name} is a DAG", lambda: api.dag(f"{name}.{GUEST}"), within_seconds=60)
