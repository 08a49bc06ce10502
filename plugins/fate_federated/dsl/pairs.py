"""Which dsl goes with which conf among the files of a folder: by test suites, by names, by what the files hold.

FATE has no rule. Its test suites name the two files of each task. Where there is no suite, a conf belongs to the dsl of
the same name, else to the one of its folder that it fits: whose sources and components it speaks of, and whose name it
carries in its own.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fate_federated.dsl.document import Document, members, shorten
from fate_federated.dsl.file_kinds import SUFFIXES, FileKind, JobFile, look_into
from fate_federated.dsl.job_files import read_document
from fate_federated.errors import DslError, DslProblem


@dataclass(frozen=True, slots=True)
class Pair:
    """A dsl and a conf that belong together.

    Attributes:
        dsl, conf: their paths; None where there is none, the same when one file holds both.
        problems: why neither is to be read, or is there to be.
    """

    dsl: Path | None
    conf: Path | None
    problems: tuple[DslProblem, ...] = ()


def find_pairs(paths: Sequence[Path]) -> list[Pair]:
    """The jobs among files and folders, in the paths' order; a half without its other is there alone.

    A folder is looked through with the folders in it; names that start with a dot are passed over, and so is what is
    neither a dsl nor a conf. A file is paired with the files of its folder, but for a dsl and a conf that are given
    side by side, which are a pair.

    Raises:
        FileNotFoundError: a path is not there.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(str(path))
    files = [look_into(path, meant=True) for path in paths if not path.is_dir()]
    by_kind = {file.kind: file.path for file in files}
    if len(paths) == 2 and set(by_kind) == {FileKind.DSL, FileKind.CONF}:
        return [Pair(by_kind[FileKind.DSL], by_kind[FileKind.CONF])]
    found: dict[Pair, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_in_folder(path) if path.is_dir() else _of_file(path)))
    return list(found)


def _in_folder(folder: Path) -> Iterator[Pair]:
    by_folder: dict[Path, list[JobFile]] = {}
    root = folder.resolve()
    for path in _walk(folder):
        if path.is_symlink() and not _leads_to(path).is_relative_to(root):
            yield _outside(path, folder)
        elif path.is_file() or (path.is_symlink() and not path.exists()):
            by_folder.setdefault(path.parent, []).append(look_into(path))
    yield from _pairs(by_folder, root)


def _of_file(path: Path) -> Iterator[Pair]:
    """The pairs that a file is part of; for a test suite, those that it names."""
    file = look_into(path, meant=True)
    if file.kind is FileKind.SUITE:
        yield from _of_suite(path, None)
        return
    beside = sorted(other for other in path.parent.iterdir() if _may_be_a_jobs(other.name) and other != path)
    files = [file, *(look_into(other) for other in beside if other.is_file())]
    yield from (pair for pair in _pairs({path.parent: files}, None) if path in (pair.dsl, pair.conf))


def _pairs(by_folder: Mapping[Path, Sequence[JobFile]], root: Path | None) -> Iterator[Pair]:
    suites = [file.path for files in by_folder.values() for file in files if file.kind is FileKind.SUITE]
    named = [pair for suite in suites for pair in _of_suite(suite, root)]
    yield from named
    taken = {path for pair in named for path in (pair.dsl, pair.conf) if path is not None}
    for files in by_folder.values():
        yield from _by_name(files, taken)


def _by_name(files: Iterable[JobFile], taken: Collection[Path]) -> Iterator[Pair]:
    """The pairs of one folder, but for those of files that a test suite names."""
    of_kind: dict[FileKind, list[JobFile]] = {kind: [] for kind in FileKind}
    for file in files:
        of_kind[file.kind].append(file)
    yield from (Pair(file.path, file.path) for file in of_kind[FileKind.BOTH])
    used = set(taken)
    for conf in of_kind[FileKind.CONF]:
        if conf.path not in taken:
            dsl = _dsl_of(conf, of_kind[FileKind.DSL])
            yield Pair(dsl, conf.path)
            used |= {dsl} if dsl else set()
    yield from (Pair(dsl.path, None) for dsl in of_kind[FileKind.DSL] if dsl.path not in used)


def _dsl_of(conf: JobFile, dsls: Sequence[JobFile]) -> Path | None:
    """The dsl that a conf is for; None when it fits none, or is to predict by the dsl that comes with the model."""
    for dsl in dsls:
        if dsl.name == conf.name:
            return dsl.path
    if conf.predicts and "component_parameters" not in conf.content:
        return None
    fitting = [dsl for dsl in dsls if dsl.predicts == conf.predicts and _are_related(dsl, conf)]
    closest = min(fitting, key=lambda dsl: _distance(dsl, conf), default=None)
    return closest.path if closest else None


def _are_related(dsl: JobFile, conf: JobFile) -> bool:
    return dsl.words <= conf.words or bool(dsl.components & conf.components or dsl.sources & conf.sources)


def _distance(dsl: JobFile, conf: JobFile) -> tuple[int, bool, bool, int, int, int]:
    """How badly a conf fits a dsl: sources that the conf has no table for, data to validate on that the dsl lacks, a
    name of its own, then components and tables that only one of them has, against words that their names share.
    """
    strange = len(conf.components - dsl.components) + len(conf.tables - dsl.sources)
    differ = strange + len(dsl.components - conf.components)
    return (
        len(dsl.sources - conf.sources),
        conf.validates and not dsl.validates,
        not dsl.words <= conf.words,
        differ - len(dsl.words & conf.words),
        strange,
        differ,
    )


def _of_suite(path: Path, root: Path | None) -> Iterator[Pair]:
    """The pairs of a test suite's tasks. A task without a dsl predicts by the model of the task that it depends on.

    Args:
        root: the folder that its paths may not lead out of, if any.
    """
    try:
        suite = read_document(path, str(path))
    except DslError as error:
        yield Pair(None, None, error.problems)
        return
    tasks = members(suite.value).get("tasks")
    if not isinstance(tasks, dict):
        remedy = 'Write {"tasks": {"<name>": {"conf": "<file>", "dsl": "<file>"}}}.'
        yield Pair(None, None, (suite.problem(("tasks",), "a suite has tasks, by name", remedy),))
        return
    for name, task in tasks.items():
        problems: list[DslProblem] = []
        if "conf" not in members(task):
            problem = suite.problem(("tasks", name), "the task names no conf", 'Write "conf": "<file>".')
            problems.append(problem)
        dsl, conf = (
            _named(suite, path.parent, name, half, root, problems) if half in members(task) else None
            for half in ("dsl", "conf")
        )
        yield Pair(dsl, conf, tuple(problems))


def _named(
    suite: Document, folder: Path, task: str, half: str, root: Path | None, problems: list[DslProblem]
) -> Path | None:
    """The file that a task names; None when it may not be read."""
    at = ("tasks", task, half)
    written = suite.value["tasks"][task][half]
    if not isinstance(written, str) or not written or not written.isprintable():
        problems.append(suite.problem(at, f"{shorten(written)} is no path of a file", "Write a path from the suite."))
        return None
    path = Path(os.path.normpath(folder / written))
    try:
        if root is not None and not _leads_to(path).is_relative_to(root):
            problems.append(
                suite.problem(at, f"{shorten(written)} leads out of the folder", "Check one that has both.")
            )
            return None
        there = path.is_file()
    except OSError:
        there = False
    if not there:
        problems.append(suite.problem(at, f"there is no file {shorten(written)}", "Paths start at the suite's folder."))
    return path


def _leads_to(path: Path) -> Path:
    """Where a path really is; :meth:`Path.resolve` raises at links that lead in a circle."""
    return Path(os.path.realpath(path))


def _outside(path: Path, folder: Path) -> Pair:
    problem = DslProblem("", f"it is a link that leads out of {folder}", "Put a copy there.", str(path), 1)
    is_conf = "conf" in path.stem
    return Pair(None if is_conf else path, path if is_conf else None, (problem,))


def _walk(folder: Path) -> Iterator[Path]:
    """Files that may be a job's, in a fixed order. Links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if _may_be_a_jobs(name))


def _may_be_a_jobs(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")
