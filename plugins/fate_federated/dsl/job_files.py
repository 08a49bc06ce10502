"""Jobs as files: ``<name>_dsl.json`` with ``<name>_conf.json``, or both in one ``<name>.fate.json``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fate_federated.catalog.discovery import find_module
from fate_federated.dsl.document import MAX_TEXT_BYTES, Document, decode_utf8, read_json
from fate_federated.dsl.nodes import Catalog
from fate_federated.dsl.parse import parse_documents
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.errors import DslError, DslProblem

DSL_SUFFIX = "_dsl.json"
CONF_SUFFIX = "_conf.json"
COMBINED_SUFFIX = ".fate.json"
SUFFIXES = (DSL_SUFFIX, CONF_SUFFIX, COMBINED_SUFFIX)

JOB_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
"""What a job may be called: it becomes part of a DAG's id and of file names at every party."""


@dataclass(frozen=True, slots=True)
class JobPaths:
    """Where a job's texts are; both paths are the same when one file holds them.

    Attributes:
        dsl: None for a conf alone, which is a job when it predicts: the dsl is derived from the training's.
    """

    name: str
    dsl: Path | None
    conf: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.conf,) if self.dsl is None or self.dsl == self.conf else (self.dsl, self.conf)


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """What a folder holds: jobs, and files that look like a job's and make none."""

    jobs: tuple[JobPaths, ...]
    problems: tuple[DslProblem, ...]


@dataclass(frozen=True, slots=True)
class JobTexts:
    """A job whose JSON has been read."""

    dsl: Document
    conf: Document

    @property
    def dsl_text(self) -> str:
        return self.dsl.source

    @property
    def conf_text(self) -> str:
        return self.conf.source

    def compile(self, catalog: Catalog = find_module, trained: Pipeline | None = None) -> Pipeline:
        """The job in canonical form; see :func:`~fate_federated.dsl.parse.parse_documents`.

        Raises:
            DslError: with everything that is wrong.
        """
        return parse_documents(self.dsl, self.conf, catalog=catalog, trained=trained)


def job_digest(dsl_text: str, conf_text: str) -> str:
    """Twelve hexadecimal digits that tell one version of a job from another, the same at every party."""
    return sha256(f"{dsl_text}\0{conf_text}".encode()).hexdigest()[:12]


def find_jobs(folder: Path) -> FoundJobs:
    """The jobs of a folder and the folders in it, by name. Names that start with a dot are passed over."""
    halves: dict[tuple[str, str], dict[str, str]] = {}
    problems: list[DslProblem] = []
    for parent, entry in _walk(str(folder), problems):
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(folder.resolve()):
            problems.append(_problem(entry.path, f"it is a link that leads out of {folder}", "Put a copy there."))
            continue
        for suffix in SUFFIXES:
            if entry.name.endswith(suffix):
                halves.setdefault((parent, entry.name.removesuffix(suffix)), {})[suffix] = entry.path
    by_name: dict[str, list[JobPaths]] = {}
    for (_, name), files in halves.items():
        if not JOB_NAME.fullmatch(name):
            rule = "Use up to 128 letters, digits, _, - and dots."
            problems += [_problem(path, f"{name!r} is no name for a job", rule) for path in files.values()]
            continue
        if COMBINED_SUFFIX in files:
            both = Path(files.pop(COMBINED_SUFFIX))
            by_name.setdefault(name, []).append(JobPaths(name, both, both))
        if len(files) == 2:
            by_name.setdefault(name, []).append(JobPaths(name, Path(files[DSL_SUFFIX]), Path(files[CONF_SUFFIX])))
        elif CONF_SUFFIX in files:
            by_name.setdefault(name, []).append(JobPaths(name, None, Path(files[CONF_SUFFIX])))
        elif DSL_SUFFIX in files:
            message = f"there is no {name}{CONF_SUFFIX} beside it"
            problems.append(_problem(files[DSL_SUFFIX], message, "A job is a dsl and a conf of the same name."))
    jobs: list[JobPaths] = []
    for name, same in sorted(by_name.items()):
        if len(same) == 1:
            jobs += same
        else:
            places = " and ".join(str(job.paths[0]) for job in same)
            message = f"more than one job is named {name}: {places}"
            problems += [_problem(str(job.paths[0]), message, "Rename one of them: a name is one job.") for job in same]
    return FoundJobs(tuple(jobs), tuple(problems))


def load_job(dsl: Path, conf: Path | None = None, *, dsl_file: str = "", conf_file: str = "") -> JobTexts:
    """Read a job's files.

    Args:
        conf: None when ``dsl`` holds both, as ``{"dsl": …, "conf": …}``.
        dsl_file, conf_file: what messages call the files, by default their paths.

    Raises:
        DslError: a file cannot be read, or is not JSON.
    """
    if conf is None or conf == dsl:
        return split_job(read_document(dsl, dsl_file or str(dsl)))
    documents: list[Document] = []
    problems: list[DslProblem] = []
    for path, name in ((dsl, dsl_file), (conf, conf_file)):
        try:
            documents.append(read_document(path, name or str(path)))
        except DslError as error:
            problems += error.problems
    if problems:
        raise DslError(problems)
    return JobTexts(*documents)


def read_document(path: Path, file: str) -> Document:
    """Read one file.

    Args:
        file: what messages call it.

    Raises:
        DslError: it cannot be read, or is not JSON.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DslError([DslProblem("", f"the file has more than {MAX_TEXT_BYTES >> 20} MiB", "", file, 1)])
        data = path.read_bytes()
    except OSError as error:
        raise DslError([DslProblem("", f"it cannot be read: {error.strerror}", "", file)]) from error
    return read_json(decode_utf8(data, file), file)


def split_job(both: Document) -> JobTexts:
    """The two texts of a document that holds them as ``{"dsl": …, "conf": …}``.

    Raises:
        DslError: it does not.
    """
    problems: list[DslProblem] = []
    if not isinstance(both.value, dict):
        problems.append(both.problem((), "it is no object", 'Write {"dsl": {…}, "conf": {…}}.'))
    else:
        for key in ("dsl", "conf"):
            if key not in both.value:
                problems.append(both.problem((key,), f"it holds no {key}", 'Write {"dsl": {…}, "conf": {…}}.'))
        for key in both.value:
            if key not in ("dsl", "conf"):
                problems.append(both.problem((key,), f"{key!r} means nothing here", "Known: conf, dsl."))
    if problems:
        raise DslError(problems)
    return JobTexts(both.part("dsl"), both.part("conf"))


def _walk(folder: str, problems: list[DslProblem]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files that may be a job's, and links to folders, each with the folder it is in, in a fixed order."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(_problem(folder, f"the folder cannot be read: {error.strerror}", ""))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, problems)
        elif entry.name.endswith(SUFFIXES) or (entry.is_symlink() and entry.is_dir()):
            yield folder, entry


def _problem(path: str, message: str, remedy: str) -> DslProblem:
    return DslProblem("", message, remedy, path)
