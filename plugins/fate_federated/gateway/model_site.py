"""This site's part in changes of models: it makes ready, waits for the coordinator's word, and does as that says.

What is made ready outlives a crash, and so does the promise: a site that has prepared a change can make it whenever it
hears that it is decided, and asks when it hears nothing.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Sequence
from importlib.metadata import version

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.errors import FateFederatedError, RegistryError
from fate_federated.gateway.database import Database
from fate_federated.gateway.imports import staged_imports
from fate_federated.gateway.locks import JobLocks
from fate_federated.gateway.model_events import ModelEvents
from fate_federated.gateway.model_parts import ModelFiles, ModelParts
from fate_federated.gateway.model_rules import check_change
from fate_federated.gateway.model_store import (
    Prepared,
    add_operation,
    apply_change,
    change_of,
    find_model,
    load_edges,
    load_model,
    model_row,
    operation_row,
    parts_out,
    prepared_in,
    prepared_out,
)
from fate_federated.gateway.schema import JobRow, ModelOperationRow, ModelRefRow, ModelRow, ModelVersionRow
from fate_federated.pb.model.pipeline_pb2 import Pipeline
from fate_federated.registry.history import leading_to
from fate_federated.registry.layout import PIPELINE
from fate_federated.registry.version_files import files_of
from fate_federated.settings import SiteSettings
from fate_federated.trained_jobs import TrainedJobs
from fate_federated.wire.model_convert import change_out
from fate_federated.wire.model_records import (
    Action,
    ModelChange,
    ModelDecision,
    ModelPart,
    Outcome,
    VersionKind,
)

log = logging.getLogger(__name__)


class ModelSite:
    """Prepares changes of models at this site, and makes or drops them."""

    def __init__(
        self, site: SiteSettings, database: Database, parts: ModelParts, files: ModelFiles, events: ModelEvents
    ) -> None:
        self._site, self._database, self._parts, self._files = site, database, parts, files
        self._events = events
        self._locks = JobLocks()
        self._changed = asyncio.Condition()

    async def prepare(self, change: ModelChange) -> tuple[ModelPart, ...]:
        """Make a change ready, whatever may happen to this process then. Repeating it is harmless.

        Returns:
            this site's parts of the version that it makes.

        Raises:
            AccessDenied, RegistryError: this site does not make it.
        """

        def begin(session: Session) -> Prepared | None:
            row = operation_row(session, change.change_id)
            if row is not None and row.here in ("prepared", "committed"):
                return prepared_in(row.prepared) or Prepared("", ())
            if row is not None and row.here == "aborted":
                raise RegistryError(row.detail or f"The change {change.change_id} was given up.")
            check_change(session, change, self._site)
            row = row or add_operation(session, change, "", "asked")
            row.here, row.change = "asked", change_out(change).SerializeToString()
            return None

        async with self._locks.hold(change.model_id):
            try:
                ready = await self._database.run(begin)
            except FateFederatedError as error:
                await self._refuse(change, str(error))
                raise
            if ready is not None:
                return ready.parts
            prepared = None if change.version is None else await self._parts.make(change)

            def promise(session: Session) -> None:
                row = operation_row(session, change.change_id)
                if row is None or row.here == "aborted":
                    raise RegistryError(f"The change {change.change_id} was given up meanwhile.")
                check_change(session, change, self._site)
                row.here = "prepared"
                row.prepared = None if prepared is None else prepared_out(prepared)

            await self._database.run(promise)
        log.info("%s of %s is prepared (%s)", change.action, change.name, change.change_id)
        return prepared.parts if prepared else ()

    async def _refuse(self, change: ModelChange, why: str) -> None:
        """Write down that a job's version is not made, for those here who wait for it."""

        def work(session: Session) -> None:
            about = change.version
            known = about is not None and session.get(JobRow, about.job_id) is not None
            if change.action is Action.COMMIT and known and operation_row(session, change.change_id) is None:
                row = add_operation(session, change, "", "aborted")
                row.detail, row.ended_at = why, time.time()

        await self._database.run(work)

    async def decide(self, decision: ModelDecision) -> None:
        """Make a prepared change, or drop it. Repeating it is harmless.

        Raises:
            RegistryError: it is to be made, and was not prepared here.
        """
        row = await self._database.run(lambda session: operation_row(session, decision.change_id))
        if row is None:
            if decision.outcome is Outcome.ABORT:
                return
            raise RegistryError(f"{self._site.name} has not prepared the change {decision.change_id}.")
        change = change_of(row)
        async with self._locks.hold(change.model_id):
            if decision.outcome is Outcome.ABORT:
                await self._database.run(lambda session: _abort(session, change))
            elif decision.outcome is Outcome.COMMIT:
                await self._commit(change, decision.parts)
        async with self._changed:
            self._changed.notify_all()

    async def wait_for_change(self, seconds: float) -> None:
        """Return when a change was made or dropped here, or after so long."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                return

    async def undecided(self) -> list[ModelChange]:
        """The changes that were prepared here and that somebody else decides."""

        def work(session: Session) -> list[ModelChange]:
            rows = session.scalars(select(ModelOperationRow).where(ModelOperationRow.here == "prepared"))
            return [change_of(row) for row in rows]

        return await self._database.run(work)

    async def _commit(self, change: ModelChange, parts: Sequence[ModelPart]) -> None:
        row = await self._database.run(lambda session: _must_have(operation_row(session, change.change_id)))
        if row.here == "committed":
            await self.mirror(change)
            return
        prepared = prepared_in(row.prepared)
        if row.here != "prepared":
            raise RegistryError(f"{self._site.name} has not prepared the change {change.change_id}.")
        commit = ""
        if change.version is not None and prepared is not None:
            self._check_own(prepared, parts)
            commit = await self._write_commit(change, prepared, parts)
            await self._keep_job(change, prepared, commit)

        def work(session: Session) -> tuple[str, dict[str, str]]:
            row = _must_have(operation_row(session, change.change_id))
            if row.here == "prepared":
                code = version("fate-federated")
                apply_change(session, change, prepared, parts, commit, code)
                row.here, row.parts, row.ended_at = "committed", parts_out(parts), time.time()
            pointed = [session.get(ModelVersionRow, move.new) for move in change.moves if move.new]
            commits = {each.version: each.commit for each in pointed if each is not None}
            return model_row(session, change.model_id).name, commits

        name, commits = await self._database.run(work)
        self._events.tell(change, name, commits)
        log.info("%s of %s is made (%s)", change.action, change.name, change.change_id)
        if change.action is Action.IMPORT and change.version is not None:
            staged = staged_imports(self._site, change.version.version)
            await asyncio.to_thread(shutil.rmtree, staged, ignore_errors=True)
        await self.mirror(change)

    def _check_own(self, prepared: Prepared, parts: Sequence[ModelPart]) -> None:
        said = {part.party: part.digest for part in parts}
        for part in prepared.parts:
            if said.get(part.party) != part.digest:
                raise RegistryError(f"The coordinator's digest of {part.party}'s part is not the one prepared here.")

    async def _write_commit(self, change: ModelChange, prepared: Prepared, parts: Sequence[ModelPart]) -> str:
        about = change.version
        if about is None:
            raise ValueError("the change makes no version")

        def commits(session: Session) -> list[str]:
            known = leading_to(load_edges(session, change.model_id), about.parent)
            # What the parent comes from already is no second parent.
            wanted = [about.parent] if about.source in known else [about.parent, about.source]
            rows = [session.get(ModelVersionRow, version) for version in wanted if version]
            return [row.commit for row in rows if row is not None]

        parents = await self._database.run(commits)
        message = _commit_message(change, parts)
        repository = self._files.repository

        def write() -> str:
            commit = repository.commit(
                prepared.tree, parents, message, change.author, f"{change.by}@fate", change.created_at
            )
            repository.keep_commit(about.version, commit)
            return commit

        written: str = await self._files.run(write)
        return written

    async def _keep_job(self, change: ModelChange, prepared: Prepared, commit: str) -> None:
        """Have the dsl and conf of the version's job where the confs of predictions are completed from."""
        about = change.version
        if about is None or about.kind is VersionKind.TRAINED:
            return  # its own job's files are there

        def work() -> None:
            repository = self._files.repository
            kept = repository.folder_of(commit)
            party = prepared.parts[0].party
            with repository.objects.open(kept.part(str(party))[PIPELINE]) as stream:
                files = files_of(Pipeline.FromString(stream.read()))
            TrainedJobs(self._site.trained_jobs).keep(about.version, files, about.components)

        await self._files.run(work)

    async def mirror(self, change: ModelChange) -> None:
        """Have the git repository show the branches and tags of a change. What fails is logged: it can be repaired."""

        def work(session: Session) -> tuple[str, list[tuple[str, str, str]]]:
            row = find_model(session, change.model_id)
            if row is None:
                return "", []
            model = load_model(session, row)
            at = {(ref.kind, ref.name): ref.version for ref in model.refs}
            wanted = []
            for move in change.moves:
                pointed = session.get(ModelVersionRow, at.get((move.kind, move.name), ""))
                wanted.append((move.kind.value, move.name, pointed.commit if pointed else ""))
            return row.name, wanted

        name, refs = await self._database.run(work)
        await self._database.run(lambda session: self._export_refs(session))

        def point() -> None:
            for kind, ref, commit in refs:
                self._files.repository.point(kind, f"models/{name}", ref, commit)

        try:
            await self._files.run(point)
        except FateFederatedError as error:
            log.error("the repository of models does not follow: %s. `fate model check --repair` mends it", error)

    def _export_refs(self, session: Session) -> None:
        """Write branches and tags where confs of predictions are completed without a gateway."""
        rows = session.execute(select(ModelRow.name, ModelRefRow.name, ModelRefRow.version).join(ModelRefRow))
        refs = {f"{model}@{name}": version for model, name, version in rows}
        TrainedJobs(self._site.trained_jobs).keep_refs(refs)


def _abort(session: Session, change: ModelChange) -> None:
    row = _must_have(operation_row(session, change.change_id))
    if row.here == "committed":
        raise RegistryError(f"The change {change.change_id} was made here, and cannot be dropped.")
    row.here, row.prepared, row.ended_at = "aborted", None, time.time()


def _must_have(row: ModelOperationRow | None) -> ModelOperationRow:
    if row is None:
        raise RegistryError("There is no such change here.")
    return row


def _commit_message(change: ModelChange, parts: Sequence[ModelPart]) -> str:
    """What `git log` shows: the message, then what else tells the version, as trailers."""
    about = change.version
    if about is None:
        raise ValueError("the change makes no version")
    title = change.message.strip() or f"{about.kind.value.capitalize()} {change.name}"
    trailers = [f"Version: {about.version}", f"Kind: {about.kind}", f"By: {change.by}"]
    trailers += [f"Source: {about.source}"] if about.source else []
    trailers += [f"Part-{part.party}: sha256:{part.digest}" for part in sorted(parts, key=lambda part: part.party)]
    return "\n".join((title, "", *trailers, ""))
