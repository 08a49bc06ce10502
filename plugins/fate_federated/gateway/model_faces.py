# ruff: noqa: N802 - the names are those of the services
"""The model registry's faces in gRPC: each method checks who calls, converts, and hands over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fate_federated.errors import AccessDenied, MessageRejected
from fate_federated.gateway.access import Access, Caller
from fate_federated.gateway.links import Links
from fate_federated.gateway.model_links import ModelLink
from fate_federated.gateway.models import MOST_VERSIONS, Models
from fate_federated.party import Party
from fate_federated.pb import models_pb2
from fate_federated.pb.models_pb2_grpc import ModelFederationServicer, ModelsServicer
from fate_federated.registry.layout import META, PARAM
from fate_federated.registry.objects import CHUNK_BYTES
from fate_federated.wire.convert import party_in
from fate_federated.wire.model_convert import (
    change_in,
    decision_in,
    decision_out,
    in_progress_out,
    line_out,
    message_in,
    model_id_in,
    model_out,
    model_version_out,
    operation_out,
    part_out,
    report_out,
    request_in,
    snapshot_out,
    version_in,
)

MOST_SECONDS = 600.0


class ModelsFace(ModelsServicer):
    """Models, for the site's tasks and tools."""

    def __init__(self, access: Access, models: Models) -> None:
        self._access, self._models = access, models

    async def ListModels(self, request: models_pb2.ListModelsRequest, context: Any) -> models_pb2.ModelList:
        async with self._access.site(context):
            return models_pb2.ModelList(models=map(model_out, await self._models.find(request.name)))

    async def ListVersions(self, request: models_pb2.VersionsQuery, context: Any) -> models_pb2.VersionList:
        async with self._access.site(context):
            limit = min(request.limit or MOST_VERSIONS, MOST_VERSIONS)
            model, versions = await self._models.versions(request.model, request.ref, limit)
            return models_pb2.VersionList(model=model_out(model), versions=map(model_version_out, versions))

    async def ListInProgress(self, request: models_pb2.ListModelsRequest, context: Any) -> models_pb2.InProgressList:
        async with self._access.site(context):
            found = await self._models.progress.find(request.name)
            return models_pb2.InProgressList(versions=map(in_progress_out, found))

    async def GetVersion(self, request: models_pb2.VersionQuery, context: Any) -> models_pb2.ModelVersion:
        async with self._access.site(context):
            return model_version_out(await self._models.version(request.model, request.ref))

    async def GetVersionOfJob(self, request: models_pb2.VersionOfJobQuery, context: Any) -> models_pb2.VersionOfJob:
        async with self._access.site(context):
            seconds = min(max(request.wait_seconds, 0.0), MOST_SECONDS)
            version, operation = await self._models.of_job(request.job_id, seconds)
            return models_pb2.VersionOfJob(
                version=None if version is None else model_version_out(version),
                operation=None if operation is None else operation_out(operation),
            )

    async def Change(self, request: models_pb2.ModelRequest, context: Any) -> models_pb2.ModelOperation:
        async with self._access.site(context) as caller:
            wanted = request_in(request)
            caller.must_speak_for(wanted.by)
            return operation_out(await self._models.change(wanted))

    async def ListOperations(self, request: models_pb2.OperationsQuery, context: Any) -> models_pb2.OperationList:
        async with self._access.site(context):
            limit = min(request.limit or 20, MOST_VERSIONS)
            found = await self._models.operations(request.model, limit, only_open=request.open)
            return models_pb2.OperationList(operations=map(operation_out, found))

    async def CancelOperation(self, request: models_pb2.OperationQuery, context: Any) -> models_pb2.ModelOperation:
        async with self._access.site(context):
            return operation_out(await self._models.cancel(request.change_id))

    async def ReadFile(self, request: models_pb2.ModelFileQuery, context: Any) -> AsyncIterator[models_pb2.FilePart]:
        async with self._access.site(context) as caller:
            party = party_in(request.party)
            caller.must_speak_for(party)
            if request.buffer not in (META, PARAM):
                raise MessageRejected(f"A model has a Meta and a Param, not {request.buffer!r}.")
            about, parts = await self._models.read(
                version_in(request.version), party, request.component, request.alias, request.buffer
            )
            yield models_pb2.FilePart(module=about.module, message=about.message, bytes=about.bytes)
            async with aclosing(parts):  # type: ignore[type-var]
                async for part in parts:
                    yield models_pb2.FilePart(data=part)

    async def Diff(self, request: models_pb2.ModelDiffQuery, context: Any) -> models_pb2.ModelDiff:
        async with self._access.site(context):
            old, new, lines = await self._models.diff(request.model, request.old, request.new)
            return models_pb2.ModelDiff(
                old=model_version_out(old), new=model_version_out(new), lines=map(line_out, lines)
            )

    async def Check(self, request: models_pb2.CheckRequest, context: Any) -> models_pb2.CheckReply:
        async with self._access.site(context):
            return report_out(await self._models.check.check(request.model, repair=request.repair))

    async def Export(self, request: models_pb2.ExportQuery, context: Any) -> AsyncIterator[models_pb2.FilePart]:
        async with self._access.site(context) as caller:
            party = party_in(request.party) if request.HasField("party") else None
            if party is not None:
                caller.must_speak_for(party)
            name, path = await self._models.archives.export(request.model, request.ref, party)
            try:
                yield models_pb2.FilePart(message=name, bytes=path.stat().st_size)
                with path.open("rb") as stream:
                    while part := await asyncio.to_thread(stream.read, CHUNK_BYTES):
                        yield models_pb2.FilePart(data=part)
            finally:
                path.unlink(missing_ok=True)

    async def Import(
        self, request_iterator: AsyncIterator[models_pb2.ImportPart], context: Any
    ) -> models_pb2.ModelOperation:
        async with self._access.site(context) as caller:
            first = await anext(request_iterator, None)
            if first is None or not first.HasField("party"):
                raise MessageRejected("An import begins with the party whose part it is.")
            party = party_in(first.party)
            caller.must_speak_for(party)
            parts = (part.data async for part in request_iterator)
            message, author = message_in(first.message), message_in(first.author)[:200]
            return operation_out(await self._models.take_import(party, first.branch[:256], message, author, parts))

    async def SnapshotTable(self, request: models_pb2.SnapshotRequest, context: Any) -> models_pb2.Snapshot:
        async with self._access.site(context):
            message = message_in(request.message)
            return snapshot_out(await self._models.snapshots.take(request.namespace, request.name, message))


class ModelFederationFace(ModelFederationServicer):
    """What the gateways of peers may ask for."""

    def __init__(self, access: Access, here: ModelLink, links: Links) -> None:
        self._access, self._here, self._links = access, here, links

    async def Ask(self, request: models_pb2.ModelRequest, context: Any) -> models_pb2.ModelOperation:
        async with self._access.peer(context) as caller:
            wanted = request_in(request)
            self._speaking(caller, wanted.by)
            return operation_out(await self._here.ask(wanted))

    async def Cancel(self, request: models_pb2.ChangeRef, context: Any) -> models_pb2.ModelOperation:
        async with self._access.peer(context) as caller:
            return operation_out(
                await self._here.cancel(request.change_id[:64], party_in(request.initiator), _parties(caller))
            )

    async def Prepare(self, request: models_pb2.ModelChange, context: Any) -> models_pb2.ModelPrepared:
        async with self._access.peer(context) as caller:
            change = change_in(request)
            self._speaking(caller, change.initiator)
            return models_pb2.ModelPrepared(parts=map(part_out, await self._here.prepare(change)))

    async def Decide(self, request: models_pb2.ModelDecision, context: Any) -> models_pb2.ModelPrepared:
        async with self._access.peer(context) as caller:
            decision = decision_in(request)
            self._speaking(caller, decision.initiator)
            await self._here.decide(decision)
            return models_pb2.ModelPrepared()

    async def Outcome(self, request: models_pb2.ChangeRef, context: Any) -> models_pb2.ModelDecision:
        async with self._access.peer(context):
            return decision_out(await self._here.outcome(request.change_id[:64], party_in(request.initiator)))

    async def Compare(self, request: models_pb2.VersionsQuery, context: Any) -> models_pb2.VersionList:
        async with self._access.peer(context) as caller:
            model, versions = await self._here.compare(model_id_in(request.model))
            if not _parties(caller) & set(model.parties):
                raise AccessDenied(f"The caller is no party of {model.name}.")
            return models_pb2.VersionList(model=model_out(model), versions=map(model_version_out, versions))

    def _speaking(self, caller: Caller, party: Party) -> None:
        caller.must_speak_for(party)
        site = self._links.remote_of(party)
        if site is None:
            raise AccessDenied(f"{party} is no peer of this site. Add it under peers in site.yaml.")
        site.heard()


def _parties(caller: Caller) -> frozenset[Party]:
    return caller.parties or frozenset()
