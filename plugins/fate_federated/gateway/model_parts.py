"""A site's part in a new version: its files are put together, kept under DVC, and described."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.run_conf import resolve_run_conf, run_parameters
from fate_federated.errors import DslError, RegistryError, TableNotFound
from fate_federated.gateway.database import Database
from fate_federated.gateway.imports import staged_about, staged_imports
from fate_federated.gateway.job_store import load_whole_job
from fate_federated.gateway.model_store import Prepared
from fate_federated.gateway.policy import compile_job, named_tables, read_overrides
from fate_federated.gateway.schema import ModelVersionRow
from fate_federated.gateway.tables import Tables
from fate_federated.gateway.tracker import Tracker
from fate_federated.party import Party
from fate_federated.pb.model.pipeline_pb2 import Pipeline as PipelineMessage
from fate_federated.registry.archive import bare_pipeline
from fate_federated.registry.layout import DEFINE, META, PIPELINE, component_of, define_text, read_define
from fate_federated.registry.objects import KeptFile, KeptFolder, digest_of
from fate_federated.registry.repository import METRICS, PARAMS, ModelRepository
from fate_federated.registry.tables import fingerprint, snapshot_of
from fate_federated.registry.version_files import (
    StoredModel,
    files_of,
    pipeline_of,
    write_define,
    write_models,
    write_parameters,
    write_pipeline,
)
from fate_federated.settings import SiteSettings
from fate_federated.wire.model_records import ModelChange, ModelComponent, ModelPart, VersionKind
from fate_federated.wire.records import Job, JobFiles, TaskMetrics

T = TypeVar("T")


class ModelFiles:
    """The site's repository, used by one thread, which is not the event loop's."""

    def __init__(self, repository: ModelRepository) -> None:
        self.repository = repository
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")

    async def run(self, work: Callable[[], T]) -> T:
        """``work()`` in the repository's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Training:
    """What a job left at this site's parties."""

    files: JobFiles
    models: Mapping[Party, list[StoredModel]]
    parameters: Mapping[Party, Mapping[str, Mapping[str, Any]]]
    metrics: dict[str, Any]
    data: list[dict[str, Any]]


class ModelParts:
    """Makes this site's parts of new versions ready."""

    def __init__(
        self, site: SiteSettings, database: Database, tracker: Tracker, tables: Tables, files: ModelFiles
    ) -> None:
        self._site, self._database, self._tracker, self._tables, self._files = site, database, tracker, tables, files

    async def make(self, change: ModelChange) -> Prepared:
        """Keep the files of a version, push them to the DVC remote, and write its git tree.

        Raises:
            RegistryError: they cannot be read, kept or pushed.
        """
        about = change.version
        if about is None:
            raise ValueError("the change makes no version")
        if about.kind is VersionKind.TRAINED:
            training = await self._training(about.job_id)
            return await self._files.run(partial(self._keep_training, change, training))
        if about.kind is VersionKind.IMPORTED:
            return await self._files.run(partial(self._keep_import, change))
        source = await self._database.run(lambda session: session.get(ModelVersionRow, about.source))
        if source is None:
            raise RegistryError(f"{self._site.name} has no version {about.source} to take from.")
        return await self._files.run(partial(self._keep_again, change, source))

    def _hosted(self, change: ModelChange) -> list[Party]:
        return [party for party in change.parties if party in self._site.hosted]

    # --- trained ------------------------------------------------------------------------------------------------------

    async def _training(self, job_id: str) -> _Training:
        job: Job = await self._database.run(lambda session: load_whole_job(session, job_id))
        if job.files is None:
            raise ValueError("a whole job has its files")
        hosted = [at.party for at in job.parties if at.party in self._site.hosted]
        pipeline = await asyncio.to_thread(compile_job, job.files, self._site)
        outputs = await self._tracker.list_outputs(job_id, "", None)
        trained = {(node.name, alias) for node in pipeline.nodes for alias in node.model_outputs}
        models: dict[Party, list[StoredModel]] = {party: [] for party in hosted}
        for output in outputs:
            if output.kind == "model" and output.party in models and (output.task.component, output.name) in trained:
                models[output.party].append(StoredModel(output.task.component, output.name, output.location))
        overrides = read_overrides(job.files)
        told = await self._tracker.get_metrics(job_id, "", None)
        return _Training(
            files=job.files,
            models=models,
            parameters={party: _parameters(pipeline, party, overrides) for party in hosted},
            metrics=figures(told, several=len(hosted) > 1),
            data=await self._fingerprints(pipeline, hosted, overrides),
        )

    async def _fingerprints(
        self, pipeline: Pipeline, hosted: list[Party], overrides: Mapping[str, object]
    ) -> list[dict[str, Any]]:
        found = []
        for node, party, namespace, name in named_tables(pipeline, hosted, overrides):
            said: dict[str, Any] = {"party": str(party), "component": node.name, "table": f"{namespace}.{name}"}
            try:
                record = await self._tables.get(namespace, name)
            except TableNotFound:
                found.append({**said, "gone": True})
                continue
            snapshot = await self._files.run(partial(snapshot_of, self._files.repository, record))
            found.append({**said, **fingerprint(record), **({"snapshot": snapshot} if snapshot else {})})
        return found

    def _keep_training(self, change: ModelChange, training: _Training) -> Prepared:
        repository = self._files.repository
        with repository.objects.staging() as folder:
            for party, models in training.models.items():
                part = folder / str(party)
                write_define(part, write_models(part, party, models))
                write_parameters(part, training.parameters[party])
                write_pipeline(part, pipeline_of(training.files, party, None))
            kept = repository.objects.keep(folder)
        params = {str(party): values for party, values in training.parameters.items()}
        return self._described(change, kept, training.metrics, params, training.data, training.files.name)

    # --- from another version -----------------------------------------------------------------------------------------

    def _keep_again(self, change: ModelChange, source: ModelVersionRow) -> Prepared:
        """A version with the files of another, or with those of some of its components."""
        repository = self._files.repository
        from_source = repository.folder_of(source.commit)
        metrics = json.loads(repository.read_git(source.commit, METRICS))
        params = json.loads(repository.read_git(source.commit, PARAMS))
        about = change.version
        if about is None or about.kind is not VersionKind.DEPLOYED:
            kept = from_source
            repository.objects.push(kept.md5)
        else:
            with repository.objects.staging() as folder:
                for party in self._hosted(change):
                    self._deploy(folder / str(party), party, from_source.part(str(party)), about.components)
                kept = repository.objects.keep(folder)
        return self._described(change, kept, metrics, params, list(source.data), source.job_name)

    def _deploy(self, folder: Path, party: Party, part: Mapping[str, KeptFile], components: tuple[str, ...]) -> None:
        repository = self._files.repository
        chosen = {path: file for path, file in part.items() if path not in (DEFINE, PIPELINE)}
        if components:
            chosen = {path: file for path, file in chosen.items() if component_of(path) in components}
        for path, file in chosen.items():
            repository.objects.link(file, folder / path)
        with repository.objects.open(part[DEFINE]) as stream:
            buffers = [buffer for buffer in read_define(stream.read()) if buffer.path in chosen]
        with repository.objects.open(part[PIPELINE]) as stream:
            files = files_of(PipelineMessage.FromString(stream.read()))
        (folder / DEFINE).parent.mkdir(parents=True, exist_ok=True)
        (folder / DEFINE).write_bytes(define_text(buffers))
        try:
            write_pipeline(folder, pipeline_of(files, party, components or None))
        except DslError as error:
            raise RegistryError(str(error)) from error

    # --- imported -----------------------------------------------------------------------------------------------------

    def _keep_import(self, change: ModelChange) -> Prepared:
        about = change.version
        if about is None:
            raise ValueError("the change makes no version")
        repository = self._files.repository
        said = staged_about(self._site, about.version)
        if said is not None and (said.initiator, set(said.parties)) != (
            str(change.initiator),
            set(map(str, change.parties)),
        ):
            raise RegistryError(f"The part of version {about.version} at {self._site.name} is of other parties.")
        name = ""
        with repository.objects.staging() as folder:
            for party in self._hosted(change):
                staged = staged_imports(self._site, about.version) / str(party)
                if not staged.is_dir():
                    raise RegistryError(
                        f"{party} has no part of version {about.version} yet: `fate model import FILE --party {party}` "
                        f"at {self._site.name}."
                    )
                shutil.copytree(staged, folder / str(party))
                pipeline = bare_pipeline(PipelineMessage.FromString((staged / PIPELINE).read_bytes()))
                write_pipeline(folder / str(party), pipeline)
                name = files_of(pipeline).name
            kept = repository.objects.keep(folder)
        return self._described(change, kept, {}, {}, [], name)

    # --- all ----------------------------------------------------------------------------------------------------------

    def _described(
        self,
        change: ModelChange,
        kept: KeptFolder,
        metrics: dict[str, Any],
        params: dict[str, Any],
        data: list[dict[str, Any]],
        job_name: str,
    ) -> Prepared:
        about = change.version
        if about is None:
            raise ValueError("the change makes no version")
        hosted = self._hosted(change)
        parts, models = [], dict[tuple[str, str], ModelComponent]()
        for party in hosted:
            files = kept.part(str(party))
            parts.append(ModelPart(party, digest_of(files), sum(file.bytes for file in files.values())))
            with self._files.repository.objects.open(files[DEFINE]) as stream:
                for buffer in read_define(stream.read()):
                    if buffer.kind == META:
                        key = (buffer.component, buffer.alias)
                        models[key] = ModelComponent(buffer.component, buffer.alias, buffer.module)
        said = {
            "model_id": change.model_id,
            "model_version": about.version,
            "parent": about.parent,
            "source": about.source,
            "kind": about.kind.value,
            "job_id": about.job_id,
            "job_name": job_name,
            "author": change.author,
            "by": str(change.by),
            "message": change.message,
            "parts": {str(part.party): part.digest for part in parts},
            "components": {each.component: each.module for each in models.values()},
            "data": data,
        }
        tree = self._files.repository.write_tree(kept, said, metrics, params)
        return Prepared(tree, tuple(parts), tuple(models.values()), metrics, data, job_name)


def _parameters(pipeline: Pipeline, party: Party, overrides: Mapping[str, object]) -> dict[str, Mapping[str, Any]]:
    resolved = resolve_run_conf(pipeline.airflow.params, overrides)
    return {node.name: run_parameters(node, party, resolved) for node in pipeline.nodes if party in node.participants}


def figures(told: Iterable[TaskMetrics], *, several: bool) -> dict[str, Any]:
    """What a job measured as single figures: the last loss, and the values of what evaluates.

    Args:
        several: parties are kept apart.
    """
    found: dict[str, Any] = {}
    for task in told:
        of_party = found.setdefault(str(task.party), {}) if several else found
        for metric in task.metrics:
            values = metric.meta.get("values")
            figures: dict[str, float] = {}
            if isinstance(values, Mapping):
                figures = {str(name): value for name, value in values.items() if _is_figure(value)}
            elif metric.points and metric.meta.get("metric_type") == "LOSS":
                figures = {"loss": metric.points[-1][1]} if math.isfinite(metric.points[-1][1]) else {}
            if figures:
                place = of_party.setdefault(task.task.component, {}).setdefault(metric.namespace, {})
                place.setdefault(metric.name, {}).update(figures)
    return found


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
