"""The Python files that Airflow parses: one small file for each job of a site, beside copies of the job's JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fate_federated.dsl.document import MAX_TEXT_BYTES, Document, decode_utf8, read_json
from fate_federated.dsl.job_files import (
    COMBINED_SUFFIX,
    CONF_SUFFIX,
    DSL_SUFFIX,
    SUFFIXES,
    job_digest,
    load_job,
    split_job,
)
from fate_federated.dsl.job_folder import FoundJobs, JobPaths, find_jobs, received_jobs
from fate_federated.errors import DslError, DslProblem
from fate_federated.settings import SiteSettings
from fate_federated.trained_jobs import TrainedJobs

# Airflow looks into a file only when it holds the words "airflow" and "dag".
_JOB = '''\
"""The job {name} as an Airflow DAG of each of its parties that this site hosts.

Generated from the files named below, of content {digest}. Edit those, not this one.
"""

from fate_federated.dag_factory.job_file import job_dags

globals().update(
    job_dags(
        __file__,
        name={name!r},
        copies={copies!r},
        files={files!r},
        parties={parties!r},
        received={received!r},
        paused={paused!r},
    )
)
'''

_KEPT = """
# Until its runs in Airflow have ended: the files that made this DAG are gone, or make it no more.
from fate_federated.dag_factory.job_file import kept_dag

globals().update(kept_dag(__file__, dag_id={dag_id!r}, copies={copies!r}, received={received!r}))
"""

_KEPT_MARK = "+kept"
"""Between a DAG's id and the rest of the name of a copy. No job is called so."""


_BROKEN = '''\
"""Says in Airflow why a file makes no DAG."""

from fate_federated.dag_factory.job_file import broken_job

broken_job({problems!r})
'''


_PREDICTS = (b'"predict"', b'"pipeline.')
"""One of them is in the files of every job that predicts."""

_END_OF_ZIP = b"PK\5\6"
"""In every ZIP archive and in no JSON. Airflow would run the Python in an archive, whatever the file is called."""


@dataclass(frozen=True, slots=True)
class SiteJobs:
    """The jobs that are on a site's disk: those dropped there and those received from other sites' initiators."""

    site: SiteSettings
    dropped: FoundJobs
    received: FoundJobs

    @classmethod
    def find(cls, site: SiteSettings) -> SiteJobs:
        """Look into the site's folders."""
        return cls(site, find_jobs(site.path(site.airflow.dags_folder)), received_jobs(site.received_jobs))

    def changes(self) -> tuple[dict[Path, tuple[int, int, int]], float]:
        """By file, what differs once it is written again; and the time of the latest write, in seconds since 1970."""
        changes: dict[Path, tuple[int, int, int]] = {}
        latest = 0.0
        paths = [path for job in (*self.dropped.jobs, *self.received.jobs) for path in job.paths]
        # A training may be what a dropped prediction waits for.
        for path in (*paths, self.site.trained_jobs):
            try:
                status = path.stat()
            except OSError:  # a job's file that cannot be read is reported when it is looked into
                continue
            changes[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
            latest = max(latest, status.st_mtime, status.st_ctime)
        return changes, latest

    def generate(self) -> dict[str, bytes]:
        """Name and content of every generated file. Equal jobs make equal files."""
        files: dict[str, bytes] = {}
        dropped = {job.name: job for job in self.dropped.jobs}
        for job in self.dropped.jobs:
            files.update(self._job(job, received=False))
        for job in self.received.jobs:
            if job.name not in dropped:
                files.update(self._job(job, received=True))
            elif not _same(job, dropped[job.name]):
                here = dropped[job.name].paths[0]
                # The job that was dropped here stays: another organisation cannot put its own in that one's place.
                message = f"another job of the name {job.name} was received here: {here} differs"
                files.update([broken_file([DslProblem("", message, "Rename one of them.", str(job.paths[0]))])])
        files.update(broken_file([problem]) for problem in (*self.dropped.problems, *self.received.problems))
        return files

    def _job(self, job: JobPaths, *, received: bool) -> Iterator[tuple[str, bytes]]:
        try:
            copies = {_copy_name(job, path): _content(path) for path in job.paths}
            if not received:
                copies = self._completed(job, copies)
        except DslError as error:
            yield broken_file(error.problems, _copy_name(job, Path(error.problems[0].file)))
            return
        yield from copies.items()
        text = _JOB.format(
            name=job.name,
            digest=sha256(b"\0".join(copies.values())).hexdigest()[:12],
            copies=tuple(copies),
            files=tuple(_printable(path) for path in job.paths),
            parties=self.site.parties,
            received=received,
            paused=received and self.site.policy.consent == "ask",
        )
        yield f"{job.name}.py", text.encode()

    def _completed(self, job: JobPaths, copies: dict[str, bytes]) -> dict[str, bytes]:
        """The copies of a job, of one that predicts with what its files leave to the training.

        Raises:
            DslError: the training is not known here, or the job cannot be compiled with it.
        """
        if job.dsl is not None and not any(word in content for content in copies.values() for word in _PREDICTS):
            return copies
        try:
            dsl, conf = _documents(job, copies)
        except DslError:
            if job.dsl is None:
                raise
            return copies  # whoever compiles the copies says what is wrong
        completed = TrainedJobs(self.site.trained_jobs).complete(dsl, conf)
        if completed is None and dsl is None:
            stem = job.conf.name.removesuffix(CONF_SUFFIX)
            beside = stem + DSL_SUFFIX if stem != job.conf.name else "dsl whose name is part of this conf's"
            remedy = "A job is a dsl and a conf of the same name; docs/jobs.md tells what else may belong together."
            raise DslError([conf.problem((), f"there is no {beside} beside it", remedy)])
        if completed is None:
            return copies
        return {
            job.name + DSL_SUFFIX: completed.dsl_text.encode(),
            job.name + CONF_SUFFIX: completed.conf_text.encode(),
        }


def job_file_names(name: str) -> tuple[str, ...]:
    """What the generated file of a job and the copies beside it are called, whichever of them there are."""
    return (f"{name}.py", *(name + suffix for suffix in SUFFIXES))


def copies_of(dag_id: str, version: Mapping[str, str]) -> dict[str, str]:
    """The copies of a job's files in a version that made one of its DAGs, under names that no other version uses.

    Args:
        version: hashes of contents, by name.

    Returns:
        the same, of the copies.
    """
    kept = dag_id + _KEPT_MARK
    # A run that was triggered meanwhile has a version that kept the DAG.
    for stem in (kept, dag_id.rpartition(".")[0]):
        copies = {kept + suffix: version[stem + suffix] for suffix in SUFFIXES if stem + suffix in version}
        if copies:
            return copies
    return {}


def was_received(generated: bytes) -> bool:
    """Whether a job's generated file is of one that came from another organisation."""
    return b"received=True" in generated


def kept_job(generated: bytes, copies: Mapping[str, Iterable[str]], received: Collection[str]) -> bytes:
    """A job's generated file with DAGs that its files make no more.

    Args:
        generated: the file as it is; empty where it makes no DAG.
        copies: by DAG, names of the copies that make it.
        received: those of the DAGs whose job came from another organisation.
    """
    kept = (
        _KEPT.format(dag_id=dag_id, copies=tuple(names), received=dag_id in received)
        for dag_id, names in copies.items()
    )
    return generated + "".join(kept).encode()


def _documents(job: JobPaths, copies: dict[str, bytes]) -> tuple[Document | None, Document]:
    files = map(_printable, job.paths)
    read = [read_json(decode_utf8(content, file), file) for content, file in zip(copies.values(), files, strict=True)]
    if job.dsl == job.conf:
        texts = split_job(read[0])
        return texts.dsl, texts.conf
    return (None if job.dsl is None else read[0]), read[-1]


def _copy_name(job: JobPaths, path: Path) -> str:
    if job.dsl == job.conf:
        return job.name + COMBINED_SUFFIX
    return job.name + (CONF_SUFFIX if path == job.conf else DSL_SUFFIX)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DslError([DslProblem("", f"the file has more than {MAX_TEXT_BYTES >> 20} MiB", "", str(path))])
        content = path.read_bytes()
    except OSError as error:
        raise DslError([DslProblem("", f"it cannot be read: {error.strerror}", "", str(path))]) from error
    if _END_OF_ZIP in content:
        raise DslError([DslProblem("", "it is a ZIP archive, not JSON", "", str(path))])
    return content


def broken_file(problems: Sequence[DslProblem], name: str = "") -> tuple[str, bytes]:
    """A file of its own for what is wrong with one of the user's, with a name in which that can be recognised.

    Args:
        name: to recognise it by, that of the user's file if not given.
    """
    literals = [
        (problem.pointer, problem.message, problem.remedy, _printable(problem.file), problem.line)
        for problem in problems
    ]
    text = _BROKEN.format(problems=literals)
    recognisable = re.sub(r"[^A-Za-z0-9_.-]", "_", name or Path(problems[0].file).name)[:160].lstrip(".")
    return f"{recognisable}.{sha256(text.encode()).hexdigest()[:8]}.py", text.encode()


def _printable(path: Path | str) -> str:
    """A path for messages. Its bytes need not be UTF-8; what Airflow shows has to be."""
    return str(path).encode(errors="replace").decode()


def _same(job: JobPaths, other: JobPaths) -> bool:
    if job.dsl is None or other.dsl is None:
        return False
    try:
        first, second = load_job(job.dsl, job.conf), load_job(other.dsl, other.conf)
    except DslError:
        return False
    return job_digest(first.dsl_text, first.conf_text) == job_digest(second.dsl_text, second.conf_text)
