"""Who takes part in a job: asked for with every message and every presence, and the same from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass

from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import load_job
from fate_federated.party import Party


@dataclass(frozen=True, slots=True)
class Members:
    """The parties of one job."""

    initiator: Party
    parties: frozenset[Party]


class Roster:
    """Remembers it for the jobs of this site.

    Raises (from :meth:`of`):
        JobNotFound: there is no such job here.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Members] = {}

    async def of(self, job_id: str) -> Members:
        """The members of a job."""
        members = self._known.get(job_id)
        if members is None:
            job = await self._database.run(lambda session: load_job(session, job_id))
            members = self._known[job_id] = Members(job.initiator, frozenset(at.party for at in job.parties))
        return members

    def forget(self, job_id: str) -> None:
        """The job has ended, or is written anew."""
        self._known.pop(job_id, None)
