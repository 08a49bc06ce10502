"""Who may call what: certificates name parties, and nobody speaks for another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.gateway.conftest import ALL, ARBITER, DSL, GUEST, HOST, Federation, conf

from fate_federated.errors import AccessDenied, GatewayUnavailable
from fate_federated.gateway.access import parties_of
from fate_federated.party import Party
from fate_federated.pb import attempts_pb2, federation_pb2
from fate_federated.pb.federation_pb2_grpc import FederationStub
from fate_federated.settings import load_site
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.transport.rpc import ClientTls, error_of, open_channel
from fate_federated.wire.convert import attempt_out, end_out, order_out, party_out, report_out, update_out
from fate_federated.wire.records import (
    Attempt,
    JobEnd,
    JobFiles,
    JobOrder,
    JobReport,
    PartyPresence,
    PresenceUpdate,
    TaskRef,
)

STRANGER = Party.parse("guest-1")


@pytest.fixture
def federation(shared_federation: Federation) -> Federation:
    return shared_federation


def call(federation: Federation, at: Party, tls: ClientTls | None, method: str, request: Any) -> Any:
    """A call of the face that a gateway shows to its peers."""
    site = federation[at]
    with open_channel(site.address, tls) as channel:
        try:
            return getattr(FederationStub(channel), method)(request, timeout=5)
        except grpc.RpcError as error:
            raise error_of(error, site.address) from None


def test_a_certificate_names_its_parties() -> None:
    authority = make_authority("trial")
    certificate, _ = issue_certificate(*authority, "site", (HOST, ARBITER), ["127.0.0.1"])
    assert parties_of(certificate) == {HOST, ARBITER}
    assert parties_of(authority[0]) == frozenset()
    with pytest.raises(AccessDenied):
        parties_of(b"")


@pytest.mark.parametrize("named", [(HOST,), (GUEST, HOST), (STRANGER,), ()], ids=str)
def test_the_sites_own_face_is_for_its_own_certificates(federation: Federation, named: tuple[Party, ...]) -> None:
    client = federation[GUEST].client(federation.identity(*named))
    with pytest.raises(AccessDenied):
        client.site()
    with pytest.raises(AccessDenied):
        client.list_jobs()


def test_the_site_itself_is_let_in(federation: Federation) -> None:
    site = federation[GUEST].client().site()
    assert (site.name, site.parties) == ("site-0", (GUEST,))
    assert [peer.parties for peer in site.peers] == [(HOST,), (ARBITER,)]
    assert site.storage_url.startswith("file:///")


def test_a_certificate_of_another_authority_gets_no_connection(federation: Federation) -> None:
    authority, key = make_authority("another")
    certificate, private_key = issue_certificate(authority, key, "site-0", (GUEST,), ["127.0.0.1"])
    trusted = federation.authority[0]
    client = federation[GUEST].client(ClientTls(certificate, private_key, trusted))
    client._patience = 0.0
    with pytest.raises(GatewayUnavailable):
        client.site()


def test_without_a_certificate_there_is_no_connection(federation: Federation) -> None:
    site = federation[GUEST]
    credentials = grpc.ssl_channel_credentials(federation.authority[0])
    for channel in (grpc.insecure_channel(site.address), grpc.secure_channel(site.address, credentials)):
        with channel, pytest.raises(grpc.RpcError) as refused:
            FederationStub(channel).Ping(federation_pb2.PingRequest(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def requests(job_id: str) -> dict[str, Any]:
    """One call of each kind, as the guest's or the host's gateway would make it."""
    seat = PartyPresence(HOST, True, Presence.JOINED, "", "host/1")
    attempt = Attempt(TaskRef(job_id, "a"), 1, AttemptState.SUCCESS, "", (seat,), 9, 1.0, 2.0, 3.0)
    return {
        "CreateJob": order_out(JobOrder("20260101", "run", GUEST, JobFiles("other", DSL, conf()))),
        "EndJob": end_out(JobEnd(job_id, GUEST, JobStatus.CANCELED, "", stop=True)),
        "ReportJob": report_out(JobReport(job_id, HOST, JobStatus.FAILED, "")),
        "UpdatePresence": update_out(PresenceUpdate(TaskRef(job_id, "a"), 0, seat, ALL, GUEST)),
        "PublishAttempt": attempt_out(attempt),
        "Ping": federation_pb2.PingRequest(parties=[party_out(HOST)]),
    }


@pytest.mark.parametrize("method", ["CreateJob", "EndJob", "ReportJob", "UpdatePresence", "PublishAttempt", "Ping"])
def test_a_stranger_with_a_valid_certificate_is_refused(federation: Federation, method: str) -> None:
    job = federation.start_job()
    for at in ALL:
        with pytest.raises(AccessDenied):
            call(federation, at, federation.identity(STRANGER), method, requests(job.job_id)[method])


@pytest.mark.parametrize(
    ("caller", "at", "method"),
    [
        (ARBITER, HOST, "CreateJob"),
        (ARBITER, HOST, "EndJob"),
        (ARBITER, GUEST, "ReportJob"),
        (ARBITER, GUEST, "UpdatePresence"),
        (ARBITER, HOST, "PublishAttempt"),
        (ARBITER, GUEST, "Ping"),
        # Speaking for oneself, to a site that does not coordinate the job:
        (HOST, ARBITER, "ReportJob"),
        (HOST, ARBITER, "UpdatePresence"),
    ],
)
def test_a_peer_cannot_speak_for_another(federation: Federation, caller: Party, at: Party, method: str) -> None:
    job = federation.start_job()
    with pytest.raises(AccessDenied):
        call(federation, at, federation[caller].tls(), method, requests(job.job_id)[method])
    assert federation[at].client().get_job(job.job_id).status is JobStatus.RUNNING
    assert federation[at].client().get_job(job.job_id).tasks == ()


def test_the_same_calls_are_taken_from_those_that_may_make_them(federation: Federation) -> None:
    job = federation.start_job()
    guest, host = federation[GUEST].tls(), federation[HOST].tls()
    calls: list[tuple[Party, ClientTls | None, str]] = [
        (GUEST, host, "Ping"),
        (GUEST, host, "UpdatePresence"),
        (HOST, guest, "PublishAttempt"),
        (GUEST, host, "ReportJob"),
        (HOST, guest, "EndJob"),
    ]
    for at, tls, method in calls:
        call(federation, at, tls, method, requests(job.job_id)[method])


def test_a_peer_that_was_not_configured_is_no_peer(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,))
    with pytest.raises(AccessDenied, match="Add its parties under peers"):
        call(federation, GUEST, federation.identity(ARBITER), "Ping", federation_pb2.PingRequest())


def test_a_loopback_site_has_no_face_for_peers(loopback: Federation) -> None:
    with pytest.raises(AccessDenied, match="no peer"):
        call(loopback, GUEST, None, "Ping", federation_pb2.PingRequest())


def test_plaintext_is_for_loopback_addresses_only(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("{name: a, parties: [guest-1], gateway: {listen: '0.0.0.0:9370'}}")
    with pytest.raises(Exception, match="without tls it must be a loopback address"):
        load_site(file)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request.task.ClearField("job_id"),
        lambda request: setattr(request, "state", "done"),
        lambda request: setattr(request, "number", 0),
        lambda request: setattr(request.parties[0].party, "role", "king"),
        lambda request: setattr(request.parties[0].party, "party_id", "../x"),
        lambda request: setattr(request.parties[0], "presence", "asleep"),
        lambda request: setattr(request.task, "component", "x" * 200),
        lambda request: setattr(request.task, "component", "a\nb"),
    ],
)
def test_what_cannot_be_read_is_refused(
    federation: Federation, spoil: Callable[[attempts_pb2.Attempt], object]
) -> None:
    job = federation.start_job()
    request = requests(job.job_id)["PublishAttempt"]
    spoil(request)
    with pytest.raises(Exception) as refused:  # noqa: PT011 several of ours
        call(federation, HOST, federation[GUEST].tls(), "PublishAttempt", request)
    assert type(refused.value).__name__ == "MessageRejected"
