"""The jobs that a site took part in, kept so that later jobs can predict with their models.

A conf of a job that predicts says little: the model's version, the parties, new tables. The dsl and all other
parameters are those of the training. What is sent to the other parties holds everything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fate_federated.dsl.document import Document, members, read_json, shorten
from fate_federated.dsl.job_files import JobTexts
from fate_federated.dsl.parse import dialect, parse_documents, predict_dsl, predicts
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.render import RenderedJob, render
from fate_federated.dsl.run_conf import run_parameters
from fate_federated.errors import DslError
from fate_federated.wire.records import JobFiles

_JOB_ID = re.compile(r"[0-9]{1,40}")
_REFS = "refs"


@dataclass(frozen=True, slots=True)
class TrainedJob:
    """A job as it ran.

    Attributes:
        texts: its dsl and conf.
        pipeline: with the parameters that its run was triggered with.
        deployed: the components that predict, where somebody has chosen them; empty for those that FATE keeps.
    """

    texts: JobTexts
    pipeline: Pipeline
    deployed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainedJobs:
    """The files of jobs, by job id.

    Attributes:
        folder: one small file for each.
    """

    folder: Path

    def keep(self, job_id: str, files: JobFiles, deployed: Sequence[str] = ()) -> None:
        """Keep a job's files, whole or not at all.

        Args:
            job_id: of the job, or the version of a model that was made from the job's.
            deployed: the components that such a version keeps; empty for all.
        """
        content = {"dsl": files.dsl, "conf": files.conf, "overrides": files.overrides, "deployed": list(deployed)}
        self._write(f"{job_id}.json", content)

    def keep_refs(self, refs: Mapping[str, str]) -> None:
        """Keep what branches and tags point to, ``<model>@<name>`` each."""
        self._write(_REFS, refs)

    def version(self, text: str) -> str:
        """The job or version that a conf's ``model_version`` means, now."""
        if _JOB_ID.fullmatch(text):
            return text
        try:
            refs: dict[str, str] = json.loads((self.folder / _REFS).read_bytes())
        except FileNotFoundError:
            return text
        return refs.get(text, text)

    def _write(self, name: str, content: object) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        writing = self.folder / f".{name}.{os.getpid()}"
        writing.write_text(json.dumps(content), encoding="utf-8")
        writing.replace(self.folder / name)

    def find(self, job_id: str) -> TrainedJob | None:
        """A job, None where this site took no part in one of that id.

        Raises:
            DslError: it needs a component that is not installed any more.
        """
        if not _JOB_ID.fullmatch(job_id):
            return None
        try:
            content = json.loads((self.folder / f"{job_id}.json").read_bytes())
        except FileNotFoundError:
            return None
        name = f"job {job_id}"
        texts = JobTexts(read_json(content["dsl"], f"dsl of {name}"), read_json(content["conf"], f"conf of {name}"))
        overrides = json.loads(content["overrides"] or "{}")
        pipeline = texts.compile()
        nodes = tuple(
            replace(node, parameters={party: run_parameters(node, party, overrides) for party in node.participants})
            for node in pipeline.nodes
        )
        return TrainedJob(texts, replace(pipeline, nodes=nodes), tuple(content.get("deployed", ())))

    def complete(self, dsl: Document | None, conf: Document) -> RenderedJob | None:
        """A job that predicts, with all that its files leave to the training.

        Args:
            dsl: None to take the one that is derived from the training's.

        Returns:
            dsl and conf that hold everything; None for a job that trains, and for one whose dsl is there and whose
            model is named only when it runs.

        Raises:
            DslError: it cannot be compiled, or there is no dsl and no training to take it from.
        """
        if not predicts(dsl, conf):
            return None
        section, job_parameters = _job_parameters(conf)
        version = job_parameters.get("model_version")
        trained = self.find(self.version(str(version))) if version else None
        if trained is None:
            if dsl is not None:
                return None
            message = (
                "model_version is left open" if not version else f"this site has no {_kind(version)} {shorten(version)}"
            )
            remedy = "Name the training's job or <model>@<branch or tag>, or put the prediction's dsl beside the conf."
            raise DslError([conf.problem((*section, "model_version"), message, remedy)])
        if dsl is None or dialect(conf) == 1:
            dsl = _derived(trained, conf)
        return render(parse_documents(dsl, conf, trained=trained.pipeline))


def _derived(trained: TrainedJob, conf: Document) -> Document:
    """The prediction's dsl, in the dialect of its conf."""
    texts = trained.texts
    if dialect(conf) == 2 and dialect(texts.conf) == 1:
        job = render(trained.pipeline)
        texts = JobTexts(read_json(job.dsl_text, texts.dsl.file), read_json(job.conf_text, texts.conf.file))
    return read_json(
        json.dumps(predict_dsl(texts.dsl, texts.conf, deployed=trained.deployed or None)),
        f"derived from the {texts.dsl.file}",
    )


def _kind(version: object) -> str:
    return "version" if "@" in str(version) else "job"


def _job_parameters(conf: Document) -> tuple[tuple[str, ...], dict[str, object]]:
    section: tuple[str, ...] = ("job_parameters",) if dialect(conf) == 1 else ("job_parameters", "common")
    found: object = conf.value
    for key in section:
        found = members(found).get(key)
    return section, dict(members(found))
