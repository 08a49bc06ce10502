"""Every method and mode of Intersection: the same rows, and what each lets a party see."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fate_components.cache_loader.spec import CACHE_LOADER
from fate_federated.errors import (
    AttemptFailed,
    ConfigError,
    DataError,
    DslError,
    FateFederatedError,
    MessageRejected,
)
from fate_federated.federation import Federation, MemoryCaches, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.run import build_params
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Ids, Kind, decode

COMMON = [f"common-person-{number}" for number in range(20)]
GUEST_IDS = COMMON + [f"guest-person-{number}" for number in range(10)]
HOST_IDS = [f"host-person-{number}" for number in range(15)] + COMMON
EVERYONE = set(GUEST_IDS + HOST_IDS)

SMALL_RSA = {"key_length": 1024}
METHODS: list[dict[str, Any]] = [
    {"intersect_method": "ecdh", "ecdh_params": {"salt": "12345", "hash_method": "sm3"}},
    {"intersect_method": "dh", "dh_params": {"salt": "12345", "key_length": 1024}},
    {"intersect_method": "rsa", "rsa_params": SMALL_RSA | {"final_hash_method": "md5", "random_base_fraction": 0.5}},
    {"intersect_method": "rsa", "rsa_params": SMALL_RSA | {"split_calculation": True}},
]
SECRET = pytest.mark.parametrize("params", METHODS, ids=["ecdh", "dh", "rsa", "rsa, split"])
RAW: list[dict[str, Any]] = [
    {"intersect_method": "raw"},
    {"intersect_method": "raw", "raw_params": {"join_role": "host"}},
    {"intersect_method": "raw", "with_encode": True, "encode_params": {"encode_method": "sha1", "base64": True}},
    {"intersect_method": "raw", "join_role": "host", "raw_params": {"use_hash": True, "hash_method": "md5"}},
]


def table(ids: Sequence[str], **columns: Any) -> Table:
    return make_table(ids, {"x": np.arange(len(ids), dtype=float), **columns})


def run(parties: Sequence[Party], params: dict[str, Any], record: Any = None) -> dict[Party, PartyResult]:
    tables = {party: table(HOST_IDS if party.role == "host" else GUEST_IDS) for party in parties}
    return Federation(parties, record=record).run("Intersection", params, tables)


def received(messages: list[Message], party: Party) -> list[Message]:
    return [message for message in messages if message.receiver == party]


def tags(messages: list[Message], party: Party) -> set[str]:
    return {message.tag.removesuffix(".0") for message in received(messages, party)}


# The rows


@pytest.mark.parametrize("params", METHODS + RAW)
def test_every_method_keeps_the_common_rows(
    params: dict[str, Any], guest: Party, host: Party, other_host: Party
) -> None:
    results = run([guest, host, other_host], params)
    assert set(results[guest].data.ids.to_pylist()) == set(COMMON)
    for party in (host, other_host):
        assert results[party].data.ids.equals(results[guest].data.ids)
        rows = [HOST_IDS.index(text) for text in results[party].data.ids.to_pylist()]
        np.testing.assert_array_equal(results[party].data.features[:, 0], rows)


@SECRET
def test_no_common_id_is_said_at_every_party(params: dict[str, Any], guest: Party, host: Party) -> None:
    tables = {guest: table(["a", "b"]), host: table(["c"])}
    outcomes = Federation([guest, host]).outcomes("Intersection", params, tables)
    for outcome in outcomes.values():
        assert isinstance(outcome, DataError)
        assert "No id is common" in str(outcome)


@pytest.mark.parametrize(
    ("different", "named"),
    [
        ({"ecdh_params": {"salt": "secret of two"}}, "ecdh_params"),
        ({"intersect_method": "rsa"}, "intersect_method"),
        ({"sync_intersect_ids": False, "cardinality_only": True}, "cardinality_only, sync_intersect_ids"),
    ],
)
def test_other_parameters_at_one_party_are_named_at_all(
    different: dict[str, Any], named: str, guest: Party, host: Party, messages: list[Message]
) -> None:
    outcomes = Federation([guest, host], record=messages.append).outcomes(
        "Intersection", inputs={guest: table(["a"]), host: table(["a"])}, party_params={host: different}
    )
    assert isinstance(next(iter(outcomes.values())), ConfigError)
    for outcome in outcomes.values():
        assert f"other values of {named} for Intersection. Give all parties the same." in str(outcome)
    assert all(b"secret of two" not in message.structure + message.body for message in messages)


def test_weak_keys_and_raw_ids_are_warned_of(guest: Party, host: Party, caplog: pytest.LogCaptureFixture) -> None:
    run([guest, host], METHODS[2])
    assert "key_length of 1024 bits can be broken" in caplog.text
    run([guest, host], RAW[0])
    assert "sends every id of one party to another" in caplog.text


# What crosses


@SECRET
def test_no_id_and_no_hash_of_one_is_sent(
    params: dict[str, Any], guest: Party, host: Party, messages: list[Message]
) -> None:
    run([guest, host], params, messages.append)
    sent = b"".join(message.structure + message.body for message in messages)
    for text in EVERYONE:
        for name in (text.encode(), (text + "12345").encode()):
            digests = [hashlib.new(method, name).digest() for method in ("md5", "sha1", "sha256", "sha512", "sm3")]
            for form in (name, base64.b64encode(name), *digests):
                assert form not in sent
                assert form.hex().encode() not in sent
    assert not [message for message in messages if message.kind is Kind.IDS]


def test_a_guest_of_rsa_receives_signatures_and_a_host_uniform_numbers(
    guest: Party, host: Party, messages: list[Message]
) -> None:
    for _ in range(2):
        run([guest, host], METHODS[2], messages.append)
    assert tags(messages, guest) == {"opening", "signing_key", "blind_signatures", "signed_ids"}
    assert tags(messages, host) == {"opening", "blinded_ids", "common_positions"}
    once, again = (message.body for message in received(messages, host) if message.tag == "blinded_ids.0")
    pieces = [body[at : at + 128] for body in (once, again) for at in range(0, len(body), 128)]
    assert len(set(pieces)) == 2 * len(GUEST_IDS)


def test_with_split_calculation_a_host_also_sees_its_matches_of_one_half(
    guest: Party, host: Party, messages: list[Message]
) -> None:
    run([guest, host], METHODS[3], messages.append)
    assert tags(messages, guest) == {
        "opening", "half_counts", "guest_blinded_ids", "host_signing_key", "host_signed_ids", "host_blind_signatures",
        "found_pairs",
    }  # fmt: skip
    assert tags(messages, host) == {
        "opening", "half_counts", "host_blinded_ids", "guest_signing_key", "guest_signed_ids", "guest_blind_signatures",
        "common_positions",
    }  # fmt: skip


@pytest.mark.parametrize(("params", "sender"), [(RAW[0], "host"), (RAW[1], "guest")])
def test_raw_sends_the_ids_of_who_does_not_join(
    params: dict[str, Any], sender: str, guest: Party, host: Party, messages: list[Message]
) -> None:
    run([guest, host], params, messages.append)
    (message,) = [message for message in messages if message.kind is Kind.IDS]
    assert message.sender.role == sender
    ids = decode(message.structure, message.body)
    assert isinstance(ids, Ids)
    assert set(ids.values.to_pylist()) == set(HOST_IDS if sender == "host" else GUEST_IDS)


def test_raw_with_a_hash_sends_no_id_in_clear(guest: Party, host: Party, messages: list[Message]) -> None:
    run([guest, host], RAW[3], messages.append)
    sent = b"".join(message.body for message in messages)
    assert not [text for text in EVERYONE if text.encode() in sent]
    assert hashlib.md5(GUEST_IDS[0].encode()).hexdigest().encode() in sent


# A count alone


@pytest.mark.parametrize("method", ["ecdh", "dh"])
@pytest.mark.parametrize("sync", [False, True])
def test_a_count_names_no_row(method: str, sync: bool, guest: Party, host: Party, messages: list[Message]) -> None:
    params = {"cardinality_only": True, "cardinality_method": method, "sync_cardinality": sync}
    results = run([guest, host], params | {"dh_params": {"key_length": 1024}}, messages.append)
    assert results[guest].summary["intersect_num"] == 20
    assert results[guest].outputs.data == results[host].outputs.data == ()
    assert results[host].summary.get("intersect_num") == (20 if sync else None)
    assert tags(messages, host) == {"opening", "blinded_ids"} | ({"cardinality"} if sync else set())
    # What comes back is in another order than what was sent: with a scalar that is known it would match place by place.
    (sent,) = [message for message in received(messages, host) if message.tag == "blinded_ids.0"]
    (back,) = [message for message in received(messages, guest) if message.tag == "twice_blinded_ids.0"]
    assert len(sent.body) == len(back.body)


def test_a_count_comes_back_in_an_order_of_its_own(guest: Party, host: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the scalar 1 at both parties the order of what comes back can be seen."""
    monkeypatch.setattr(
        "fate_components.crypto.ristretto.Ristretto255.random_scalar", lambda self: (1).to_bytes(32, "little")
    )
    messages: list[Message] = []
    run([guest, host], {"cardinality_only": True}, messages.append)
    sent, back = (
        [message.body[at : at + 32] for at in range(0, len(message.body), 32)]
        for tag in ("blinded_ids.0", "twice_blinded_ids.0")
        for message in messages
        if message.tag == tag and (message.receiver == host) == (tag == "blinded_ids.0")
    )
    assert sorted(sent) == sorted(back)
    assert sent != back


def test_a_count_is_for_one_host(guest: Party, host: Party, other_host: Party) -> None:
    with pytest.raises(DataError, match="single host"):
        run([guest, host, other_host], {"cardinality_only": True})


# Filters


@pytest.mark.parametrize("owner", ["guest", "host"])
def test_a_filter_takes_out_most_of_what_is_not_common(
    owner: str, guest: Party, host: Party, other_host: Party, messages: list[Message]
) -> None:
    params = {
        "run_preprocess": True, "rsa_params": SMALL_RSA,
        "intersect_preprocess_params": {"filter_owner": owner, "false_positive_rate": 0.01, "random_state": 5},
    }  # fmt: skip
    results = run([guest, host, other_host], params, messages.append)
    assert set(results[guest].data.ids.to_pylist()) == set(COMMON)
    assert results[other_host].data.ids.equals(results[guest].data.ids)
    filtered = host if owner == "guest" else guest
    (blinded,) = [
        message for message in messages
        if message.tag == "blinded_ids.0" and message.sender == filtered and message.receiver in (guest, host)
    ]  # fmt: skip
    assert 20 <= len(blinded.body) // 32 <= 23
    assert not [text for text in EVERYONE if text.encode() in b"".join(message.body for message in messages)]


# The rows of the result


def match_table(ids: Sequence[str], match_ids: Sequence[str]) -> Table:
    made = table(ids)
    return Table(made.data.append_column("mid", pa.array(match_ids)), "id", None, "mid")


def test_new_ids_stand_for_the_same_rows_everywhere(guest: Party, host: Party, other_host: Party) -> None:
    for generator in ("guest", "host"):
        params = {"new_sample_id": True, "sample_id_generator": generator}
        results = run([guest, host, other_host], params)
        first, *others = [results[party].data for party in (guest, host, other_host)]
        assert not EVERYONE & set(first.ids.to_pylist())
        for other in others:
            assert other.ids.equals(first.ids)
            assert other.match_ids.equals(first.match_ids)
            assert set(other.match_ids.to_pylist()) == set(COMMON)


@pytest.mark.parametrize("generator", ["guest", "host"])
def test_a_left_join_keeps_one_partys_rows_and_tells_none_of_its_ids(
    generator: str, guest: Party, host: Party, messages: list[Message]
) -> None:
    params = {"join_method": "left_join", "new_sample_id": True, "sample_id_generator": generator}
    results = run([guest, host], params, messages.append)
    whole, other = (guest, host) if generator == "guest" else (host, guest)
    kept, joined = results[whole].data, results[other].data
    assert kept.ids.equals(joined.ids)
    assert set(kept.match_ids.to_pylist()) == set(GUEST_IDS if whole == guest else HOST_IDS)
    there = [text in set(COMMON) for text in kept.match_ids.to_pylist()]
    assert joined.match_ids.to_pylist() == [
        text if common else None for text, common in zip(kept.match_ids.to_pylist(), there, strict=True)
    ]
    assert np.isnan(joined.features[:, 0]).tolist() == [not common for common in there]
    sent = b"".join(message.structure + message.body for message in messages)
    assert not [text for text in EVERYONE if text.encode() in sent]


def test_a_left_join_with_several_hosts_has_each_hosts_own_rows(guest: Party, host: Party, other_host: Party) -> None:
    tables = {guest: table(["a", "b", "c"]), host: table(["a", "b"]), other_host: table(["b", "c"])}
    params = {"join_method": "left_join", "new_sample_id": True}
    results = Federation([guest, host, other_host]).run("Intersection", params, tables)
    mine = results[guest].data.match_ids.to_pylist()
    assert results[host].data.match_ids.to_pylist() == [text if text in "ab" else None for text in mine]
    assert results[other_host].data.match_ids.to_pylist() == [text if text in "bc" else None for text in mine]
    assert {result.summary["intersect_num"] for result in results.values()} == {1}


def test_a_cache_is_named_in_one_way() -> None:
    with pytest.raises(DslError, match="leave out job_id"):
        build_params(CACHE_LOADER, {"cache_key": "j.c.n", "job_id": "other"}, "/loader")


def test_with_sample_id_without_effect_is_warned_of(
    guest: Party, host: Party, caplog: pytest.LogCaptureFixture
) -> None:
    tables = {guest: table(["a", "b"]), host: table(["a", "c"])}
    Federation([guest, host]).run("Intersection", {"with_sample_id": True}, tables)
    assert "with_sample_id has no effect" in caplog.text


def test_match_ids_are_matched_and_sample_ids_name_the_rows(guest: Party, host: Party) -> None:
    tables = {
        guest: match_table(["s1", "s2", "s3", "s4"], ["ann", "bob", "ann", "cyd"]),
        host: match_table(["t1", "t2", "t3"], ["bob", "ann", "dan"]),
    }
    results = Federation([guest, host]).run("Intersection", inputs=tables)
    mine, theirs = results[guest].data, results[host].data
    assert mine.ids.equals(theirs.ids)
    assert mine.match_ids.equals(theirs.match_ids)
    assert dict(zip(mine.ids.to_pylist(), mine.match_ids.to_pylist(), strict=True)) == {
        "s1": "ann", "s2": "bob", "s3": "ann"
    }  # fmt: skip
    assert dict(zip(theirs.ids.to_pylist(), theirs.features[:, 0], strict=True)) == {"s1": 1, "s2": 0, "s3": 1}


@pytest.mark.parametrize("owner", ["guest", "host"])
def test_one_party_may_repeat_ids_where_the_conf_says_so(owner: str, guest: Party, host: Party) -> None:
    repeated, single = table(["a", "b", "a"]), table(["b", "a", "c"])
    tables = {guest: repeated, host: single} if owner == "guest" else {guest: single, host: repeated}
    params = {"repeated_id_process": True, "repeated_id_owner": owner}
    results = Federation([guest, host]).run("Intersection", params, tables)
    assert sorted(results[guest].data.ids.to_pylist()) == ["a#1", "a#2", "b#1"]
    assert results[guest].data.ids.equals(results[host].data.ids)


def test_ids_that_repeat_at_both_parties_are_refused(guest: Party, host: Party) -> None:
    tables = {guest: match_table(["s1", "s2"], ["a", "a"]), host: match_table(["t1", "t2"], ["a", "a"])}
    outcomes = Federation([guest, host]).outcomes("Intersection", inputs=tables)
    with pytest.raises(DataError, match="1 common ids stand in several rows here"):
        raise outcomes[host]  # type: ignore[misc]


# Caches


@pytest.mark.parametrize("params", METHODS[:3], ids=["ecdh", "dh", "rsa"])
def test_a_cache_finds_the_same_rows_without_the_hosts_ids(
    params: dict[str, Any], guest: Party, host: Party, other_host: Party, messages: list[Message]
) -> None:
    parties = [guest, host, other_host]
    made = run(parties, params | {"run_cache": True}, messages.append)
    assert all(result.outputs.data == () for result in made.values())
    assert not {message.tag for message in received(messages, host)} - {"opening", "cache_key"}
    messages.clear()
    inputs = {
        party: Inputs(
            data={"data": [table(GUEST_IDS if party == guest else [*HOST_IDS, "newcomer"])]},
            cache={"cache_loader_0": made[party].outputs.cache},  # type: ignore[dict-item]
        )
        for party in parties
    }
    results = Federation(parties, record=messages.append).run("Intersection", params, inputs)
    assert set(results[guest].data.ids.to_pylist()) == set(COMMON)
    assert results[other_host].data.ids.equals(results[guest].data.ids)
    assert not tags(messages, guest) & {"blinded_ids", "signed_ids", "signing_key"}


def test_a_cache_that_does_not_fit_is_refused_everywhere(guest: Party, host: Party) -> None:
    once, again = (run([guest, host], {"run_cache": True}) for _ in range(2))
    tables = {guest: table(GUEST_IDS), host: table(HOST_IDS)}

    def outcomes(params: dict[str, Any], host_table: Table, **caches: Any) -> list[Any]:
        inputs = {
            guest: Inputs(data={"data": [tables[guest]]}, cache=caches["guest"]),
            host: Inputs(data={"data": [host_table]}, cache=caches["host"]),
        }
        return list(Federation([guest, host]).outcomes("Intersection", params, inputs).values())

    mine, theirs = {"c": once[guest].outputs.cache}, {"c": once[host].outputs.cache}
    cases = [
        (outcomes({}, tables[host], guest=mine, host={"c": again[host].outputs.cache}), "another cache"),
        (outcomes({}, tables[host], guest=mine, host={}), "another cache"),
        (outcomes({"intersect_method": "rsa"}, tables[host], guest=mine, host=theirs), "is of the method ecdh"),
        (outcomes({}, tables[host], guest=theirs, host=mine), "is of the method ecdh and a"),
        (outcomes({}, table(COMMON), guest=mine, host=theirs), "15 ids of the cache are not in this party's table"),
    ]
    for found, text in cases:
        assert all(isinstance(outcome, FateFederatedError) for outcome in found), text
        assert text in str(found[0])
        assert isinstance(found[-1], AttemptFailed | DataError | MessageRejected)


def test_a_cache_loader_hands_on_what_another_job_kept(guest: Party, host: Party) -> None:
    made = run([guest, host], {"run_cache": True})
    inputs = {
        party: Inputs(caches=MemoryCaches({("2020", "intersect_0", "cache"): made[party].outputs.cache}))  # type: ignore[dict-item]
        for party in (guest, host)
    }
    for params in (
        {"job_id": 2020, "component_name": "intersect_0", "cache_name": "cache"},
        {"cache_key": "2020.intersect_0.cache"},
    ):
        loaded = Federation([guest, host]).run("CacheLoader", params, inputs)
        assert all(loaded[party].outputs.cache is made[party].outputs.cache for party in (guest, host))
    missing = {"job_id": "2021", "component_name": "intersect_0", "cache_name": "cache"}
    with pytest.raises(DataError, match="has no cache 'cache' of intersect_0 in job 2021"):
        Federation([guest, host]).run("CacheLoader", missing, inputs)
    with pytest.raises(DataError, match="names no cache"):
        Federation([guest, host]).run("CacheLoader", {"job_id": "", "component_name": "x", "cache_name": "y"}, inputs)
