"""The jobs of a folder of a user's files, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fate_federated.dsl.job_files import COMBINED_SUFFIX, CONF_SUFFIX, DSL_SUFFIX
from fate_federated.dsl.pairs import find_dropped
from fate_federated.errors import DslProblem

JOB_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
"""What a job may be called: it becomes part of a DAG's id and of file names at every party."""

_CONF_WORD = re.compile(r"(^|[_.-])conf(?=[_.-]|$)")


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


def conf_name(conf: Path) -> str:
    """What a conf is called without the word that says what it is: empty for ``conf.json``."""
    stem = conf.name.removesuffix(COMBINED_SUFFIX).removesuffix(conf.suffix)
    return _CONF_WORD.sub("", stem).strip("_.-")


def find_jobs(folder: Path) -> FoundJobs:
    """The jobs of a folder and the folders in it. Names that start with a dot are passed over.

    A job is called as its conf is, after the folders that it is in: ``fraud/credit_conf.json`` is ``fraud.credit``.
    """
    problems: list[DslProblem] = []
    by_name: dict[str, list[JobPaths]] = {}
    for pair in find_dropped(folder) if folder.exists() else ():
        if pair.problems:
            problems += pair.problems
        elif pair.conf is None:
            problems.append(_lone_dsl(pair.dsl))
        else:
            inside = (*pair.conf.relative_to(folder).parts[:-1], conf_name(pair.conf))
            name = ".".join(part for part in inside if part) or "job"
            by_name.setdefault(name, []).append(JobPaths(name, pair.dsl, pair.conf))
    jobs: list[JobPaths] = []
    for name, same in sorted(by_name.items()):
        if not JOB_NAME.fullmatch(name):
            rule = "Use up to 128 letters, digits, _, - and dots, for the folders that it is in as well."
            problems += [_problem(path, f"{name!r} is no name for a job", rule) for job in same for path in job.paths]
        elif len(same) == 1:
            jobs += same
        else:
            places = " and ".join(str(job.paths[0]) for job in same)
            message = f"more than one job is named {name}: {places}"
            problems += [_problem(job.paths[0], message, "Rename one of them: a name is one job.") for job in same]
    return FoundJobs(tuple(jobs), tuple(problems))


def received_jobs(folder: Path) -> FoundJobs:
    """The jobs that came from other sites, each in a folder of its initiator under the name that it has there."""
    pairs = ((dsl, dsl.with_name(dsl.name.removesuffix(DSL_SUFFIX) + CONF_SUFFIX)) for dsl in _received(folder))
    jobs = (JobPaths(dsl.name.removesuffix(DSL_SUFFIX), dsl, conf) for dsl, conf in pairs if conf.exists())
    return FoundJobs(tuple(sorted(jobs, key=lambda job: job.name)), ())


def _received(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob(f"*/*{DSL_SUFFIX}") if not path.name.startswith("."))


def _lone_dsl(path: Path | None) -> DslProblem:
    if path is not None and path.name.endswith(DSL_SUFFIX):
        message = f"there is no {path.name.removesuffix(DSL_SUFFIX)}{CONF_SUFFIX} beside it"
    else:
        message = "there is no conf beside it that goes with this dsl"
    return _problem(path, message, "A job is a dsl and a conf of the same name.")


def _problem(path: Path | None, message: str, remedy: str) -> DslProblem:
    return DslProblem("", message, remedy, str(path or ""))
