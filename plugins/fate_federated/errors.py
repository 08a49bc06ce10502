"""Every error that this package raises on purpose.

::

    FateFederatedError
    ├── ConfigError            a file that an administrator wrote
    │   ├── InvalidParty
    │   └── SiteError          a site that cannot start, stop or be reached
    ├── DslError               a dsl or conf that a user wrote: JSON pointer, what, remedy
    ├── DataError              rows, columns or labels that a component or an upload cannot take
    │   └── TableNotFound
    ├── TransportError         between gateways, or a task and its gateway
    │   ├── PartyUnreachable   no answer; safe to retry
    │   ├── GatewayUnavailable no answer from the site's own gateway; safe to retry
    │   ├── NeverSent          a peer's part is over, and it did not send what is waited for
    │   ├── MessageRejected    what a peer sent is not what was agreed
    │   └── AccessDenied       a call that its certificate or the site's policy does not allow
    ├── AttemptEnded           an attempt was decided without this task
    │   ├── AttemptFailed
    │   └── AttemptCanceled
    ├── JobError               a job that cannot be created, found or stopped
    │   └── JobNotFound
    ├── CryptoError            keys and ciphertexts
    ├── ModelError             a model that does not fit the data or the component
    └── RegistryError          a change of a model's versions, branches and tags that cannot be made
        └── ModelNotFound
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fate_federated.party import Party


class FateFederatedError(Exception):
    """Root of the tree: its text is fit to be shown to a user."""


class ConfigError(FateFederatedError):
    """A configuration file is wrong; the text names the file, the place and the remedy."""


class InvalidParty(ConfigError):
    """A text that does not name a party."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a party. Write <role>-<party_id>, such as guest-9999 or host-10000.")


class SiteError(ConfigError):
    """A site that cannot be made, started, stopped or reached."""


class ProblemKind(StrEnum):
    """Whether the files are wrong, or right and ask for what nothing installed here does."""

    INVALID = "invalid"
    NOT_INSTALLED = "not-installed"


@dataclass(frozen=True, slots=True)
class DslProblem:
    """One thing wrong with a dsl or conf.

    Attributes:
        file: path of the file as the user knows it, empty where the text came without one.
        pointer: JSON pointer (RFC 6901) to the place.
        line: line of that place, counted from 1; 0 where it is not known.
        message: what is wrong.
        remedy: what to do.
        kind: whether it is a mistake.
    """

    pointer: str
    message: str
    remedy: str = ""
    file: str = ""
    line: int = 0
    kind: ProblemKind = ProblemKind.INVALID

    def __str__(self) -> str:
        place = ":".join(part for part in (self.file, str(self.line) if self.line else "") if part)
        where = " ".join(part for part in (place, self.pointer) if part)
        return f"{where + ': ' if where else ''}{self.message}. {self.remedy}".strip()


class DslError(FateFederatedError):
    """A dsl or conf that cannot be compiled. ``problems`` holds every one that was found, ``warnings`` what else has no
    effect.
    """

    def __init__(self, problems: Sequence[DslProblem], warnings: Sequence[DslProblem] = ()) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems, self.warnings = tuple(problems), tuple(warnings)

    @classmethod
    def at(cls, pointer: str, message: str, remedy: str = "") -> DslError:
        """One problem at one place."""
        return cls([DslProblem(pointer, message, remedy)])


class DataError(FateFederatedError):
    """Data that cannot be used. Never names a value of a row, only its place.

    The text may name columns, so it stays at its party unless it is ``public``: see :func:`public_text`.
    """

    def __init__(self, text: str, *, public: bool = False) -> None:
        super().__init__(text)
        self.public = public


class TableNotFound(DataError):
    """No such table at this site."""

    def __init__(self, namespace: str, name: str, party: Party | None = None) -> None:
        where = f" at {party}" if party else ""
        super().__init__(
            f"There is no table {namespace}.{name}{where}. "
            f"Upload it with `fate data upload FILE --namespace {namespace} --name {name}`, "
            "or see what there is with `fate data list`.",
            public=True,
        )
        self.namespace, self.name = namespace, name


class OutputNotFound(DataError):
    """A job left no such output at this party."""

    def __init__(self, job_id: str, component: str, name: str) -> None:
        super().__init__(
            f"{component} of job {job_id} left no data output {name!r} at this party. "
            f"`fate job status {job_id}` shows how the job went, and its dsl names its outputs.",
            public=True,
        )


class TableIsUploaded(DataError):
    """A job may not write over a table that was uploaded."""

    def __init__(self, namespace: str, name: str) -> None:
        super().__init__(
            f"The table {namespace}.{name} was uploaded, and a job replaces only what jobs wrote. Choose another name.",
            public=True,
        )


class TransportError(FateFederatedError):
    """Something between two gateways, or between a task and its gateway."""


class PartyUnreachable(TransportError):
    """No answer from a gateway. Safe to retry."""

    def __init__(self, party: Party, address: str) -> None:
        super().__init__(
            f"{party} did not answer at {address}. "
            "Check that its gateway is running and that the address in site.yaml is right."
        )
        self.party, self.address = party, address


class GatewayUnavailable(TransportError):
    """No answer from the site's own gateway. Safe to retry."""

    def __init__(self, address: str, detail: str = "") -> None:
        super().__init__(
            f"The gateway at {address} did not answer{f' ({detail})' if detail else ''}. "
            "If the site is down, start it with `fate site up`; `fate site status` says what runs. "
            "If it is up and a task says this, the Airflow connection fate_gateway names another host or port."
        )
        self.address = address


class NeverSent(TransportError):
    """A peer's part of a task is over without a message that another party waits for."""

    def __init__(self, sender: Party, receiver: Party, tag: str) -> None:
        super().__init__(
            f"{sender} ended without sending {tag!r} to {receiver}. "
            "Have both the same parameters, need_run among them, and the same kinds of inputs?"
        )
        self.sender, self.receiver, self.tag = sender, receiver, tag


class MessageRejected(TransportError):
    """A message that is not what was agreed: its type, shape, size or digest."""


class AccessDenied(TransportError):
    """A call that its certificate or this site's policy does not allow."""


class AttemptEnded(FateFederatedError):
    """The attempt was decided while this task still worked."""


class AttemptFailed(AttemptEnded):
    """The attempt failed; the text names the party and the cause."""


class AttemptCanceled(AttemptEnded):
    """A person stopped the attempt; the text says at which party."""


class JobError(FateFederatedError):
    """A job that cannot be created, run or stopped."""


class JobNotFound(JobError):
    """No such job at this site."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id} at this site. See `fate job list`.")
        self.job_id = job_id


class CryptoError(FateFederatedError):
    """Keys that do not match, or ciphertexts that are not ones."""


class ModelError(FateFederatedError):
    """A model that does not fit the data or the component. Its text stays at its party: see :func:`public_text`."""


class RegistryError(FateFederatedError):
    """A change of a model that cannot be made, or an artifact that is not what the registry says."""


class ModelNotFound(RegistryError):
    """No such model, version, branch or tag at this site."""


def public_text(error: Exception) -> str:
    """What the other parties are told when a party fails.

    What is said of a party's own data or model may name its columns, and an unexpected error may hold anything: such
    texts stay in the log of the party's own task, and the others learn the kind of error alone.
    """
    kind = type(error).__name__
    private = isinstance(error, ModelError) or (isinstance(error, DataError) and not error.public)
    if private or not isinstance(error, FateFederatedError):
        return f"{kind} (see the log of its task)"
    return f"{kind}: {error}"


def suggest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'HeteroLR'?`` when a known word is near, else the list of what there is."""
    import difflib

    names = sorted(map(str, known))
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.65)
    if near:
        return f"Did you mean {by_lower[near[0]]!r}?"
    shown = names if len(names) <= 20 else [*names[:20], "…"]
    return f"Known: {', '.join(shown)}." if names else ""


def in_file(error: DslError, path: Path | str) -> DslError:
    """The same problems, with the file they are in."""
    from dataclasses import replace

    return DslError([replace(problem, file=problem.file or str(path)) for problem in error.problems])
