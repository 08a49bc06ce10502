"""Messages between the tasks of an attempt."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from tests.gateway.conftest import (
    ALL,
    ARBITER,
    GUEST,
    HOST,
    Federation,
    decided,
    eventually,
    on_both_databases,
)

from fate_federated.errors import AccessDenied, AttemptCanceled, AttemptFailed, MessageRejected, TransportError
from fate_federated.party import Party
from fate_federated.pb import exchange_pb2 as pb
from fate_federated.pb.exchange_pb2_grpc import ExchangeStub
from fate_federated.pb.federation_pb2_grpc import FederationStub
from fate_federated.status import AttemptState, Presence
from fate_federated.transport.gateway import GatewayTransport
from fate_federated.transport.rpc import ClientTls, error_of, open_channel
from fate_federated.wire.convert import header_out
from fate_federated.wire.payload import Ciphertexts
from fate_federated.wire.records import Header, Job, TaskRef

COMPONENT = "hetero_lr_0"


@pytest.fixture
def federation(shared_federation: Federation) -> Federation:
    return shared_federation


def transport(federation: Federation, job: Job, party: Party, attempt: int = 1) -> GatewayTransport:
    return federation[party].client().transport(TaskRef(job.job_id, COMPONENT), attempt, party)


def header(job: Job, body: bytes, **changes: object) -> Header:
    """A header that fits its body, unless it is changed."""
    fields = {
        "task": TaskRef(job.job_id, COMPONENT),
        "attempt": 1,
        "sender": HOST,
        "receiver": GUEST,
        "tag": "residual",
        "kind": "tensor",
        "shape": "f8[3]",
        "structure": b"",
        "body_bytes": len(body),
        "digest": hashlib.sha256(body).digest(),
    }
    return Header(**{**fields, **changes})  # type: ignore[arg-type]


def parts(head: Header, body: bytes) -> Iterator[pb.MessagePart]:
    yield pb.MessagePart(header=header_out(head))
    if body:
        yield pb.MessagePart(body=body)


def push(federation: Federation, head: Header, body: bytes, at: Party | None = None) -> pb.Receipt:
    """What a task of a site, by default the sender's, would do with its own gateway."""
    site = federation[at or head.sender]
    with open_channel(site.address, site.tls()) as channel:
        try:
            return ExchangeStub(channel).Push(parts(head, body), timeout=10)
        except grpc.RpcError as error:
            raise error_of(error, site.address) from None


def deliver(federation: Federation, head: Header, body: bytes, tls: ClientTls | None = None) -> pb.Receipt:
    """What the sender's gateway would do with the receiver's."""
    site = federation[head.receiver]
    with open_channel(site.address, tls or federation[head.sender].tls()) as channel:
        try:
            return FederationStub(channel).Deliver(parts(head, body), timeout=10)
        except grpc.RpcError as error:
            raise error_of(error, site.address) from None


def test_values_cross_unchanged_in_every_direction(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    sent = {
        "vector": np.arange(7, dtype="f8"),
        "text": "naïve",
        "flag": True,
        "nothing": None,
        "encrypted": Ciphertexts(b"k" * 32, -40, 4, (2, 1), b"01234567"),
    }
    for sender, receiver in ((GUEST, HOST), (HOST, ARBITER), (ARBITER, GUEST)):
        size = transport(federation, job, sender).push(receiver, "value", sent)
        got = transport(federation, job, receiver).pull(sender, "value")
        assert size > 7 * 8
        assert got.keys() == sent.keys()
        np.testing.assert_array_equal(got["vector"], sent["vector"])
        assert got["encrypted"] == sent["encrypted"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 17])
def test_messages_of_any_length_arrive_whole(loopback: Federation, size: int) -> None:
    job = loopback.start_job()
    loopback.run_attempt(job)
    sent = np.random.default_rng(size).integers(0, 256, size, dtype="u1")
    transport(loopback, job, HOST).push(GUEST, "bytes", sent)
    np.testing.assert_array_equal(transport(loopback, job, GUEST).pull(HOST, "bytes"), sent)


def test_a_receiver_may_ask_before_the_sender_sends(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    with ThreadPoolExecutor(2) as pool:
        pulls = [pool.submit(transport(federation, job, GUEST).pull, HOST, tag) for tag in ("a", "b")]
        transport(federation, job, HOST).push(GUEST, "b", 2)
        assert pulls[1].result(5) == 2
        assert not pulls[0].done()
        transport(federation, job, HOST).push(GUEST, "a", 1)
        assert pulls[0].result(5) == 1


@pytest.mark.parametrize(("outcome", "error"), [("failed", AttemptFailed), ("canceled", AttemptCanceled)])
def test_a_receiver_that_waits_hears_of_the_decision(
    federation: Federation, outcome: str, error: type[Exception]
) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    with ThreadPoolExecutor(1) as pool:
        pull = pool.submit(transport(federation, job, GUEST).pull, HOST, "never")
        attendances[HOST].report(Presence(outcome), "out of memory")
        with pytest.raises(error, match="host-10000: out of memory"):
            pull.result(5)
    with pytest.raises(error, match="out of memory"):
        transport(federation, job, ARBITER).push(GUEST, "late", 1)


@pytest.mark.parametrize(("sender", "receiver"), [(HOST, GUEST), (GUEST, HOST), (ARBITER, HOST)], ids=str)
def test_a_receiver_does_not_wait_for_who_has_ended_without_sending(
    federation: Federation, sender: Party, receiver: Party
) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    transport(federation, job, sender).push(receiver, "sent", 1)
    with ThreadPoolExecutor(1) as pool:
        pull = pool.submit(transport(federation, job, receiver).pull, sender, "never")
        attendances[sender].report(Presence.SUCCEEDED)
        with pytest.raises(TransportError, match=f"{sender} ended without sending 'never' to {receiver}"):
            pull.result(5)
    assert transport(federation, job, receiver).pull(sender, "sent") == 1


def test_sending_a_message_again_is_harmless(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    head = header(job, b"content")
    assert push(federation, head, b"content").repeated is False
    assert push(federation, head, b"content").repeated is True
    assert len(federation[HOST].client().egress(job.job_id)) == 1


def test_another_message_under_the_same_tag_is_refused(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    push(federation, header(job, b"content"), b"content")
    with pytest.raises(MessageRejected, match="sent before under the tag 'residual'"):
        push(federation, header(job, b"another"), b"another")
    with pytest.raises(MessageRejected, match="sent before under the tag 'residual'"):
        deliver(federation, header(job, b"another"), b"another")


@pytest.mark.parametrize("way", [push, deliver])
@pytest.mark.parametrize(
    ("announced", "sent", "problem"),
    [
        (b"content", b"CONTENT", "digest differs"),
        (b"content", b"conten", "ends 1 bytes before its end"),
        (b"content", b"content!", "longer than it announces"),
    ],
)
def test_a_message_that_is_not_what_it_announces_is_not_kept(
    federation: Federation, way, announced: bytes, sent: bytes, problem: str
) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    with pytest.raises(MessageRejected, match=problem):
        way(federation, header(job, announced), sent)
    spool = federation[GUEST].settings.spool / job.job_id
    eventually(lambda: not [path for path in spool.rglob("*") if path.is_file()])
    assert deliver(federation, header(job, announced), announced).repeated is False


@pytest.mark.parametrize("way", [push, deliver])
def test_a_message_larger_than_the_site_takes_is_refused_before_it_is_written(new_federation: Federation, way) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), gateway={"max_message_bytes": 1000})
    job = federation.start_job(parties=(GUEST, HOST))
    federation.run_attempt(job, participants=(GUEST, HOST))
    with pytest.raises(MessageRejected, match=r"has 1001 bytes.*max_message_bytes"):
        way(federation, header(job, b"x" * 1001), b"x" * 1001)
    assert way(federation, header(job, b"x" * 1000), b"x" * 1000).repeated is False
    assert [record.bytes for record in federation[HOST].client().egress()] in ([1000], [])


def test_a_message_is_for_the_running_attempt_only(federation: Federation) -> None:
    job = federation.start_job()
    guest = federation.attend(job, GUEST)
    eventually(lambda: guest.attempt)
    with pytest.raises(MessageRejected, match="does not run"):
        push(federation, header(job, b"", sender=GUEST, receiver=HOST), b"")
    with pytest.raises(MessageRejected, match="not the current one"):
        deliver(federation, header(job, b"", attempt=3), b"")


def test_a_message_of_an_earlier_attempt_never_reaches_a_later_one(federation: Federation) -> None:
    job = federation.start_job()
    first = federation.run_attempt(job)
    transport(federation, job, HOST).push(GUEST, "gradient", 1)
    first[HOST].report(Presence.FAILED, "out of memory")
    decided(first[GUEST])
    federation.run_attempt(job)
    transport(federation, job, HOST, attempt=2).push(GUEST, "gradient", 2)
    assert transport(federation, job, GUEST, attempt=2).pull(HOST, "gradient") == 2
    with pytest.raises(AttemptFailed):
        transport(federation, job, HOST, attempt=1).push(GUEST, "late", 1)


def test_messages_are_removed_when_their_attempt_is_decided(federation: Federation) -> None:
    job = federation.start_job()
    attendances = federation.run_attempt(job)
    transport(federation, job, HOST).push(GUEST, "gradient", np.zeros(1000))
    spool = federation[GUEST].settings.spool / job.job_id
    assert [path for path in spool.rglob("*") if path.is_file()]
    for attendance in attendances.values():
        attendance.report(Presence.SUCCEEDED)
    assert decided(attendances[GUEST]).state is AttemptState.SUCCESS
    eventually(lambda: not [path for path in spool.rglob("*") if path.is_file()])


def test_a_message_is_removed_once_its_receiver_asks_for_the_next(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    host, guest = transport(federation, job, HOST), transport(federation, job, GUEST)
    spool = federation[GUEST].settings.spool / job.job_id
    for step in range(5):
        host.push(GUEST, f"gradient.{step}", np.full(10, step))
        transport(federation, job, ARBITER).push(GUEST, f"gradient.{step}", step)
        assert guest.pull(HOST, f"gradient.{step}")[0] == step
        assert len([path for path in spool.rglob("*") if path.is_file()]) == 1 + (step + 1)
    for step in range(5):
        assert guest.pull(ARBITER, f"gradient.{step}") == step


@on_both_databases
def test_the_ledger_lists_what_left_and_only_that(fresh_federation: Federation) -> None:
    job = fresh_federation.start_job()
    fresh_federation.run_attempt(job)
    transport(fresh_federation, job, HOST).push(GUEST, "gradient.0", np.zeros((2, 3)))
    transport(fresh_federation, job, HOST).push(ARBITER, "params", {"alpha": 0.1})
    transport(fresh_federation, job, GUEST).push(HOST, "encrypted", Ciphertexts(b"k" * 32, 0, 4, (2,), b"01234567"))
    first, second = fresh_federation[HOST].client().egress(job.job_id)
    assert (first.sender, first.receiver, first.tag, first.kind) == (HOST, GUEST, "gradient.0", "tensor")
    assert (first.shape, first.attempt, first.task, first.left_site) == (
        "f8[2, 3]",
        1,
        TaskRef(job.job_id, COMPONENT),
        True,
    )
    assert first.bytes > 48
    assert (second.receiver, second.kind, second.number > first.number) == (ARBITER, "parameters", True)
    assert first.sent_at <= second.sent_at
    (guests,) = fresh_federation[GUEST].client().egress(component=COMPONENT)
    assert (guests.kind, guests.shape) == ("ciphertext", "ciphertext[2]")
    assert fresh_federation[GUEST].client().egress(component="another") == ()
    assert fresh_federation[HOST].client().egress(limit=1) == (second,)


def test_what_passes_between_parties_of_one_site_is_in_the_ledger_too(loopback: Federation) -> None:
    job = loopback.start_job()
    loopback.run_attempt(job)
    transport(loopback, job, HOST).push(GUEST, "gradient", 1)
    (record,) = loopback[HOST].client().egress()
    assert (record.sender, record.receiver, record.left_site) == (HOST, GUEST, False)


def test_nobody_can_send_for_a_party_that_it_is_not(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    head = header(job, b"forged", sender=ARBITER)
    with pytest.raises(AccessDenied, match="speaks for arbiter-10000, and the caller's certificate names host-10000"):
        deliver(federation, head, b"forged", federation[HOST].tls())
    with pytest.raises(AccessDenied, match="arbiter-10000 is not hosted by this site"):
        push(federation, head, b"forged", at=HOST)


def test_nobody_can_read_what_another_party_was_sent(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    transport(federation, job, HOST).push(GUEST, "secret", 1)
    site = federation[GUEST]
    with open_channel(site.address, federation[ARBITER].tls()) as channel:
        thief = GatewayTransport(channel, site.address, TaskRef(job.job_id, COMPONENT), 1, GUEST)
        with pytest.raises(AccessDenied):
            thief.pull(HOST, "secret")


def test_many_messages_at_once_find_their_receivers(federation: Federation) -> None:
    job = federation.start_job()
    federation.run_attempt(job)
    pairs = [(a, b, n) for a in ALL for b in ALL if a != b for n in range(8)]
    senders = {party: transport(federation, job, party) for party in ALL}
    receivers = {party: transport(federation, job, party) for party in ALL}
    start = threading.Barrier(12)

    def run(work: int) -> list[object]:
        start.wait()
        got = []
        for sender, receiver, n in pairs[work::12]:
            senders[sender].push(receiver, f"{n}", f"{sender} {receiver} {n}")
            got.append(receivers[receiver].pull(sender, f"{n}"))
        return got

    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(run, range(12)))
    assert sorted(value for got in results for value in got) == sorted(f"{a} {b} {n}" for a, b, n in pairs)
