"""How the gateways of a model's parties reach each other about it: itself and its peers, by the same methods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from fate_federated.gateway.links import Links, RemoteSite
from fate_federated.party import Party
from fate_federated.pb import models_pb2
from fate_federated.pb.models_pb2_grpc import ModelFederationStub
from fate_federated.wire.convert import party_out
from fate_federated.wire.model_convert import (
    change_out,
    decision_in,
    decision_out,
    model_in,
    model_version_in,
    operation_in,
    parts_in,
    request_out,
)
from fate_federated.wire.model_records import (
    Model,
    ModelChange,
    ModelDecision,
    ModelOperation,
    ModelPart,
    ModelRequest,
    ModelVersion,
)

if TYPE_CHECKING:
    from fate_federated.pb.models_pb2_grpc import ModelFederationAsyncStub

CALL_SECONDS = 20.0
PREPARE_SECONDS = 1800.0
"""Files of gigabytes are hashed and pushed to a remote."""


class ModelLink(Protocol):
    """What a site says to another, or to itself, about a model.

    Raises (every method): PartyUnreachable when the site does not answer, else what it answered.
    """

    parties: tuple[Party, ...]

    async def prepare(self, change: ModelChange) -> tuple[ModelPart, ...]: ...

    async def decide(self, decision: ModelDecision) -> None: ...

    async def ask(self, request: ModelRequest) -> ModelOperation: ...

    async def cancel(
        self, change_id: str, initiator: Party, callers: Iterable[Party] | None = None
    ) -> ModelOperation: ...

    async def outcome(self, change_id: str, initiator: Party) -> ModelDecision: ...

    async def compare(self, model_id: str) -> tuple[Model, list[ModelVersion]]: ...


class RemoteModels:
    """A peer."""

    def __init__(self, site: RemoteSite) -> None:
        self.parties = site.parties
        self._site = site
        self._stub: ModelFederationAsyncStub = ModelFederationStub(site.channel)

    async def prepare(self, change: ModelChange) -> tuple[ModelPart, ...]:
        reply = await self._site.call(self._stub.Prepare(change_out(change), timeout=PREPARE_SECONDS))
        return parts_in(reply.parts)

    async def decide(self, decision: ModelDecision) -> None:
        await self._site.call(self._stub.Decide(decision_out(decision), timeout=CALL_SECONDS))

    async def ask(self, request: ModelRequest) -> ModelOperation:
        seconds = CALL_SECONDS + request.wait_seconds
        return operation_in(await self._site.call(self._stub.Ask(request_out(request), timeout=seconds)))

    async def cancel(self, change_id: str, initiator: Party, callers: Iterable[Party] | None = None) -> ModelOperation:
        ref = models_pb2.ChangeRef(change_id=change_id, initiator=party_out(initiator))
        return operation_in(await self._site.call(self._stub.Cancel(ref, timeout=CALL_SECONDS)))

    async def outcome(self, change_id: str, initiator: Party) -> ModelDecision:
        ref = models_pb2.ChangeRef(change_id=change_id, initiator=party_out(initiator))
        return decision_in(await self._site.call(self._stub.Outcome(ref, timeout=CALL_SECONDS)))

    async def compare(self, model_id: str) -> tuple[Model, list[ModelVersion]]:
        query = models_pb2.VersionsQuery(model=model_id)
        reply = await self._site.call(self._stub.Compare(query, timeout=CALL_SECONDS))
        return model_in(reply.model), list(map(model_version_in, reply.versions))


class ModelLinks:
    """All sites that this one knows, itself among them."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._of: dict[Party, ModelLink] = {}
        for remote in links.remotes:
            self._of.update(dict.fromkeys(remote.parties, RemoteModels(remote)))

    def add_local(self, site: ModelLink) -> None:
        """Make this gateway's own face known; done once, when its parts have been put together."""
        self._of.update(dict.fromkeys(site.parties, site))

    def of(self, party: Party) -> ModelLink:
        """The site that hosts a party.

        Raises:
            JobError: none that is configured does.
        """
        if party not in self._of:
            self._links.of(party)
        return self._of[party]

    def sites(self, parties: Iterable[Party]) -> tuple[ModelLink, ...]:
        """The sites of some parties, each once.

        Raises:
            JobError: one of them is of no configured site.
        """
        return tuple(dict.fromkeys(map(self.of, parties)))

    def is_local(self, party: Party) -> bool:
        """Whether this site hosts a party."""
        return self._links.is_local(party)
