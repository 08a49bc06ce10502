"""What gateways, tasks and tools tell each other, as values. Times are seconds since 1970, UTC; 0 means not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence

Digest = bytes
"""SHA-256."""


@dataclass(frozen=True, slots=True, order=True)
class TaskRef:
    """One component of one job, at all parties."""

    job_id: str
    component: str

    def __str__(self) -> str:
        return f"{self.component} of job {self.job_id}"


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The texts that define a job.

    Attributes:
        name: the files' common stem.
        dsl, conf: FATE's JSON, as the user wrote it.
        overrides: what ``airflow dags trigger --conf`` gave this run, a JSON object; empty for none.
    """

    name: str
    dsl: str
    conf: str
    overrides: str = ""


@dataclass(frozen=True, slots=True)
class JobParty:
    """A job as it stands at one party."""

    party: Party
    dag_id: str
    status: JobStatus


@dataclass(frozen=True, slots=True)
class TaskState:
    """The latest attempt of one component."""

    component: str
    attempt: int
    state: AttemptState
    detail: str
    opened_at: float
    started_at: float
    decided_at: float


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a pipeline.

    Attributes:
        run_id: Airflow's, as the initiator's run has it.
        tasks: the components that have an attempt, in the order of their first ones. Given by ``get_job`` only.
        files: given by ``get_job`` only.
    """

    job_id: str
    name: str
    run_id: str
    initiator: Party
    parties: tuple[JobParty, ...]
    status: JobStatus
    detail: str
    created_at: float
    ended_at: float
    tasks: tuple[TaskState, ...] = ()
    files: JobFiles | None = None


@dataclass(frozen=True, slots=True)
class PartyPresence:
    """Where one party stands in an attempt.

    Attributes:
        participates: the component has a part for it; else it only follows the outcome.
        instance: names its Airflow task instance and try. Only its own site and the coordinator know it.
    """

    party: Party
    participates: bool
    presence: Presence
    detail: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One federated execution of a component, as its coordinator last told it.

    Attributes:
        number: counted from 1.
        detail: the decision's reason, naming the party.
        revision: grows with every change; an older one is ignored.
        rerun: the initiator asked for it: sites clear their ended tasks.
    """

    task: TaskRef
    number: int
    state: AttemptState
    detail: str
    parties: tuple[PartyPresence, ...]
    revision: int
    opened_at: float
    started_at: float
    decided_at: float
    rerun: bool = False

    @property
    def decided(self) -> bool:
        return self.state.decided

    @property
    def participants(self) -> tuple[Party, ...]:
        return tuple(seat.party for seat in self.parties if seat.participates)

    def seat(self, party: Party) -> PartyPresence | None:
        """Where that party stands; None when it is not of the job."""
        return next((seat for seat in self.parties if seat.party == party), None)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``type`` is Arrow's name of it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class TableRecord:
    """An entry of the site's table catalogue.

    Attributes:
        location: URL of a Parquet file, known to fsspec.
        columns: without the id.
        bytes: of the file.
    """

    namespace: str
    name: str
    location: str
    rows: int
    id_column: str
    columns: tuple[Column, ...]
    bytes: int
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A series of points (x, y), or meta alone, as FATE's confusion matrix is.

    Attributes:
        meta: FATE's ``metric_type`` and what belongs to it; JSON values.
    """

    namespace: str
    name: str
    meta: Mapping[str, Any]
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """What one party's task has told in one attempt."""

    task: TaskRef
    attempt: int
    party: Party
    metrics: tuple[Metric, ...]
    summary: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A data or model output of one party's task.

    Attributes:
        kind: data, model, cache or checkpoint.
        name: as the dsl names it; of a checkpoint with ``@`` and the number of its step.
        location: URL in the site's storage.
        module: of a model.
    """

    task: TaskRef
    attempt: int
    party: Party
    kind: str
    name: str
    location: str
    rows: int = 0
    columns: tuple[str, ...] = ()
    module: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """The address of a message between two tasks, and what the egress ledger says of it.

    Attributes:
        tag: names the message within the attempt.
        structure: see :mod:`fate_federated.wire.payload`.
        body_bytes: length of the body, which follows.
        digest: SHA-256 of structure, then body.
    """

    task: TaskRef
    attempt: int
    sender: Party
    receiver: Party
    tag: str
    kind: str
    shape: str
    structure: bytes = field(repr=False)
    body_bytes: int
    digest: Digest = field(repr=False)

    @property
    def bytes(self) -> int:
        return len(self.structure) + self.body_bytes


@dataclass(frozen=True, slots=True)
class Address:
    """What a receiver asks for."""

    task: TaskRef
    attempt: int
    sender: Party
    receiver: Party
    tag: str


@dataclass(frozen=True, slots=True)
class EgressRecord:
    """One message that left one party of this site for another party.

    Attributes:
        bytes: structure and body.
        left_site: False where the receiver is hosted by the same site.
    """

    number: int
    task: TaskRef
    attempt: int
    sender: Party
    receiver: Party
    tag: str
    kind: str
    shape: str
    bytes: int
    digest: Digest
    sent_at: float
    left_site: bool


@dataclass(frozen=True, slots=True)
class Peer:
    """Another site, as this one knows it."""

    address: str
    parties: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class SiteDescription:
    """What a site's own tasks and tools need to know of their gateway.

    Attributes:
        storage_url: where tasks put tables, outputs and models; known to fsspec.
        version: of fate-federated.
    """

    name: str
    parties: tuple[Party, ...]
    storage_url: str
    version: str
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class JobOrder:
    """An initiator asks a site to take part in a job."""

    job_id: str
    run_id: str
    initiator: Party
    files: JobFiles


@dataclass(frozen=True, slots=True)
class JobReport:
    """A party tells the coordinator how its run of a job ended."""

    job_id: str
    party: Party
    status: JobStatus
    detail: str


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """How a job stands, as its coordinator says."""

    status: JobStatus
    detail: str


@dataclass(frozen=True, slots=True)
class JobEnd:
    """From the coordinator: the job is over. From a party: asks for that.

    Attributes:
        stop: what still runs of it is to be stopped.
    """

    job_id: str
    initiator: Party
    status: JobStatus
    detail: str
    stop: bool


@dataclass(frozen=True, slots=True)
class PresenceUpdate:
    """A party tells the coordinator where it stands.

    Attributes:
        attempt: 0 for the one that waits, or a new one.
        presence: with ``instance`` filled in.
        participants: as the party's own dsl has them; empty unless it joins.
        initiator: of the job.
    """

    task: TaskRef
    attempt: int
    presence: PartyPresence
    participants: tuple[Party, ...]
    initiator: Party
