"""Checking many jobs at once: each file is read once, however many confs share a dsl."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fate_federated.catalog.discovery import find_module
from fate_federated.dsl.components import read_components
from fate_federated.dsl.document import Document, members
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.job_files import load_job, read_document
from fate_federated.dsl.job_folder import JOB_NAME, conf_name
from fate_federated.dsl.nodes import Catalog
from fate_federated.dsl.pairs import Pair
from fate_federated.dsl.parse import check_conf, parse_documents
from fate_federated.errors import DslError, DslProblem, ProblemKind


class Verdict(StrEnum):
    """What comes of a job's files here."""

    OK = "ok"
    NOT_INSTALLED = "not-installed"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one pair.

    Attributes:
        modules: of its dsl, each once, in the dsl's order.
        problems: why it is not ok.
        warnings: what else the files say that has no effect, or not the effect that it seems to have.
    """

    pair: Pair
    modules: tuple[str, ...]
    problems: tuple[DslProblem, ...]
    warnings: tuple[DslProblem, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if not self.problems:
            return Verdict.OK
        kinds = {problem.kind for problem in self.problems}
        return Verdict.NOT_INSTALLED if kinds == {ProblemKind.NOT_INSTALLED} else Verdict.INVALID


class Checker:
    """Checks pairs, and remembers the files that it has read."""

    def __init__(self, catalog: Catalog = find_module) -> None:
        self._catalog = catalog
        self._read: dict[Path, Document | DslError] = {}

    def check(self, pair: Pair) -> Checked:
        """Read and compile a pair; of a half without its other, say what can be said of it alone."""
        if pair.problems:
            return Checked(pair, (), pair.problems)
        if pair.dsl is not None and pair.dsl == pair.conf:
            return self._combined(pair, pair.dsl)
        dsl, conf = (None if path is None else self._document(path) for path in (pair.dsl, pair.conf))
        modules = _modules(dsl) if isinstance(dsl, Document) else ()
        unread = [problem for read in (dsl, conf) if isinstance(read, DslError) for problem in read.problems]
        if unread:
            return Checked(pair, modules, tuple(unread))
        return self._compiled(pair, modules, dsl, conf)

    def _combined(self, pair: Pair, path: Path) -> Checked:
        try:
            texts = load_job(path)
        except DslError as error:
            return Checked(pair, (), error.problems)
        return self._compiled(pair, _modules(texts.dsl), texts.dsl, texts.conf)

    def _compiled(
        self, pair: Pair, modules: tuple[str, ...], dsl: Document | DslError | None, conf: Document | DslError | None
    ) -> Checked:
        found: list[DslProblem] = []
        try:
            if isinstance(dsl, Document) and isinstance(conf, Document):
                found += parse_documents(dsl, conf, catalog=self._catalog, to_run=False).warnings
            elif isinstance(dsl, Document):
                check_dsl_alone(dsl)
            elif isinstance(conf, Document):
                found += check_conf(conf)
        except DslError as error:
            return Checked(pair, modules, error.problems, error.warnings)
        name = pair.conf and conf_name(pair.conf)
        if name and isinstance(conf, Document) and not JOB_NAME.fullmatch(name):
            message = f"in a dags folder {name!r} is no name for a job"
            found.append(conf.problem((), message, "Use up to 128 letters, digits, _, - and dots."))
        if pair.guessed and isinstance(conf, Document):
            message = f"only what it holds says that it belongs to {pair.dsl}: in a dags folder the two make no job"
            remedy = "Give the conf a name that the dsl's is part of, or name both in a *testsuite.json."
            found.append(conf.problem((), message, remedy))
        lacking = tuple(problem for problem in found if problem.kind is ProblemKind.NOT_INSTALLED)
        return Checked(pair, modules, lacking, tuple(problem for problem in found if problem not in lacking))

    def _document(self, path: Path) -> Document | DslError:
        if path not in self._read:
            try:
                self._read[path] = read_document(path, str(path))
            except DslError as error:
                self._read[path] = error
        return self._read[path]


def check_dsl_alone(dsl: Document) -> None:
    """Check a dsl that has no conf beside it.

    Raises:
        DslError: that it has none, and what is wrong with it besides.
    """
    findings = Findings()
    findings.error(dsl, (), "there is no conf beside this dsl", "Put <name>_conf.json beside <name>_dsl.json.")
    read_components(dsl, findings)
    raise DslError(findings.errors)


def _modules(dsl: Document) -> tuple[str, ...]:
    components = members(members(dsl.value).get("components")).values()
    modules = (members(component).get("module") for component in components)
    return tuple(dict.fromkeys(module for module in modules if isinstance(module, str)))
