"""How tools call a site's serving process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import orjson

from fate_federated.errors import SiteError
from fate_federated.party import Party, Role
from fate_federated.settings import load_site
from fate_serving.codes import ServingError
from fate_serving.pb import model_service_pb2 as pb
from fate_serving.pb.inference_service_pb2 import InferenceMessage
from fate_serving.pb.inference_service_pb2_grpc import InferenceServiceStub
from fate_serving.pb.model_service_pb2_grpc import ModelServiceStub
from fate_serving.settings import load_settings

LOAD_SECONDS = 120.0
CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What a process says of a loaded model."""

    namespace: str
    version: str
    services: tuple[str, ...]


class ManagementClient:
    """Calls of a serving process's own organisation.

    Args:
        address: host:port of ModelService and InferenceService.
        parties: of the site.
    """

    def __init__(self, address: str, parties: tuple[Party, ...]) -> None:
        self._address, self._parties = address, parties
        self._channel = grpc.insecure_channel(address)
        self._models, self._inference = ModelServiceStub(self._channel), InferenceServiceStub(self._channel)

    @classmethod
    def of_site(cls, folder: Path) -> ManagementClient:
        """To the process of a site.

        Raises:
            ConfigError: the site's files are wrong.
        """
        site = load_site(folder)
        return cls(load_settings(site).listen, site.hosted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def load(self, ref: str, party: str = "") -> LoadedModel:
        """Load a version, a branch or tag, or a zip file.

        Raises:
            ServingError: it cannot be served.
        """
        whose = self._whose(party)
        local = pb.LocalInfo(role=str(whose.role), partyId=whose.party_id)
        file = Path(ref)
        if file.suffix == ".zip":
            request = pb.PublishRequest(local=local, loadType="FILE", filePath=str(file.absolute()))
        else:
            request = pb.PublishRequest(local=local, loadType="REGISTRY", tableName=ref)
        reply = self._call(self._models.publishLoad, request, LOAD_SECONDS)
        said = orjson.loads(reply.data)
        return LoadedModel(said["namespace"], said["tableName"], ())

    def bind(self, service: str, namespace: str, version: str) -> None:
        """Let a service be answered by a loaded model.

        Raises:
            ServingError: it is not loaded.
        """
        party = self._whose("")
        local = pb.LocalInfo(role=str(party.role), partyId=party.party_id)
        request = pb.PublishRequest(local=local, serviceId=service, namespace=namespace, tableName=version)
        self._call(self._models.publishBind, request, CALL_SECONDS)

    def switch(self, service: str, ref: str, party: str = "") -> LoadedModel:
        """Let a service be answered by a version, branch or tag, once all parties have it loaded.

        Raises:
            ServingError: a party cannot serve it; nothing has changed then.
        """
        whose = self._whose(party)
        local = pb.LocalInfo(role=str(whose.role), partyId=whose.party_id)
        request = pb.PublishRequest(local=local, serviceId=service, loadType="REGISTRY", tableName=ref)
        said = orjson.loads(self._call(self._models.publishBind, request, LOAD_SECONDS).data)
        return LoadedModel(said["namespace"], said["tableName"], (service,))

    def unbind(self, service: str) -> None:
        """Let a service be without a model.

        Raises:
            ServingError: it has none.
        """
        for loaded in self.models():
            if service in loaded.services:
                request = pb.UnbindRequest(serviceIds=[service], namespace=loaded.namespace, tableName=loaded.version)
                self._call(self._models.unbind, request, CALL_SECONDS)
                return
        raise SiteError(f"No model is bound to {service}. See `fate serving list`.")

    def unload(self, version: str, party: str = "") -> list[LoadedModel]:
        """Serve a version no more; gives what was unloaded.

        Raises:
            SiteError: it is not loaded.
        """
        found = [loaded for loaded in self.models() if loaded.version == version]
        if party:
            whose = Party.parse(party)
            found = [loaded for loaded in found if loaded.namespace.startswith(f"{whose.role}#{whose.party_id}#")]
        if not found:
            raise SiteError(f"The version {version} is not loaded. See `fate serving list`.")
        for loaded in found:
            request = pb.UnloadRequest(namespace=loaded.namespace, tableName=loaded.version)
            self._call(self._models.unload, request, CALL_SECONDS)
        return found

    def models(self) -> list[LoadedModel]:
        """What is loaded."""
        reply = self._call(self._models.queryModel, pb.QueryModelRequest(), CALL_SECONDS)
        return [LoadedModel(each.namespace, each.tableName, tuple(each.serviceIds)) for each in reply.modelInfos]

    def score(self, service: str, features: Mapping[str, Any], remote: Mapping[str, Any]) -> dict[str, Any]:
        """One row's answer, whatever its return code."""
        body = {"serviceId": service, "featureData": features, "sendToRemoteFeatureData": remote}
        try:
            reply = self._inference.inference(InferenceMessage(body=orjson.dumps(body)), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            raise self._unreachable(error) from None
        answer: dict[str, Any] = orjson.loads(reply.body)
        return answer

    def _call(self, call: Any, request: Any, seconds: float) -> Any:
        try:
            reply = call(request, timeout=seconds)
        except grpc.RpcError as error:
            raise self._unreachable(error) from None
        code = reply.retcode if isinstance(reply, pb.QueryModelResponse) else reply.statusCode
        if code:
            raise ServingError(code, f"{reply.message} (return code {code})")
        return reply

    def _unreachable(self, error: grpc.RpcError) -> SiteError:
        return SiteError(f"Nothing serves at {self._address} ({error.code().name}). Start it with `fate serving up`.")

    def _whose(self, party: str) -> Party:
        if party:
            return Party.parse(party)
        for role in (Role.GUEST, Role.HOST):
            for each in self._parties:
                if each.role is role:
                    return each
        raise SiteError("The site hosts neither a guest nor a host: it has nothing to serve.")
