"""Who may change a model: its parties, in their own names, and only its initiator's gateway decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
import pytest
from tests.gateway.conftest import ALL, ARBITER, GUEST, HOST, Federation
from tests.gateway.model_federation import LR, ask, history, train

from fate_federated.errors import AccessDenied, ModelNotFound, RegistryError
from fate_federated.party import Party
from fate_federated.pb import models_pb2
from fate_federated.pb.models_pb2_grpc import ModelFederationStub, ModelsStub
from fate_federated.transport.rpc import error_of, open_channel
from fate_federated.wire.convert import party_out
from fate_federated.wire.model_convert import change_out, decision_out, request_out
from fate_federated.wire.model_records import (
    Action,
    ModelChange,
    ModelDecision,
    ModelRequest,
    Outcome,
    RefKind,
    RefMove,
)

STRANGER = Party.parse("guest-1")


@pytest.fixture(scope="module")
def trained(modules_federation: Federation) -> Federation:
    train(modules_federation, 0.5)
    return modules_federation


def call(federation: Federation, at: Party, speaking: Party, method: str, request: Any, stub: Any = None) -> Any:
    """A call of a gateway's face for peers, with a certificate that names one party."""
    site = federation[at]
    with open_channel(site.address, federation.identity(speaking)) as channel:
        try:
            return getattr((stub or ModelFederationStub)(channel), method)(request, timeout=10)
        except grpc.RpcError as error:
            raise error_of(error, site.address) from None


def change(federation: Federation, **said: Any) -> ModelChange:
    model = federation[GUEST].client().models.list()[0]
    version = federation[GUEST].client().models.version("credit")
    whole = ModelChange(
        change_id="c1", action=Action.BRANCH, model_id=model.model_id, name="credit", initiator=GUEST,
        parties=model.parties, by=GUEST, author="", message="", created_at=1.0,
        moves=(RefMove(RefKind.BRANCH, "release", "", version.version),),
    )  # fmt: skip
    return replace(whole, **said)


def test_only_the_initiators_gateway_prepares_and_decides(trained: Federation) -> None:
    with pytest.raises(AccessDenied, match="The call speaks for guest-9999"):
        call(trained, ARBITER, HOST, "Prepare", change_out(change(trained)))
    with pytest.raises(RegistryError, match="is coordinated by guest-9999"):
        call(trained, ARBITER, HOST, "Prepare", change_out(change(trained, change_id="c2", initiator=HOST)))
    decision = ModelDecision("c1", Outcome.COMMIT, GUEST)
    with pytest.raises(AccessDenied, match="The call speaks for guest-9999"):
        call(trained, ARBITER, HOST, "Decide", decision_out(decision))


def test_a_decision_is_taken_from_who_coordinates_the_change(trained: Federation) -> None:
    call(trained, HOST, GUEST, "Prepare", change_out(change(trained, change_id="c3")))
    with pytest.raises(AccessDenied, match="arbiter-10000 does not coordinate the change c3"):
        call(trained, HOST, ARBITER, "Decide", decision_out(ModelDecision("c3", Outcome.COMMIT, ARBITER)))
    # The guest's gateway knows nothing of it, so the host hears that it was given up when it asks.
    outcome = call(trained, GUEST, HOST, "Outcome", models_pb2.ChangeRef(change_id="c3", initiator=party_out(GUEST)))
    assert outcome.outcome == "abort"
    call(trained, HOST, GUEST, "Decide", decision_out(ModelDecision("c3", Outcome.ABORT, GUEST)))
    with pytest.raises(RegistryError, match="The change c3 was given up"):
        call(trained, HOST, GUEST, "Prepare", change_out(change(trained, change_id="c3")))
    assert len({str(history(trained, party)) for party in ALL}) == 1


def test_what_was_not_prepared_is_not_made(trained: Federation) -> None:
    with pytest.raises(RegistryError, match="has not prepared the change c9"):
        call(trained, HOST, GUEST, "Decide", decision_out(ModelDecision("c9", Outcome.COMMIT, GUEST)))


@pytest.mark.parametrize(("speaking", "by"), [(HOST, GUEST), (STRANGER, STRANGER)], ids=str)
def test_a_request_is_made_in_ones_own_name(trained: Federation, speaking: Party, by: Party) -> None:
    model_id = trained[GUEST].client().models.list()[0].model_id
    request = ModelRequest(Action.TAG, model_id, by, name="mine")
    with pytest.raises(AccessDenied):
        call(trained, GUEST, speaking, "Ask", request_out(request))


def test_a_stranger_hears_nothing_of_a_model(trained: Federation) -> None:
    model_id = trained[GUEST].client().models.list()[0].model_id
    with pytest.raises(AccessDenied):
        call(trained, GUEST, STRANGER, "Compare", models_pb2.VersionsQuery(model=model_id))
    reply = call(trained, GUEST, HOST, "Compare", models_pb2.VersionsQuery(model=model_id))
    assert all(version.metrics == "{}" and version.data == "[]" for version in reply.versions)


def test_a_peer_cannot_read_a_sites_models(trained: Federation) -> None:
    version = trained[GUEST].client().models.version("credit").version
    query = models_pb2.ModelFileQuery(
        version=version, party=party_out(GUEST), component=LR, alias="model", buffer="Param"
    )
    site = trained[GUEST]
    with open_channel(site.address, trained.identity(HOST)) as channel, pytest.raises(grpc.RpcError) as refused:
        list(ModelsStub(channel).ReadFile(query, timeout=5))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
    with pytest.raises(AccessDenied):
        call(trained, GUEST, HOST, "ListModels", models_pb2.ListModelsRequest(), ModelsStub)


def test_a_party_of_another_model_has_no_say(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), (ARBITER,), (STRANGER,))
    train(federation, 0.5)
    model_id = federation[GUEST].client().models.list()[0].model_id
    with pytest.raises(AccessDenied, match="guest-1 is no party of credit: only its parties may change it"):
        call(
            federation, GUEST, STRANGER, "Ask",
            request_out(ModelRequest(Action.TAG, model_id, STRANGER, name="theirs")),
        )  # fmt: skip
    with pytest.raises(ModelNotFound):
        ask(federation, Action.TAG, STRANGER, name="theirs")
    with pytest.raises(AccessDenied, match="The caller is no party of credit"):
        call(federation, GUEST, STRANGER, "Compare", models_pb2.VersionsQuery(model=model_id))
