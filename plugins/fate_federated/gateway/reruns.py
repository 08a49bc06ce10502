"""When the initiator runs a task again, this site's ended tasks of the same component are cleared."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from fate_federated.errors import FateFederatedError
from fate_federated.gateway.airflow_api import ENDED_RUN_STATES, ENDED_TASK_STATES, Airflow
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.background import Background
from fate_federated.gateway.jobs import Jobs
from fate_federated.party import Party
from fate_federated.status import Presence
from fate_federated.wire.records import Attempt, TaskRef

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.5
MOST_CLEARS = 3
"""A task that ends each time before it joins would otherwise be cleared for ever."""


class Reruns:
    """Watches the attempts that the initiator asked for, as long as they wait for parties of this site."""

    def __init__(self, board: AttemptBoard, jobs: Jobs, airflow: Airflow, hosted: tuple[Party, ...]) -> None:
        self._board, self._jobs, self._airflow, self._hosted = board, jobs, airflow, hosted
        self._watched: set[tuple[TaskRef, int]] = set()
        self._background = Background()
        board.listen(self.hear)

    def hear(self, attempt: Attempt) -> None:
        """Begin to watch an attempt that is a rerun."""
        key = (attempt.task, attempt.number)
        if key not in self._watched and attempt.rerun and self._missing(attempt):
            self._watched.add(key)
            watch = self._background.spawn(self._watch(*key))
            watch.add_done_callback(lambda _: self._watched.discard(key))

    async def close(self) -> None:
        """Leave off."""
        await self._background.close()

    def _missing(self, attempt: Attempt) -> list[Party]:
        """This site's parties that have not come: also one that only follows, and may be late for the decision."""
        seats = [seat for seat in attempt.parties if seat.party in self._hosted]
        return [seat.party for seat in seats if seat.presence is Presence.ABSENT]

    async def _watch(self, task: TaskRef, number: int) -> None:
        clears: Counter[Party] = Counter()
        while True:
            attempt = await self._board.get(task, number)
            missing = self._missing(attempt) if attempt is not None else []
            if not missing:
                return
            for party in missing:
                try:
                    await self._clear_if_ended(task, party, clears)
                except FateFederatedError as error:
                    log.warning("%s cannot be run again at %s: %s", task, party, error)
            if attempt is None or attempt.decided:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _clear_if_ended(self, task: TaskRef, party: Party, clears: Counter[Party]) -> None:
        dag_id, run_id = await self._jobs.run_of(task.job_id, party)
        state = await self._airflow.task_state(dag_id, run_id, task.component)
        if state not in ENDED_TASK_STATES and not (state is None and await self._run_has_ended(dag_id, run_id)):
            return
        if clears[party] == MOST_CLEARS:
            log.warning("%s at %s ended %d times before it joined; clear it by hand", task, party, MOST_CLEARS)
        if clears[party] < MOST_CLEARS:
            await self._airflow.clear_task(dag_id, run_id, task.component)
            log.info("%s is run again at %s, where it was %s", task, party, state or "left behind by its run's end")
        clears[party] += 1

    async def _run_has_ended(self, dag_id: str, run_id: str) -> bool:
        """Whether no scheduler looks for tasks of a run any more.

        A run that ends while one of its tasks is cleared keeps the cleared task without a state: Airflow's scheduler
        decides on the run's end from the tasks that it read before, and the clearing saw a run that needed no reset.
        """
        return await self._airflow.run_state(dag_id, run_id) in ENDED_RUN_STATES
