"""Loading, binding and letting go of models, and what the process says of itself."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc.aio
import orjson

from fate_federated.errors import InvalidParty
from fate_federated.party import Party, Role
from fate_serving.codes import Code, ServingError
from fate_serving.flow import Flow
from fate_serving.model_sources import ModelSources
from fate_serving.parts import ABOUT, split_namespace
from fate_serving.pb import common_service_pb2 as common_pb
from fate_serving.pb import model_service_pb2 as pb
from fate_serving.pb.model_service_pb2_grpc import ModelServiceStub
from fate_serving.processors import Processors
from fate_serving.settings import ServingSettings
from fate_serving.shelf import Key, Loaded, Shelf
from fate_serving.switching import Switching

TRANSFER_SECONDS = 60.0
MAX_MODEL_BYTES = 1 << 30
REGISTRY = "REGISTRY"


class Management:
    """What ModelService and CommonService ask of a process."""

    def __init__(
        self,
        shelf: Shelf,
        sources: ModelSources,
        switching: Switching,
        processors: Processors,
        flow: Flow,
        settings: ServingSettings,
    ) -> None:
        self._shelf, self._sources, self._switching = shelf, sources, switching
        self._processors, self._flow, self._settings = processors, flow, settings

    # Models

    async def publish_load(self, request: pb.PublishRequest) -> dict[str, Any]:
        """Load a party's part of a model.

        Raises:
            ServingError: PARAMETER, LOAD or MODEL_INIT.
        """
        party = _local(request)
        key = _key_in(request, party)
        hosts = _hosts_in(request)
        kind = request.loadType or ("FILE" if request.filePath else "FATEFLOW")
        if kind == "FILE":
            if not request.filePath:
                raise ServingError(Code.PARAMETER, "filePath is missing.")
            loaded = await self._sources.from_file(Path(request.filePath), party, hosts, key)
        elif kind in ("FATEFLOW", "CACHE"):
            if key is None:
                raise ServingError(Code.PARAMETER, f"model names no model of {party}, and there is no filePath.")
            loaded = await self._sources.ensure(key, hosts)
        elif kind == REGISTRY:
            loaded = await self._sources.from_registry(request.tableName, party, hosts)
        else:
            raise ServingError(Code.PARAMETER, f"loadType {kind[:50]!r} is not FATEFLOW, FILE, CACHE or REGISTRY.")
        return {"namespace": loaded.key[0], "tableName": loaded.key[1]}

    async def publish_bind(self, request: pb.PublishRequest) -> dict[str, Any]:
        """Bind a service to a loaded model.

        Raises:
            ServingError: PARAMETER or BIND.
        """
        party = _local(request)
        if not request.serviceId:
            raise ServingError(Code.PARAMETER, "serviceId is missing.")
        if request.loadType == REGISTRY:
            bound = await self._switching.to_ref(request.serviceId, request.tableName, party)
            return {"serviceId": request.serviceId, "namespace": bound.key[0], "tableName": bound.key[1]}
        key = _key_in(request, party)
        if key is None:
            raise ServingError(Code.PARAMETER, f"model names no model of {party}.")
        await self._shelf.bind(request.serviceId, *key)
        return {"serviceId": request.serviceId}

    async def query(self, request: pb.QueryModelRequest) -> list[pb.ModelInfoEx]:
        """What is loaded and bound."""
        await self._shelf.refresh()
        found: list[pb.ModelInfoEx] = []
        for loaded in self._shelf.everything():
            services = self._shelf.services_of(loaded.key)
            if request.queryType == 1 and not any(request.serviceId in service for service in services):
                continue
            if request.queryType == 2 and loaded.key != (request.namespace, request.tableName):
                continue
            found.append(_described(loaded, services, len(found)))
        return found

    async def unload(self, namespace: str, version: str) -> None:
        """Serve a model no more."""
        await self._shelf.unload(namespace, version)

    async def unbind(self, services: tuple[str, ...], namespace: str, version: str) -> None:
        """Let services be without a model."""
        await self._shelf.unbind(services, namespace, version)

    async def transfer(self, namespace: str, version: str) -> tuple[bytes, bytes]:
        """A loaded model, for another instance.

        Raises:
            ServingError: NO_MODEL.
        """
        await self._shelf.refresh()
        loaded = self._shelf.model(namespace, version)
        about = {
            "party": loaded.load.party,
            "services": self._shelf.services_of(loaded.key),
            "hosts": loaded.load.hosts,
        }
        return orjson.dumps(about), await asyncio.to_thread(_zipped, self._shelf.files_of(loaded.key))

    async def fetch(self, request: pb.FetchModelRequest) -> None:
        """Take over a model from another instance, and bind the services that the call names.

        Raises:
            ServingError: SYNCHRONIZE.
        """
        address = f"{request.sourceIp}:{request.sourcePort}"
        options = (("grpc.max_receive_message_length", MAX_MODEL_BYTES),)
        async with grpc.aio.insecure_channel(address, options) as channel:
            stub = ModelServiceStub(channel)
            asked = pb.ModelTransferRequest(namespace=request.namespace, tableName=request.tableName)
            try:
                reply: pb.ModelTransferResponse = await stub.modelTransfer(asked, timeout=TRANSFER_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise ServingError(Code.SYNCHRONIZE, f"{address} does not answer: {error.code().name}.") from None
        if reply.statusCode:
            raise ServingError(Code.SYNCHRONIZE, f"{address} does not give the model: {reply.message}")
        try:
            about = json.loads(reply.modelData)
            party = Party.parse(about["party"])
            hosts = {str(host): (key[0], key[1]) for host, key in about["hosts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, InvalidParty) as error:
            raise ServingError(Code.SYNCHRONIZE, f"{address} gave no model of this project: {error}") from None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.zip"
            await asyncio.to_thread(file.write_bytes, reply.cacheData)
            loaded = await self._sources.from_file(file, party, hosts)
        for service in request.serviceIds:
            await self._shelf.bind(service, *loaded.key)

    # Of the process

    async def health(self) -> dict[str, Any]:
        """Whether every model that was loaded can be served."""
        await self._shelf.refresh()
        return {
            "ready": not self._shelf.broken,
            "models": len(self._shelf.everything()),
            "services": len(self._shelf.bindings),
            "processors": self._processors.versions,
            "broken": {f"{namespace} {version}": why for (namespace, version), why in self._shelf.broken.items()},
        }

    async def properties(self, keyword: str) -> dict[str, Any]:
        """The settings whose name holds a word, without secrets."""
        said = self._settings.model_dump(mode="json", exclude={"signature", "adapter", "cache"})
        return {key: value for key, value in said.items() if keyword.lower() in key}

    async def numbers(self, request: common_pb.QueryMetricRequest) -> list[dict[str, Any]]:
        """What passed in each second of the last minutes at this process, by call or of a model."""
        end = request.endMs or 1 << 62
        if request.type == common_pb.MODEL:
            chosen = request.source if request.source.startswith("M_") else f"M_{request.source}"
            return self._flow.numbers(request.beginMs, end, chosen.__eq__)
        return self._flow.numbers(request.beginMs, end, lambda source: request.source in ("", source))

    async def limit(self, request: common_pb.UpdateFlowRuleRequest) -> None:
        """Allow a call or a model so many rows a second.

        Raises:
            ServingError: PARAMETER.
        """
        self._flow.limit(request.source, request.allowQps)


def _local(request: pb.PublishRequest) -> Party:
    if not request.local.role or not request.local.partyId:
        raise ServingError(Code.PARAMETER, "local.role or local.partyId is missing.")
    try:
        return Party(Role(request.local.role), request.local.partyId)
    except (ValueError, InvalidParty):
        named = f"{request.local.role[:50]}-{request.local.partyId[:80]}"
        raise ServingError(Code.PARAMETER, f"local is {named!r}, which is no party.") from None


def _key_in(request: pb.PublishRequest, party: Party) -> Key | None:
    """Namespace and version of the party's part, as the call's model names it."""
    if request.namespace and request.tableName:
        return request.namespace, request.tableName
    if party.role not in request.model:
        return None
    info = request.model[party.role].roleModelInfo
    if party.party_id not in info:
        return None
    found = info[party.party_id]
    if not found.namespace or not found.tableName:
        raise ServingError(Code.PARAMETER, f"model.{party.role}.{party.party_id} has no namespace or no tableName.")
    return found.namespace, found.tableName


def _hosts_in(request: pb.PublishRequest) -> Mapping[str, Key]:
    if Role.HOST not in request.model:
        return {}
    hosts = {}
    for party_id, info in request.model[Role.HOST].roleModelInfo.items():
        try:
            host = Party(Role.HOST, party_id)
        except InvalidParty as error:
            raise ServingError(Code.PARAMETER, f"model.host: {error}") from None
        if info.namespace and info.tableName:
            split_namespace(info.namespace)
            hosts[str(host)] = (info.namespace, info.tableName)
    return hosts


def _described(loaded: Loaded, services: tuple[str, ...], index: int) -> pb.ModelInfoEx:
    part = loaded.compiled.part
    about = {
        "namespace": loaded.key[0],
        "tableName": loaded.key[1],
        "role": str(part.party.role),
        "partId": part.party.party_id,
        "timestamp": int(loaded.load.loaded_at * 1000),
        "serviceIds": services,
        "parties": [str(party) for party in part.parties],
    }
    nodes = [
        pb.ModelProcessorNode(
            name=component.name,
            params=json.dumps({"module": component.module, **part.parameters.get(component.name, {})}),
        )
        for component in part.components
    ]
    return pb.ModelInfoEx(
        namespace=loaded.key[0], tableName=loaded.key[1], serviceIds=services, content=json.dumps(about),
        index=index, modelProcessorExt=pb.ModelProcessorExt(nodes=nodes),
    )  # fmt: skip


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != ABOUT:
                archive.write(file, file.relative_to(folder).as_posix())
    return content.getvalue()
