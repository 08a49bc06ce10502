from __future__ import annotations

import base64
import hashlib
import threading
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest

from fate_components.crypto.ristretto import Ristretto255
from fate_components.intersection.agreement import Opening, settings_digests
from fate_components.intersection.commutative import Blinding
from fate_components.intersection.component import Intersection
from fate_components.intersection.hashing import hashed_ids
from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import AttemptFailed, DataError, DslError, MessageRejected, ProblemKind
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.context import MemoryTracker, Peer, TaskContext, Traffic
from fate_federated.task.table import Table
from fate_federated.transport.memory import MemoryHub, MemoryTransport, Message
from fate_federated.wire.payload import GroupElements, Kind, decode

ONE = (1).to_bytes(32, "little")
COMMON = [f"common-person-{number}" for number in range(40)]
GUEST_ONLY = [f"guest-person-{number}" for number in range(30)]
HOST_ONLY = [f"host-person-{number}" for number in range(50)]


def table(ids: Sequence[str], label: bool = False, seed: int = 0) -> Table:
    """Rows in random order whose column x says which id they belong to."""
    shuffled = np.random.default_rng(seed).permutation(np.array(ids))
    x = [float(zlib.crc32(text.encode()) % 1000) for text in shuffled]
    return make_table(shuffled, {"x": x}, label=[len(text) % 2 for text in shuffled] if label else None)


GROUP = Ristretto255()


def blind_ids(ids: Sequence[str], scalar: bytes) -> GroupElements:
    """As a party with the default parameters does."""
    return GroupElements(GROUP.blind(hashed_ids(ids, "sha256", ""), scalar))


def multiply(elements: GroupElements, scalar: bytes) -> GroupElements:
    return GroupElements(GROUP.multiply(elements.data, scalar))


def random_scalar() -> bytes:
    return GROUP.random_scalar()


def payload(message: Message) -> object:
    return decode(message.structure, message.body)


def test_both_parties_keep_the_common_rows_in_one_order(guest: Party, host: Party) -> None:
    tables = {guest: table(COMMON + GUEST_ONLY, label=True), host: table(HOST_ONLY + COMMON, seed=1)}
    results = Federation([guest, host]).run("Intersection", {"intersect_method": "ecdh"}, tables)
    mine, theirs = results[guest].data, results[host].data
    assert sorted(mine.ids.to_pylist()) == sorted(COMMON)
    assert mine.ids.equals(theirs.ids)
    np.testing.assert_array_equal(mine.features, theirs.features)
    np.testing.assert_array_equal(mine.label, [len(text) % 2 for text in mine.ids.to_pylist()])
    assert theirs.label is None


def test_the_order_depends_on_the_common_ids_alone(guest: Party, host: Party) -> None:
    federation = Federation([guest, host])
    once = federation.run("Intersection", inputs={guest: table(COMMON), host: table(COMMON + HOST_ONLY, seed=1)})
    again = federation.run("Intersection", inputs={guest: table(COMMON + GUEST_ONLY, seed=2), host: table(COMMON)})
    assert once[guest].data.ids.equals(again[host].data.ids)
    assert once[guest].data.ids.to_pylist() != sorted(COMMON)


def test_several_hosts_keep_what_all_have(guest: Party, host: Party, other_host: Party) -> None:
    with_host, with_other = COMMON[:30], COMMON[10:]
    tables = {guest: table(COMMON, True), host: table(with_host + HOST_ONLY, seed=1), other_host: table(with_other)}
    results = Federation([guest, host, other_host]).run("Intersection", inputs=tables)
    assert sorted(results[guest].data.ids.to_pylist()) == sorted(COMMON[10:30])
    assert results[guest].data.ids.equals(results[host].data.ids)
    assert results[guest].data.ids.equals(results[other_host].data.ids)


def test_each_party_logs_what_remained(guest: Party, host: Party) -> None:
    tables = {guest: table(COMMON + GUEST_ONLY[:10]), host: table(COMMON + HOST_ONLY[:40])}
    results = Federation([guest, host]).run("Intersection", inputs=tables)
    told = {"intersect_num": 40, "cardinality_only": False}
    assert results[guest].summary == told | {"intersect_rate": 0.8, "unique_id_num": 50}
    assert results[host].summary == told | {"intersect_rate": 0.5, "unique_id_num": 80}
    meta = results[host].tracker.meta["train", "intersection"]
    assert meta["metric_type"] == "INTERSECTION"
    assert meta["values"] == {
        "intersect_count": 40,
        "input_match_id_count": 80,
        "intersect_rate": 0.5,
        "unmatched_count": 40,
        "unmatched_rate": 0.5,
    }


def test_only_output_key_hands_on_the_ids_alone(guest: Party, host: Party) -> None:
    tables = {guest: table(COMMON, label=True), host: table(COMMON)}
    results = Federation([guest, host]).run("Intersection", {"only_output_key": True}, tables)
    for party in (guest, host):
        assert results[party].data.data.column_names == ["id"]
        assert results[party].data.label_column is None


def test_without_sync_the_host_learns_nothing(guest: Party, host: Party, messages: list[Message]) -> None:
    tables = {guest: table(COMMON + GUEST_ONLY), host: table(COMMON + HOST_ONLY)}
    federation = Federation([guest, host], record=messages.append)
    results = federation.run("Intersection", {"sync_intersect_ids": False}, tables)
    assert sorted(results[guest].data.ids.to_pylist()) == sorted(COMMON)
    assert results[host].outputs.data == ()
    assert results[host].summary == {}
    assert [message.tag for message in messages if message.receiver == host] == ["opening", "blinded_ids.0"]


@pytest.mark.parametrize(
    ("params", "pointer", "kind"),
    [
        ({"intersect_method": "psi"}, "/Intersection/intersect_method", ProblemKind.INVALID),
        ({"is_fast": True}, "/Intersection/is_fast", ProblemKind.INVALID),
        ({"ecdh_params": {"curve": "P-256"}}, "/Intersection/ecdh_params/curve", ProblemKind.INVALID),
        ({"dh_params": {"key_length": 2000}}, "/Intersection/dh_params/key_length", ProblemKind.INVALID),
        ({"rsa_params": {"key_length": 512}}, "/Intersection/rsa_params/key_length", ProblemKind.INVALID),
        ({"cardinality_method": "rsa"}, "/Intersection/cardinality_method", ProblemKind.NOT_INSTALLED),
        ({"allow_info_share": True}, "/Intersection/allow_info_share", ProblemKind.NOT_INSTALLED),
        ({"join_method": "left_join"}, "/Intersection", ProblemKind.NOT_INSTALLED),
        (
            {"intersect_cache_param": {"use_cache": True}},
            "/Intersection/intersect_cache_param/use_cache",
            ProblemKind.NOT_INSTALLED,
        ),
        ({"run_preprocess": True, "sync_intersect_ids": False}, "/Intersection", ProblemKind.INVALID),
        ({"run_cache": True, "intersect_method": "raw"}, "/Intersection", ProblemKind.INVALID),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    params: dict[str, object], pointer: str, kind: ProblemKind, guest: Party, host: Party
) -> None:
    with pytest.raises(DslError) as caught:
        Federation([guest, host]).run("Intersection", params, {guest: table(COMMON), host: table(COMMON)})
    assert [(problem.pointer, problem.kind) for problem in caught.value.problems] == [(pointer, kind)]


def test_parameters_of_real_jobs_are_accepted() -> None:
    IntersectionParams.model_validate(
        {
            "intersect_method": "rsa",
            "sync_intersect_ids": True,
            "only_output_key": False,
            "rsa_params": {"hash_method": "sha256", "final_hash_method": "sha256", "key_length": 1024},
            "ecdh_params": {"salt": "12345", "hash_method": "sha256", "curve": "curve25519"},
        }
    )


def test_nothing_in_common_is_said_at_every_party(guest: Party, host: Party, other_host: Party) -> None:
    tables = {guest: table(COMMON), host: table(COMMON[:20]), other_host: table(COMMON[20:])}
    outcomes = Federation([guest, host, other_host]).outcomes("Intersection", inputs=tables)
    for party, rows in ((guest, 40), (host, 20), (other_host, 20)):
        with pytest.raises(DataError, match=f"No id is common to all parties: none of the {rows} rows of {party}"):
            raise outcomes[party]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (["a", "b", "c", "b", "a"], "2 duplicate ids: rows 2 and 4"),
        (["x"] * 3, "2 duplicate ids: rows 1 and 2"),
    ],
)
def test_duplicate_ids_are_refused_by_row(ids: list[str], text: str, guest: Party, host: Party) -> None:
    tables = {guest: table(["a", "b"]), host: make_table(ids, {"x": np.zeros(len(ids))})}
    outcomes = Federation([guest, host]).outcomes("Intersection", inputs=tables)
    with pytest.raises(DataError, match=text):
        raise outcomes[host]
    with pytest.raises(AttemptFailed, match="host-10000 failed"):
        raise outcomes[guest]


def test_an_empty_table_has_nothing_in_common(guest: Party, host: Party) -> None:
    with pytest.raises(DataError, match="No id is common"):
        Federation([guest, host]).run("Intersection", inputs={guest: table(COMMON), host: table([])})


# What crosses between the parties


@pytest.fixture
def traffic(guest: Party, host: Party, other_host: Party, messages: list[Message]) -> list[Message]:
    tables = {
        guest: table(COMMON + GUEST_ONLY, label=True),
        host: table(COMMON + HOST_ONLY, seed=1),
        other_host: table(COMMON[5:], seed=2),
    }
    Federation([guest, host, other_host], record=messages.append).run("Intersection", inputs=tables)
    return messages


def test_no_id_and_no_hash_of_an_id_is_sent(traffic: list[Message]) -> None:
    sent = b"".join(message.structure + message.body for message in traffic)
    hashes = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "blake2b", "blake2s")
    for text in COMMON + GUEST_ONLY + HOST_ONLY:
        name = text.encode()
        digests = [hashlib.new(method, name).digest() for method in hashes]
        for form in (name, base64.b64encode(name), *digests):
            assert form not in sent
            assert form.hex().encode() not in sent


def test_nothing_is_sent_that_can_be_computed_from_an_id(traffic: list[Message]) -> None:
    """Neither H(id) in the group, nor what a party could compute of it with a scalar of its own choice."""
    sent = b"".join(message.body for message in traffic)
    everyone = COMMON + GUEST_ONLY + HOST_ONLY
    unhashed = GroupElements(GROUP.blind([text.encode() for text in everyone], ONE))
    for elements in (blind_ids(everyone, ONE), unhashed, blind_ids(everyone, random_scalar())):
        for at in range(0, len(elements.data), 32):
            assert elements.data[at : at + 32] not in sent


def test_the_same_ids_look_different_in_every_run(guest: Party, host: Party) -> None:
    sent: list[Message] = []
    federation = Federation([guest, host], record=sent.append)
    for _ in range(2):
        federation.run("Intersection", inputs={guest: table(COMMON), host: table(COMMON)})
    lists = [
        [message.body[at : at + 32] for at in range(0, len(message.body), 32)]
        for message in sent
        if message.tag == "blinded_ids.0"
    ]
    assert len(lists) == 4
    everything = [element for elements in lists for element in elements]
    assert len(set(everything)) == len(everything)


def test_ids_are_sent_in_an_order_of_their_own(guest: Party, host: Party) -> None:
    """Hosts that return what they were sent show the guest's order: with the rows' order it would be the same twice."""
    seen = []
    for _ in range(2):
        ctx = MemoryHub([guest, host]).transport(guest)
        peers = Peer(host, ctx, Traffic())
        seen.append(
            Blinding(GROUP, ONE, lambda some: hashed_ids(some, "sha256", "")).send_blinded(peers, pa.array(COMMON))
        )
    assert sorted(seen[0].tolist()) == list(range(40))
    assert seen[0].tolist() != seen[1].tolist()
    assert seen[0].tolist() != list(range(40))


def test_a_host_receives_blinded_ids_and_the_places_of_its_common_rows_only(
    traffic: list[Message], host: Party, other_host: Party
) -> None:
    for receiver, rows in ((host, len(COMMON + HOST_ONLY)), (other_host, len(COMMON[5:]))):
        received = {message.tag: message for message in traffic if message.receiver == receiver}
        assert set(received) == {"opening", "blinded_ids.0", "common_positions"}
        opening = payload(received["opening"])
        assert isinstance(opening, dict)
        assert set(opening) == {"count", "settings", "shares_rows", "cache_key"}
        assert received["blinded_ids.0"].kind is Kind.GROUP_ELEMENTS
        positions = payload(received["common_positions"])
        assert isinstance(positions, np.ndarray)
        assert (np.diff(positions) > 0).all()
        assert positions.size == len(COMMON[5:])
        assert positions.max() < rows


# A peer that does not follow the protocol


def run_against(
    peer: Callable[[MemoryTransport], None], party: Party, other: Party, data: Table, rows: int = 2
) -> BaseException | None:
    """Run one party's part against a scripted other one that opens as agreed; what its part raised."""
    hub = MemoryHub([party, other], deadline_seconds=20)
    ctx = TaskContext(
        party=party, participants=(party, other), job_id="1", component="intersection_0", attempt=1,
        transport=hub.transport(party), tracker=MemoryTracker(),
    )  # fmt: skip
    raised: list[BaseException] = []

    def work() -> None:
        try:
            Intersection(IntersectionParams()).run(ctx, Inputs(data={"data": [data]}))
        except MessageRejected as error:
            raised.append(error)
        finally:
            hub.leave(party)

    def opening(transport: MemoryTransport, rows: int) -> None:
        settings = settings_digests(IntersectionParams())
        transport.push(party, "opening", Opening(rows, settings, False).to_wire())

    thread = threading.Thread(target=work)
    thread.start()
    opening(hub.transport(other), rows)
    peer(hub.transport(other))
    hub.leave(other)
    thread.join(timeout=30)
    assert not thread.is_alive()
    return raised[0] if raised else None


@pytest.mark.parametrize(
    "answer",
    [
        blind_ids(["a"], ONE),
        GroupElements(bytes(64), "modp2048"),
        GroupElements(bytes(64), width_bytes=16),
        np.zeros((2, 32), np.uint8),
        ["a", "b"],
    ],
    ids=["too few", "another group", "another width", "another type", "ids"],
)
def test_a_guest_refuses_what_is_no_list_of_elements(answer: object, guest: Party, host: Party) -> None:
    def peer(transport: MemoryTransport) -> None:
        transport.push(guest, "blinded_ids.0", blind_ids(["b", "c"], ONE))
        transport.push(guest, "twice_blinded_ids.0", answer)

    error = run_against(peer, guest, host, table(["a", "b"]))
    assert "something other than 2 elements of ristretto255" in str(error)


@pytest.mark.parametrize("elements", [bytes(64), b"\xff" * 64], ids=["identity", "no elements"])
def test_a_party_raises_no_numbers_that_are_no_elements(elements: bytes, guest: Party, host: Party) -> None:
    def peer(transport: MemoryTransport) -> None:
        transport.push(guest, "blinded_ids.0", GroupElements(elements))

    assert "no element" in str(run_against(peer, guest, host, table(["a", "b"])))


@pytest.mark.parametrize(
    "positions",
    [[0, 2], [-1, 0], [1, 0], [0, 0], [0.0, 1.0], [[0]]],
    ids=["beyond", "negative", "falling", "twice", "no integers", "a matrix"],
)
def test_a_host_refuses_positions_that_are_not_of_its_rows(positions: list[float], guest: Party, host: Party) -> None:
    def peer(transport: MemoryTransport) -> None:
        transport.push(host, "blinded_ids.0", blind_ids(["a", "b"], random_scalar()))
        transport.push(host, "common_positions", np.array(positions))

    assert isinstance(run_against(peer, host, guest, table(["a", "b"])), MessageRejected)


# A peer that follows the protocol, and then tries a list of candidates with its own scalar


def pieces(elements: GroupElements) -> set[bytes]:
    return {elements.data[at : at + 32] for at in range(0, len(elements.data), 32)}


def test_a_host_cannot_find_the_guests_unmatched_ids_among_candidates(guest: Party, host: Party) -> None:
    scalar = random_scalar()
    seen: list[GroupElements] = []

    def peer(transport: MemoryTransport) -> None:
        transport.push(guest, "blinded_ids.0", blind_ids(COMMON, scalar))
        seen.append(transport.pull(guest, "blinded_ids.0"))
        seen.append(multiply(seen[0], scalar))
        transport.push(guest, "twice_blinded_ids.0", seen[1])
        assert len(transport.pull(guest, "common_positions")) == len(COMMON)

    assert run_against(peer, guest, host, table(COMMON + GUEST_ONLY), len(COMMON)) is None
    candidates = COMMON + GUEST_ONLY
    guesses = pieces(blind_ids(candidates, scalar)) | pieces(blind_ids(candidates, ONE))
    assert not guesses & (pieces(seen[0]) | pieces(seen[1]))


def test_a_guest_cannot_test_a_host_for_ids_that_it_did_not_submit(guest: Party, host: Party) -> None:
    scalar = random_scalar()
    seen: list[GroupElements] = []

    def peer(transport: MemoryTransport) -> None:
        transport.push(host, "blinded_ids.0", blind_ids(COMMON, scalar))
        seen.append(transport.pull(host, "blinded_ids.0"))
        seen.append(multiply(seen[0], scalar))
        seen.append(transport.pull(host, "twice_blinded_ids.0"))
        transport.push(host, "common_positions", np.arange(1))

    assert run_against(peer, host, guest, table(COMMON + HOST_ONLY), len(COMMON)) is None
    assert len(pieces(seen[1]) & pieces(seen[2])) == len(COMMON)
    guesses = pieces(blind_ids(HOST_ONLY, scalar)) | pieces(blind_ids(HOST_ONLY, ONE))
    assert not guesses & (pieces(seen[0]) | pieces(seen[1]) | pieces(seen[2]))
