"""What the model registry keeps and what sites tell each other of it, as values. Times are seconds since 1970, UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fate_federated.party import Party
from fate_federated.status import JobStatus


class RefKind(StrEnum):
    """A branch moves with each version that is added to it; a tag stays."""

    BRANCH = "branch"
    TAG = "tag"


class VersionKind(StrEnum):
    """Where a version came from."""

    TRAINED = "trained"
    DEPLOYED = "deployed"
    RESTORED = "restored"
    IMPORTED = "imported"


class Action(StrEnum):
    """What can be done to a model. Each is done at all parties of the model or at none."""

    COMMIT = "commit"
    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    IMPORT = "import"
    BRANCH = "branch"
    TAG = "tag"
    DELETE_BRANCH = "delete-branch"
    DELETE_TAG = "delete-tag"
    PIN = "pin"
    UNPIN = "unpin"
    RETIRE = "retire"
    UNRETIRE = "unretire"


class OperationState(StrEnum):
    """How far a change is.

    preparing: not all sites have it yet; may be cancelled. committed: decided, some sites do not know yet. done: made
    everywhere. aborting: given up, some sites do not know yet. aborted: made nowhere.
    """

    PREPARING = "preparing"
    COMMITTED = "committed"
    DONE = "done"
    ABORTING = "aborting"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        return self in (OperationState.DONE, OperationState.ABORTED)


class Mark(StrEnum):
    """A version that is pinned cannot be retired; one that is retired is not used any more, and not forgotten."""

    PINNED = "pinned"
    RETIRED = "retired"


class Outcome(StrEnum):
    """What a coordinator says of a change."""

    COMMIT = "commit"
    ABORT = "abort"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A branch or a tag, and the version it points to."""

    kind: RefKind
    name: str
    version: str
    moved_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """All versions of what one job trains again and again.

    Attributes:
        model_id: the same at every party.
        name: short, and unique at this site.
        initiator: whose gateway coordinates its changes.
    """

    model_id: str
    name: str
    initiator: Party
    parties: tuple[Party, ...]
    created_at: float
    refs: tuple[ModelRef, ...] = ()
    versions: int = 0

    def head(self, branch: str) -> str:
        """The version a branch points to; empty where there is no such branch."""
        return next((ref.version for ref in self.refs if ref.kind is RefKind.BRANCH and ref.name == branch), "")


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A party's part of a version.

    Attributes:
        digest: SHA-256, hexadecimal, of the list of its files with their SHA-256.
    """

    party: Party
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelComponent:
    """One component's model in a version."""

    component: str
    alias: str
    module: str


@dataclass(frozen=True, slots=True)
class NewVersion:
    """Which version it is, and where it comes from.

    Attributes:
        parent: head of its branch before it, empty for none.
        source: what warm start, deploy or rollback came from, empty for none.
        job_id: of the job that trained.
        components: those that a deployment keeps; empty for all.
    """

    version: str
    parent: str
    source: str
    kind: VersionKind
    job_id: str
    components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version as one site has it.

    Attributes:
        components: at this site's parties.
        parts: of all parties.
        metrics: of this site's parties: ``{component: {namespace: {name: value}}}``.
        data: the tables that this site's parties trained it on.
        commit: in this site's git repository.
    """

    model_id: str
    about: NewVersion
    message: str
    author: str
    by: Party
    created_at: float
    components: tuple[ModelComponent, ...] = ()
    parts: tuple[ModelPart, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Sequence[Mapping[str, Any]] = ()
    code_version: str = ""
    pinned: bool = False
    retired: bool = False
    commit: str = ""
    job_name: str = ""

    @property
    def version(self) -> str:
        return self.about.version

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A component's model at one of this site's parties while it is trained."""

    component: str
    alias: str
    party: Party
    attempt: int
    step: int


@dataclass(frozen=True, slots=True)
class VersionInProgress:
    """What a job trains, keeps checkpoints of, and is no version yet: it runs, failed, or its commit waits.

    Attributes:
        name: the model's.
        version: the job's id, as the version will be called.
        branch: that the version will go to.
        checkpoints: the newest of each component and party.
    """

    model_id: str
    name: str
    version: str
    branch: str
    status: JobStatus
    message: str
    author: str
    started_at: float
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class RefMove:
    """A branch or tag goes from one version to another; an empty text stands for none."""

    kind: RefKind
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class MarkChange:
    """A version gets a mark or loses it."""

    version: str
    mark: Mark
    value: bool


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A change of a model, fully said: every party makes exactly this.

    Attributes:
        name: the model's, as its initiator knows it.
        by: the party that asked for it; author is the person.
    """

    change_id: str
    action: Action
    model_id: str
    name: str
    initiator: Party
    parties: tuple[Party, ...]
    by: Party
    author: str
    message: str
    created_at: float
    version: NewVersion | None = None
    moves: tuple[RefMove, ...] = ()
    marks: tuple[MarkChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What somebody asks for. The gateway of the model's initiator makes a :class:`ModelChange` of it.

    Attributes:
        model: model_id.
        ref: the version, branch or tag that it is about; of a commit the job's id, of an import the version.
        name: of the branch or tag to make, move or delete.
        branch: to which a new version is added; empty for the usual one.
        expected: where the branch has to be for this; empty for wherever it is.
        request_id: random. Asking again with the same one changes nothing twice.
        wait_seconds: how long to wait for the end.
    """

    action: Action
    model: str
    by: Party
    ref: str = ""
    name: str = ""
    branch: str = ""
    message: str = ""
    author: str = ""
    components: tuple[str, ...] = ()
    expected: str = ""
    request_id: str = ""
    wait_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class SiteProgress:
    """How far a change is at one site: asked, prepared, refused, told, unreachable."""

    parties: tuple[Party, ...]
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ModelOperation:
    """A change on its way to all parties."""

    change: ModelChange
    state: OperationState
    detail: str = ""
    sites: tuple[SiteProgress, ...] = ()
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelDecision:
    """The coordinator's word on a change.

    Attributes:
        parts: of all parties, for a change that makes a version.
    """

    change_id: str
    outcome: Outcome
    initiator: Party
    parts: tuple[ModelPart, ...] = ()


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One thing in which two versions differ. ``old`` and ``new`` are JSON, empty where it is not there."""

    part: str
    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the registry says."""

    model: str
    version: str
    what: str
    remedy: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check has looked at, and what it found."""

    findings: tuple[Finding, ...]
    versions: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as it was, kept under DVC.

    Attributes:
        digest: MD5 of the file, as DVC names it.
        unchanged: the newest snapshot of the table is the same.
    """

    digest: str
    commit: str
    bytes: int
    unchanged: bool


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a streamed file is.

    Attributes:
        module: FATE's name of the component.
        message: of its content, the protobuf message's name.
    """

    module: str
    message: str
    bytes: int
