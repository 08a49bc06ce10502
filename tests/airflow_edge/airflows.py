"""DAG runs of several parties, each by ``dag.test()`` in a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READY_SECONDS = 120.0


@dataclass
class PartyRun:
    """One party's run.

    Attributes:
        pid: of the process, once it is there.
        outcome: its states and XComs; empty when the process ended without a word.
        log: of everything that it said.
    """

    log: Path
    pid: Future[int] = field(default_factory=Future)
    outcome: Future[dict[str, Any]] = field(default_factory=Future)

    def result(self, within_seconds: float = 60.0) -> dict[str, Any]:
        """The outcome; a run that cannot say one fails the test with its log."""
        outcome = self.outcome.result(within_seconds)
        assert outcome, self.log.read_text()
        return outcome


class Airflows:
    """Starts runs; see ``dag_test_zygote.py``."""

    def __init__(self, home: Path) -> None:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "PYTHONPATH": str(HERE / "extra_package"),
        }
        self._runs: dict[str, PartyRun] = {}
        self._numbers = itertools.count()
        self._ready: Future[None] = Future()
        self._errors = (home / "zygote.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "dag_test_zygote.py")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self,
        dag_file: Path,
        dag_id: str,
        home: Path,
        *,
        date: str,
        conf: Mapping[str, Any] | None = None,
        environment: Mapping[str, str],
    ) -> PartyRun:
        """Run a DAG of a file, with an Airflow database of its own in ``home``."""
        self._ready.result(READY_SECONDS)
        run_id = f"run{next(self._numbers)}"
        home.mkdir(parents=True, exist_ok=True)
        run = self._runs[run_id] = PartyRun(home / f"{run_id}.log")
        request = {
            "id": run_id, "home": str(home), "file": str(dag_file), "dag_id": dag_id, "date": date,
            "conf": dict(conf or {}), "env": dict(environment),
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return run

    def close(self) -> None:
        """End the process and all that still runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._errors.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith('{"'):
                self._hear(json.loads(line))
        if not self._ready.done():
            self._ready.set_exception(RuntimeError(f"the zygote ended: see {self._errors.name}"))

    def _hear(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self._ready.set_result(None)
            return
        run = self._runs[said["id"]]
        if "pid" in said:
            run.pid.set_result(said["pid"])
        elif "state" in said:
            run.outcome.set_result(said)
        elif "died" in said and not run.outcome.done():
            run.outcome.set_result({})
