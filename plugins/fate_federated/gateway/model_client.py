"""How a site's tasks and tools call their gateway about models."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from fate_federated.pb import models_pb2
from fate_federated.pb.models_pb2_grpc import ModelsStub
from fate_federated.transport.gateway import SILENCE_SECONDS
from fate_federated.transport.rpc import call_with_patience, error_of
from fate_federated.wire.convert import party_out
from fate_federated.wire.model_convert import (
    in_progress_in,
    line_in,
    model_in,
    model_version_in,
    operation_in,
    report_in,
    request_out,
    snapshot_in,
)
from fate_federated.wire.model_records import (
    CheckReport,
    DiffLine,
    Model,
    ModelFile,
    ModelOperation,
    ModelRequest,
    ModelVersion,
    Snapshot,
    VersionInProgress,
)

if TYPE_CHECKING:
    from fate_federated.party import Party

T = TypeVar("T")

CALL_SECONDS = 30.0
STREAM_SECONDS = 3600.0
CHUNK_BYTES = 1 << 20


class ModelClient:
    """Calls about models; raises as :class:`~fate_federated.gateway.client.GatewayClient` does."""

    def __init__(self, channel: grpc.Channel, address: str, patience_seconds: float) -> None:
        self._address, self._patience = address, patience_seconds
        self._stub = ModelsStub(channel)

    def list(self, name: str = "") -> tuple[Model, ...]:
        """The site's models by name, or the one of that name or model_id.

        Raises:
            ModelNotFound: there is none of that name.
        """
        reply = self._call(self._stub.ListModels, models_pb2.ListModelsRequest(name=name))
        return tuple(map(model_in, reply.models))

    def versions(self, model: str, ref: str = "", limit: int = 0) -> tuple[Model, tuple[ModelVersion, ...]]:
        """A model's versions, newest first.

        Args:
            ref: only what leads to this version, branch or tag.

        Raises:
            ModelNotFound: there is no such model or ref.
        """
        reply = self._call(self._stub.ListVersions, models_pb2.VersionsQuery(model=model, ref=ref, limit=limit))
        return model_in(reply.model), tuple(map(model_version_in, reply.versions))

    def in_progress(self, model: str) -> tuple[VersionInProgress, ...]:
        """What a model's jobs have kept checkpoints of and is no version yet, newest first; nothing of no model."""
        reply = self._call(self._stub.ListInProgress, models_pb2.ListModelsRequest(name=model))
        return tuple(map(in_progress_in, reply.versions))

    def version(self, ref: str, model: str = "") -> ModelVersion:
        """The version that a text means: its digits, ``<model>@<branch or tag>``, or ``<model>`` for its newest.

        Raises:
            ModelNotFound: none; the text lists the branches and tags there are.
        """
        return model_version_in(self._call(self._stub.GetVersion, models_pb2.VersionQuery(model=model, ref=ref)))

    def of_job(self, job_id: str, wait_seconds: float = 0.0) -> tuple[ModelVersion | None, ModelOperation | None]:
        """The version that a job made, and the change that made it or is to make it.

        Raises:
            JobNotFound: there is no such job here.
        """
        query = models_pb2.VersionOfJobQuery(job_id=job_id, wait_seconds=wait_seconds)
        reply = self._call(self._stub.GetVersionOfJob, query, timeout=CALL_SECONDS + wait_seconds)
        return (
            model_version_in(reply.version) if reply.HasField("version") else None,
            operation_in(reply.operation) if reply.HasField("operation") else None,
        )

    def change(self, request: ModelRequest) -> ModelOperation:
        """Ask for a change at all parties of a model, and wait for it.

        Returns:
            the operation, which has not ended where a party does not answer.

        Raises:
            AccessDenied, ModelNotFound, RegistryError: it cannot be; nothing has changed.
            PartyUnreachable: the gateway that coordinates the model did not answer; nothing has changed.
        """
        message = request_out(replace(request, request_id=request.request_id or uuid.uuid4().hex))
        reply = self._call(self._stub.Change, message, timeout=CALL_SECONDS + request.wait_seconds)
        return operation_in(reply)

    def operations(self, model: str = "", limit: int = 20, *, only_open: bool = False) -> tuple[ModelOperation, ...]:
        """The newest changes, newest first."""
        query = models_pb2.OperationsQuery(model=model, limit=limit, open=only_open)
        return tuple(map(operation_in, self._call(self._stub.ListOperations, query).operations))

    def cancel(self, change_id: str) -> ModelOperation:
        """Give up a change that is not decided.

        Raises:
            RegistryError: it is decided, or not known.
        """
        query = models_pb2.OperationQuery(change_id=change_id)
        return operation_in(self._call(self._stub.CancelOperation, query))

    def diff(self, old: str, new: str, model: str = "") -> tuple[ModelVersion, ModelVersion, tuple[DiffLine, ...]]:
        """In what two versions differ at this site's parties.

        Raises:
            ModelNotFound: one of them is not here.
        """
        reply = self._call(self._stub.Diff, models_pb2.ModelDiffQuery(model=model, old=old, new=new))
        return model_version_in(reply.old), model_version_in(reply.new), tuple(map(line_in, reply.lines))

    def read(self, version: str, party: Party, component: str, alias: str, buffer: str) -> tuple[ModelFile, bytes]:
        """A buffer of a version.

        Args:
            buffer: Meta or Param.

        Raises:
            ModelNotFound: there is no such version here, or no such model in it.
            RegistryError: its file is lost, or was changed.
        """
        query = models_pb2.ModelFileQuery(
            version=version, party=party_out(party), component=component, alias=alias, buffer=buffer
        )

        def read() -> tuple[ModelFile, bytes]:
            parts = self._stub.ReadFile(query, timeout=STREAM_SECONDS)
            first = next(parts)
            content = bytearray(first.data)
            for part in parts:
                content += part.data
            return ModelFile(first.module, first.message, first.bytes), bytes(content)

        return call_with_patience(read, self._address, SILENCE_SECONDS)

    def check(self, model: str = "", *, repair: bool = False) -> CheckReport:
        """Compare every file with its hash, git and the DVC remote with the registry, and all parties with each other.

        Args:
            model: name or model_id; empty for all.
            repair: mend what can be mended.
        """
        request = models_pb2.CheckRequest(model=model, repair=repair)
        return report_in(self._call(self._stub.Check, request, timeout=STREAM_SECONDS))

    def export(self, ref: str, folder: Path, party: Party | None = None) -> Path:
        """Write a party's part of a version as FATE's zip into a folder; gives the file.

        Raises:
            ModelNotFound: there is none.
        """
        query = models_pb2.ExportQuery(ref=ref, party=None if party is None else party_out(party))
        try:
            parts = self._stub.Export(query, timeout=STREAM_SECONDS)
            target = folder / next(parts).message.replace("/", "_")
            with target.open("wb") as file:
                for part in parts:
                    file.write(part.data)
        except grpc.RpcError as error:
            raise error_of(error, self._address) from None
        return target

    def import_part(
        self, file: Path, party: Party, *, branch: str = "", message: str = "", author: str = ""
    ) -> ModelOperation:
        """Hand in a party's part of a version; the version is made when every party has done so.

        Raises:
            RegistryError: the file cannot be taken, or other parties have not handed in theirs yet.
        """

        def parts() -> Iterator[models_pb2.ImportPart]:
            yield models_pb2.ImportPart(party=party_out(party), branch=branch, message=message, author=author)
            with file.open("rb") as stream:
                while part := stream.read(CHUNK_BYTES):
                    yield models_pb2.ImportPart(data=part)

        try:
            return operation_in(self._stub.Import(parts(), timeout=STREAM_SECONDS))
        except grpc.RpcError as error:
            raise error_of(error, self._address) from None

    def snapshot(self, namespace: str, name: str, message: str = "") -> Snapshot:
        """Keep a table as it is now under DVC.

        Raises:
            TableNotFound: there is none of that name.
        """
        request = models_pb2.SnapshotRequest(namespace=namespace, name=name, message=message)
        return snapshot_in(self._call(self._stub.SnapshotTable, request, timeout=STREAM_SECONDS))

    def _call(self, method: Callable[..., T], request: Any, *, timeout: float = CALL_SECONDS) -> T:
        return call_with_patience(lambda: method(request, timeout=timeout), self._address, self._patience)
