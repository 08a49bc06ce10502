"""The model registry as this site's tasks and tools see it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from fate_federated.errors import ModelNotFound, RegistryError
from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import load_job
from fate_federated.gateway.model_archives import ModelArchives
from fate_federated.gateway.model_check import ModelCheck
from fate_federated.gateway.model_jobs import ModelJobs
from fate_federated.gateway.model_links import ModelLinks
from fate_federated.gateway.model_parts import ModelFiles
from fate_federated.gateway.model_progress import ModelProgress
from fate_federated.gateway.model_site import ModelSite
from fate_federated.gateway.model_store import (
    list_models,
    list_operations,
    list_versions,
    load_model,
    load_operation,
    load_version,
    model_row,
    operation_row,
    resolve,
    version_of_job,
)
from fate_federated.gateway.schema import ModelOperationRow, ModelVersionRow
from fate_federated.gateway.snapshots import Snapshots
from fate_federated.party import Party
from fate_federated.registry.diff import MOST_BYTES, MOST_LINES, content_of, differences
from fate_federated.registry.layout import DEFINE, read_define
from fate_federated.registry.names import split_ref
from fate_federated.registry.objects import CHUNK_BYTES
from fate_federated.registry.repository import PARAMS
from fate_federated.wire.model_records import (
    Action,
    DiffLine,
    Model,
    ModelFile,
    ModelOperation,
    ModelRequest,
    ModelVersion,
    OperationState,
)

if TYPE_CHECKING:
    from fate_federated.registry.objects import KeptFile

POLL_SECONDS = 0.5
MOST_VERSIONS = 1000


class Models:
    """Finds models and versions, reads their files, and passes requests on to who coordinates them."""

    def __init__(
        self,
        hosted: tuple[Party, ...],
        database: Database,
        links: ModelLinks,
        jobs: ModelJobs,
        here: ModelSite,
        files: ModelFiles,
        check: ModelCheck,
        archives: ModelArchives,
        snapshots: Snapshots,
        progress: ModelProgress,
    ) -> None:
        self.check, self.archives, self.snapshots, self.progress = check, archives, snapshots, progress
        self._hosted, self._database, self._links = hosted, database, links
        self._jobs, self._here, self._files = jobs, here, files

    async def find(self, name: str) -> list[Model]:
        """The models of this site, or the one of that name.

        Raises:
            ModelNotFound: there is none of that name.
        """

        def work(session: Session) -> list[Model]:
            return [load_model(session, model_row(session, name))] if name else list_models(session)

        return await self._database.run(work)

    async def versions(self, name: str, ref: str, limit: int) -> tuple[Model, list[ModelVersion]]:
        """A model's versions, newest first; with a ref only what leads to that.

        Raises:
            ModelNotFound: there is no such model or ref.
        """

        def work(session: Session) -> tuple[Model, list[ModelVersion]]:
            row = model_row(session, name)
            up_to = resolve(session, name, ref).version if ref else ""
            return load_model(session, row), list_versions(session, row.model_id, limit, up_to)

        return await self._database.run(work)

    async def version(self, name: str, ref: str) -> ModelVersion:
        """What a ref means.

        Raises:
            ModelNotFound: nothing.
        """
        return await self._database.run(lambda session: load_version(resolve(session, name, ref)))

    async def of_job(self, job_id: str, seconds: float) -> tuple[ModelVersion | None, ModelOperation | None]:
        """The version that a job made, or what is on the way to one; waits a while for it.

        Raises:
            JobNotFound: there is no such job here.
        """

        def work(session: Session) -> tuple[ModelVersion | None, ModelOperation | None]:
            load_job(session, job_id)
            row = version_of_job(session, job_id)
            operations = [op for op in _operations_of(session, job_id) if op.change.action is Action.COMMIT]
            newest = operations[-1] if operations else None
            return (load_version(row) if row is not None else None), newest

        deadline = time.monotonic() + seconds
        while True:
            version, operation = await self._database.run(work)
            open_ = operation is not None and not operation.state.ended
            left = deadline - time.monotonic()
            if (version is not None and not open_) or left <= 0 or (operation is not None and operation.state.ended):
                return version, operation
            await self._here.wait_for_change(min(left, POLL_SECONDS))

    async def change(self, request: ModelRequest) -> ModelOperation:
        """Ask for a change at all parties, and wait a while for it.

        Raises:
            AccessDenied, ModelNotFound, RegistryError: it cannot be made; nothing has changed.
            PartyUnreachable: the gateway that coordinates it does not answer; nothing has changed.
        """
        if request.action is Action.COMMIT:
            return await self._commit(request)
        named, ref = split_ref(request.ref)

        def work(session: Session) -> tuple[Party, str, Party]:
            row = model_row(session, request.model or named)
            if named and model_row(session, named).model_id != row.model_id:
                raise ModelNotFound(f"{request.ref} is not a version of {row.name}.")
            parties = tuple(map(Party.parse, row.parties))
            ours = next((party for party in parties if party in self._hosted), request.by)
            return Party.parse(row.initiator), row.model_id, request.by if request.by in parties else ours

        initiator, model_id, by = await self._database.run(work)
        return await self._links.of(initiator).ask(replace(request, model=model_id, ref=ref, by=by))

    async def _commit(self, request: ModelRequest) -> ModelOperation:
        """Try again to make a version of a job."""
        change_id = await self._jobs.commit(request.ref, again=True)
        if not change_id:
            raise RegistryError(f"Job {request.ref} trains no model.")
        deadline = time.monotonic() + request.wait_seconds
        while True:
            operation = await self.operation(change_id)
            if operation.state.ended or time.monotonic() > deadline:
                return operation
            await self._here.wait_for_change(POLL_SECONDS)

    async def take_import(
        self, party: Party, branch: str, message: str, author: str, parts: AsyncIterator[bytes]
    ) -> ModelOperation:
        """Unpack a party's part of a version, and make the version once every party has done so.

        Raises:
            RegistryError: the archive cannot be taken; or it is, and other parties have not imported theirs yet.
        """
        about = await self.archives.receive(party, parts)
        request = ModelRequest(
            Action.IMPORT, about.model_id, party, ref=about.version, branch=branch, message=message, author=author
        )
        staged = f"The part of {party} is unpacked and waits"
        try:
            operation = await self._links.of(Party.parse(about.initiator)).ask(request)
        except RegistryError as error:
            raise RegistryError(f"{staged}: {error}") from error
        if operation.state is OperationState.ABORTED:
            raise RegistryError(f"{staged}: {operation.detail}")
        return operation

    async def operation(self, change_id: str) -> ModelOperation:
        """A change, as far as this site knows it.

        Raises:
            RegistryError: it knows none of that id.
        """
        row = await self._database.run(lambda session: operation_row(session, change_id))
        if row is None:
            raise RegistryError(f"There is no change {change_id!r} at this site.")
        return load_operation(row)

    async def operations(self, name: str, limit: int, *, only_open: bool) -> list[ModelOperation]:
        """The newest changes, newest first."""

        def work(session: Session) -> list[ModelOperation]:
            model_id = model_row(session, name).model_id if name else ""
            return list_operations(session, model_id, limit, only_open=only_open)

        return await self._database.run(work)

    async def cancel(self, change_id: str) -> ModelOperation:
        """Give up a change that is not decided.

        Raises:
            RegistryError: it is decided, or not known.
            PartyUnreachable: the gateway that coordinates it does not answer.
        """
        initiator = (await self.operation(change_id)).change.initiator
        return await self._links.of(initiator).cancel(change_id, initiator)

    async def read(
        self, version: str, party: Party, component: str, alias: str, buffer: str
    ) -> tuple[ModelFile, AsyncIterator[bytes]]:
        """One buffer of a version, checked against its hash before the first byte is given.

        Raises:
            ModelNotFound: this site has no such version, or the party no such model in it.
            RegistryError: its file is lost, or was changed.
        """
        row = await self._database.run(lambda session: session.get(ModelVersionRow, version))
        if row is None:
            raise ModelNotFound(f"There is no version {version} at this site.")
        if row.retired:
            raise RegistryError(f"Version {version} is retired. `fate model unretire` makes it usable again.")
        commit, repository = row.commit, self._files.repository

        def find() -> tuple[ModelFile, KeptFile]:
            part = repository.folder_of(commit).part(str(party))
            if DEFINE not in part:
                raise ModelNotFound(f"Version {version} has no part of {party} at this site.")
            with repository.objects.open(part[DEFINE]) as stream:
                buffers = read_define(stream.read())
            for each in buffers:
                if (each.component, each.alias, each.kind) == (component, alias, buffer) and each.path in part:
                    file = part[each.path]
                    if not repository.objects.is_intact(file):
                        repository.objects.restore(file)
                    return ModelFile(each.module, each.message, file.bytes), file
            raise ModelNotFound(f"Version {version} has no model {alias!r} of {component} at {party}.")

        about, file = await self._files.run(find)
        path = await self._files.run(lambda: repository.objects.path_of(file.md5))

        async def parts() -> AsyncIterator[bytes]:
            stream = await asyncio.to_thread(path.open, "rb")
            try:
                while part := await asyncio.to_thread(stream.read, CHUNK_BYTES):
                    yield part
            finally:
                stream.close()

        return about, parts()

    async def diff(self, name: str, old: str, new: str) -> tuple[ModelVersion, ModelVersion, list[DiffLine]]:
        """In what two versions differ at this site's parties.

        Raises:
            ModelNotFound: one of them is not here.
            RegistryError: a file of theirs is lost.
        """

        def work(session: Session) -> tuple[ModelVersionRow, ModelVersionRow]:
            return resolve(session, name, old), resolve(session, name, new)

        rows = await self._database.run(work)
        versions = [load_version(row) for row in rows]
        contents = [await self._files.run(partial(self._content, row.commit)) for row in rows]
        said = [{"metrics": version.metrics, "data": _without_place(version)} for version in versions]
        before, after = ({**one, **other} for one, other in zip(said, contents, strict=True))
        lines: list[DiffLine] = []
        for part in after:
            lines += islice(differences(part, before[part], after[part]), MOST_LINES)
        return versions[0], versions[1], lines

    def _content(self, commit: str) -> dict[str, Any]:
        """Parameters and models of a version."""
        repository = self._files.repository
        folder = repository.folder_of(commit)
        models: dict[str, Any] = {}
        for party in sorted({path.partition("/")[0] for path in folder.files}):
            part = folder.part(party)
            with repository.objects.open(part[DEFINE]) as stream:
                buffers = read_define(stream.read())
            for buffer in buffers:
                file = part[buffer.path]
                with repository.objects.open(file) as stream:
                    known = content_of(buffer.message, stream.read()) if file.bytes <= MOST_BYTES else None
                place = models.setdefault(party, {}).setdefault(buffer.component, {})
                place[buffer.kind.lower()] = {"sha256": file.sha256} if known is None else known
        return {"parameters": json.loads(repository.read_git(commit, PARAMS)), "models": models}


def _without_place(version: ModelVersion) -> dict[str, Any]:
    """The tables of a version by who read them, but for where their files are."""
    return {
        f"{table['party']}/{table['component']}": {
            key: value for key, value in table.items() if key not in ("party", "component", "location")
        }
        for table in version.data
    }


def _operations_of(session: Session, job_id: str) -> list[ModelOperation]:
    rows = session.query(ModelOperationRow).where(ModelOperationRow.change_id.startswith(f"{job_id}-"))
    return [load_operation(row) for row in rows.order_by(ModelOperationRow.number)]
