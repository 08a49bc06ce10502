"""A site's part in the creation and the end of jobs: files, DAGs and runs."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from fate_federated.dsl.job_files import CONF_SUFFIX, DSL_SUFFIX, job_digest
from fate_federated.errors import FateFederatedError, JobError
from fate_federated.gateway.airflow_api import Airflow
from fate_federated.gateway.policy import read_overrides
from fate_federated.party import Party
from fate_federated.run_id import created_run_id
from fate_federated.settings import SiteSettings
from fate_federated.wire.records import JobFiles

log = logging.getLogger(__name__)

WIND_DOWN_SECONDS = 8.0
"""How long the run of a stopped job has to end by itself. Less than the coordinator lets a stop settle: a task that
joined after that would begin the job anew."""
POLL_SECONDS = 0.5


class Runs:
    """The Airflow runs of this site's parties."""

    def __init__(self, site: SiteSettings, airflow: Airflow) -> None:
        self._site, self._airflow = site, airflow

    async def receive(self, initiator: Party, files: JobFiles) -> bool:
        """Put a job's files where the DAG factory finds them.

        Returns:
            whether they differ from what was there.

        Raises:
            JobError: another initiator's job has this name.
        """
        return await asyncio.to_thread(self._write, initiator, files)

    async def create(self, party: Party, files: JobFiles, run_id: str, *, unpause: bool, pause: bool = False) -> None:
        """Create a party's run, once Airflow has the DAG of exactly these files.

        Args:
            run_id: of the initiator's run.
            unpause: the DAG is not to wait for consent.
            pause: it is to wait for it again: its files have changed since.

        Raises:
            JobError: Airflow cannot compile the DAG.
            SiteError: Airflow does not answer.
        """
        dag_id = f"{files.name}.{party}"
        paused = await self._airflow.wait_for_dag(dag_id, files.name, job_digest(files.dsl, files.conf))
        if (pause and not paused) or (unpause and paused):
            await self._airflow.set_paused(dag_id, pause)
        await self._airflow.create_run(dag_id, created_run_id(run_id), read_overrides(files))
        log.info("run %s of %s created%s", run_id, dag_id, ", waiting for consent" if paused and not unpause else "")

    async def stop(self, runs: list[tuple[str, str]]) -> None:
        """Mark runs failed. What Airflow does not take is logged: the tasks hear of the end from their attempts too.

        Args:
            runs: dag_id and run_id of each.
        """
        for dag_id, run_id in runs:
            try:
                await self._airflow.fail_run(dag_id, run_id)
            except FateFederatedError as error:
                log.warning("run %s of %s could not be stopped: %s", run_id, dag_id, error)

    async def wind_down(self, runs: list[tuple[str, str]]) -> None:
        """Let the runs of a stopped job end as their tasks hear of it, and mark failed what has not ended then.

        Marked at once, a run's tasks would be skipped where the mark comes first and upstream_failed where the news
        does: not the same at every party.

        Args:
            runs: dag_id and run_id of each.
        """
        await asyncio.gather(*(self._await_end(*run) for run in runs))
        await self.stop(runs)

    async def _await_end(self, dag_id: str, run_id: str) -> None:
        deadline = time.monotonic() + WIND_DOWN_SECONDS
        try:
            # Of a run that is queued, or waits for consent, nothing has begun that could hear.
            while await self._airflow.run_state(dag_id, run_id) == "running" and time.monotonic() < deadline:
                await asyncio.sleep(POLL_SECONDS)
        except FateFederatedError as error:
            log.warning("how run %s of %s stands is not known: %s", run_id, dag_id, error)

    def _write(self, initiator: Party, files: JobFiles) -> bool:
        folder = self._site.received_jobs / str(initiator)
        for other in self._site.received_jobs.glob(f"*/{files.name}{DSL_SUFFIX}"):
            if other.parent != folder:
                raise JobError(
                    f"{self._site.name} has a job named {files.name} from {other.parent.name} already. Rename this one."
                )
        folder.mkdir(parents=True, exist_ok=True)
        texts = {folder / f"{files.name}{DSL_SUFFIX}": files.dsl, folder / f"{files.name}{CONF_SUFFIX}": files.conf}
        changed = [path for path, text in texts.items() if _read(path) != text.encode()]
        for path in changed:
            unfinished = path.with_name(f".{path.name}.new")
            unfinished.write_bytes(texts[path].encode())
            unfinished.replace(path)
        return bool(changed)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
