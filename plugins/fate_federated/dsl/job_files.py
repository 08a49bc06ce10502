"""A job's files: reading a dsl and its conf, or the one file that holds both."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fate_federated.catalog.discovery import find_module
from fate_federated.dsl.document import MAX_TEXT_BYTES, Document, decode_utf8, read_json, too_large
from fate_federated.dsl.nodes import Catalog
from fate_federated.dsl.parse import parse_documents
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.errors import DslError, DslProblem

DSL_SUFFIX = "_dsl.json"
CONF_SUFFIX = "_conf.json"
COMBINED_SUFFIX = ".fate.json"
SUFFIXES = (DSL_SUFFIX, CONF_SUFFIX, COMBINED_SUFFIX)


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
        if not path.is_file() and path.exists():
            raise DslError([DslProblem("", "it is no regular file", "Put the text into one.", file, 1)])
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DslError([too_large(file)])
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
