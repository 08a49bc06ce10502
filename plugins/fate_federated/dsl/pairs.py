"""Which dsl goes with which conf among the files of a folder: by test suites, by names, by what the files hold.

FATE has no rule. Its test suites name the two files of each task. Where there is no suite, a conf belongs to the dsl of
the same name, else to the one of its folder that it fits: whose name it carries in its own, or, where a person only
wants to know what there is, whose sources and components it speaks of.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fate_federated.dsl.document import Document, members, shorten
from fate_federated.dsl.file_kinds import COMBINED_SUFFIX, SUFFIXES, SUITE_SUFFIX, FileKind, JobFile, look_into
from fate_federated.dsl.job_files import CONF_SUFFIX, DSL_SUFFIX, read_document
from fate_federated.errors import DslError, DslProblem


@dataclass(frozen=True, slots=True)
class Pair:
    """A dsl and a conf that belong together.

    Attributes:
        dsl, conf: their paths; None where there is none, the same when one file holds both.
        problems: why neither is to be read, or is there to be.
        guessed: only what they hold says that they belong together.
    """

    dsl: Path | None
    conf: Path | None
    problems: tuple[DslProblem, ...] = ()
    guessed: bool = False


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


def find_dropped(folder: Path) -> list[Pair]:
    """The jobs of a dags folder: those that :func:`find_pairs` finds there, but for what it only guesses.

    Files are read only where their names do not tell what belongs together.
    """
    found, by_folder = _files(folder)
    suites = any(path.name.endswith(SUITE_SUFFIX) for paths in by_folder.values() for path in paths)
    of_name = {parent: _by_suffix(paths) for parent, paths in by_folder.items()}
    read = {
        parent: [_look_again(path) for path in paths]
        for parent, paths in by_folder.items()
        if suites or {path for pair in of_name[parent] for path in (pair.dsl, pair.conf)} != set(paths)
    }
    named = [pair for parent, pairs in of_name.items() if parent not in read for pair in pairs]
    return [*found, *named, *_pairs(read, folder.resolve(), of_name)]


def _by_suffix(paths: Sequence[Path]) -> list[Pair]:
    """The pairs of a folder's files by their names alone: ``<name>_dsl.json`` and ``<name>_conf.json``, or one file."""
    there = {path.name: path for path in paths}
    pairs: list[Pair] = []
    for name, path in there.items():
        if name.endswith(COMBINED_SUFFIX):
            pairs.append(Pair(path, path))
        elif name.endswith(DSL_SUFFIX) and (conf := there.get(name.removesuffix(DSL_SUFFIX) + CONF_SUFFIX)):
            pairs.append(Pair(path, conf))
    return pairs


def _in_folder(folder: Path) -> Iterator[Pair]:
    found, by_folder = _files(folder)
    yield from found
    yield from _pairs({parent: list(map(look_into, paths)) for parent, paths in by_folder.items()}, folder.resolve())


def _files(folder: Path) -> tuple[list[Pair], dict[Path, list[Path]]]:
    """What may not be looked into, and by folder the files that may be a job's."""
    found: list[Pair] = []
    by_folder: dict[Path, list[Path]] = {}
    root = folder.resolve()
    for path in _walk(folder, found):
        if path.is_symlink() and not _leads_to(path).is_relative_to(root):
            found.append(_outside(path, folder))
        elif path.is_file() or (path.is_symlink() and not path.exists()):
            by_folder.setdefault(path.parent, []).append(path)
    return found, by_folder


def _look_again(path: Path) -> JobFile:
    """What a file is, read only when it has changed."""
    try:
        status = path.stat()
    except OSError:
        return look_into(path)
    return _looked_into(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4096)
def _looked_into(path: Path, state: tuple[int, int, int]) -> JobFile:
    return look_into(path)


def _of_file(path: Path) -> Iterator[Pair]:
    """The pairs that a file is part of; for a test suite, those that it names."""
    file = look_into(path, meant=True)
    if file.kind is FileKind.SUITE:
        yield from _of_suite(path, None)
        return
    beside = sorted(other for other in path.parent.iterdir() if _may_be_a_jobs(other.name) and other != path)
    files = [file, *(look_into(other) for other in beside if other.is_file())]
    yield from (pair for pair in _pairs({path.parent: files}, None) if path in (pair.dsl, pair.conf))


def _pairs(
    by_folder: Mapping[Path, Sequence[JobFile]],
    root: Path | None,
    of_name: Mapping[Path, Sequence[Pair]] | None = None,
) -> Iterator[Pair]:
    """The pairs of folders.

    Args:
        root: the folder that paths may not lead out of, if any.
        of_name: those that the names alone make; if given, names have to say of the others, too, what they belong to.
    """
    suites = [file.path for files in by_folder.values() for file in files if file.kind is FileKind.SUITE]
    named = [pair for suite in suites for pair in _of_suite(suite, root)]
    yield from named
    taken = {path for pair in named for path in (pair.dsl, pair.conf) if path is not None}
    for parent, files in by_folder.items():
        plain = [pair for pair in of_name[parent] if pair.conf not in taken] if of_name else []
        yield from plain
        settled = taken | {path for pair in plain for path in (pair.dsl, pair.conf) if path is not None}
        yield from _by_name(files, settled, by_content=of_name is None)


def _by_name(files: Iterable[JobFile], taken: Collection[Path], *, by_content: bool) -> Iterator[Pair]:
    """The pairs of one folder, but for those of files that are taken."""
    of_kind: dict[FileKind, list[JobFile]] = {kind: [] for kind in FileKind}
    for file in files:
        of_kind[file.kind].append(file)
    yield from (Pair(file.path, file.path) for file in of_kind[FileKind.BOTH] if file.path not in taken)
    used = set(taken)
    of_stem = {dsl.stem: dsl for dsl in of_kind[FileKind.DSL]}
    of_name = {dsl.name: dsl for dsl in reversed(of_kind[FileKind.DSL])}
    for conf in of_kind[FileKind.CONF]:
        if conf.path not in taken:
            same = of_stem.get(conf.stem) or of_name.get(conf.name)
            fitting = same or _dsl_of(conf, of_kind[FileKind.DSL], by_content=by_content)
            guessed = fitting is not None and not fitting.words <= conf.words
            yield Pair(fitting.path if fitting else None, conf.path, guessed=guessed)
            used |= {fitting.path} if fitting else set()
    yield from (Pair(dsl.path, None) for dsl in of_kind[FileKind.DSL] if dsl.path not in used)


def _dsl_of(conf: JobFile, dsls: Sequence[JobFile], *, by_content: bool) -> JobFile | None:
    """The dsl of another name that a conf is for; None when it fits none, or is to predict by the dsl that comes with
    the model.
    """
    if conf.predicts and "component_parameters" not in conf.content:
        return None
    fitting = [
        dsl
        for dsl in dsls
        if dsl.predicts == conf.predicts and (dsl.words <= conf.words or (by_content and _are_related(dsl, conf)))
    ]
    return min(fitting, key=lambda dsl: _distance(dsl, conf), default=None)


def _are_related(dsl: JobFile, conf: JobFile) -> bool:
    return bool(dsl.components & conf.components or dsl.sources & conf.sources)


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
    if suite.repeated:
        yield Pair(None, None, suite.repeated)
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
    if path.is_dir():
        return Pair(None, None, (problem,))
    is_conf = "conf" in path.stem
    return Pair(None if is_conf else path, path if is_conf else None, (problem,))


def _walk(folder: Path, found: list[Pair]) -> Iterator[Path]:
    """Files that may be a job's, and links to folders, in a fixed order. Such links are not followed.

    Args:
        found: takes what is wrong with folders.
    """

    def unreadable(error: OSError) -> None:
        problem = DslProblem("", f"the folder cannot be read: {error.strerror}", "", str(error.filename), 1)
        found.append(Pair(None, None, (problem,)))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (path for path in (Path(parent, name) for name in folders) if path.is_symlink())
        yield from (Path(parent, name) for name in sorted(names) if _may_be_a_jobs(name))


def _may_be_a_jobs(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")
