"""Sums of which the arbiter sees nothing but the sum, also when clients are silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest
from tests.homo.aggregating import ARBITER, GUEST, hosts, run

from fate_components.secure_aggregation import shamir
from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.secure_aggregation.messages import MASKED, OPENED, SURVIVORS, Masked, Total, survivors_from_wire
from fate_components.secure_aggregation.parties import threshold_of
from fate_components.secure_aggregation.words import from_words, largest, to_words
from fate_federated.errors import ConfigError, CryptoError, FateFederatedError, MessageRejected, TransportError
from fate_federated.party import Party
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import decode

Part = Callable[[Client], Any]


def contributes(values: Any, weight: Any = 1.0) -> Part:
    return lambda client: client.total(values, weight)


def serves(aggregator: Aggregator) -> Total:
    return aggregator.serve()


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e9, 1e9)), st.integers(2, 7))
def test_words_of_numbers_add_up_to_the_words_of_their_sum(numbers: Any, clients: int) -> None:
    words = to_words(numbers, clients)
    total = from_words((words * np.uint64(clients)), clients)
    np.testing.assert_allclose(total, clients * numbers, rtol=1e-15, atol=clients * 2.0**-57)


@given(st.floats(), st.integers(2, 100))
def test_what_could_wrap_around_is_refused(number: float, clients: int) -> None:
    if abs(number) < largest(clients):
        words = to_words(np.full(clients, number), clients)
        np.testing.assert_allclose(
            from_words(words.sum(axis=1, keepdims=True, dtype=np.uint64), clients), clients * number,
            rtol=1e-14, atol=1e-15,
        )  # fmt: skip
    else:
        with pytest.raises(CryptoError, match="cannot be added up"):
            to_words(np.array([number]), clients)


def recovered(shares: dict[int, int]) -> int:
    """The secret, by who holds which share."""
    return shamir.weighed(shares, shamir.weights(list(shares)))


@given(st.integers(0, shamir.PRIME - 1), st.integers(2, 8), st.data())
def test_enough_shares_tell_the_secret_and_fewer_do_not(secret: int, holders: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(2, holders))
    shares = shamir.share(secret, holders, threshold)
    some = data.draw(st.permutations(range(holders)))
    assert recovered({holder: shares[holder] for holder in some[:threshold]}) == secret
    # With one share less every secret is as likely: the chance of the right one is 2^-255.
    assert recovered({holder: shares[holder] for holder in some[: threshold - 1]}) != secret


def test_every_party_gets_the_sum_and_the_mean() -> None:
    parties = [GUEST, *hosts(3)]
    values = {party: np.arange(6.0).reshape(2, 3) * (place - 1.5) for place, party in enumerate(parties)}
    weights = {party: np.array([0.1, 0.2, 0.0]) * place for place, party in enumerate(parties)}
    parts: dict[Party, Part] = {party: contributes(values[party], weights[party]) for party in parties}
    outcomes = run(parts, serves)
    total, weight = sum(values[party] * weights[party] for party in parties), sum(weights.values())
    for party in (*parties, ARBITER):
        np.testing.assert_allclose(outcomes[party].values, total, rtol=0, atol=1e-15)
        np.testing.assert_allclose(outcomes[party].weight, weight, rtol=0, atol=1e-15)
        np.testing.assert_allclose(
            outcomes[party].mean[:, :2], np.asarray(total)[:, :2] / np.asarray(weight)[:2], rtol=1e-14
        )
        assert not outcomes[party].mean[:, 2].any()


def test_a_client_that_never_sends_is_left_out() -> None:
    silent, *others = [GUEST, *hosts(3)]
    parts: dict[Party, Part] = {party: contributes(np.full(3, 2.0)) for party in others}
    outcomes = run({silent: lambda client: client.place, **parts}, serves)
    for party in (*others, ARBITER):
        np.testing.assert_array_equal(outcomes[party].values, np.full(3, 6.0))
        assert outcomes[party].counted == (1, 2, 3)


def test_a_client_that_falls_silent_after_it_has_sent_is_counted() -> None:
    silent, *others = [GUEST, *hosts(3)]
    parts: dict[Party, Part] = {party: contributes(np.full(3, 2.0)) for party in others}
    outcomes = run({silent: lambda client: client.send(np.full(3, 5.0)), **parts}, serves)
    for party in (*others, ARBITER):
        np.testing.assert_array_equal(outcomes[party].values, np.full(3, 11.0))


def test_one_can_be_silent_before_and_another_after_it_has_sent() -> None:
    first, second, *others = [GUEST, *hosts(4)]
    parts: dict[Party, Part] = {party: contributes(np.full(3, 2.0)) for party in others}
    silent: dict[Party, Part] = {first: lambda client: client.place, second: lambda client: client.send(np.ones(3))}
    outcomes = run({**silent, **parts}, serves)
    np.testing.assert_array_equal(outcomes[ARBITER].values, np.full(3, 7.0))


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 6), st.data())
def test_whoever_is_silent_the_others_are_added_up_if_they_are_enough(count: int, data: st.DataObject) -> None:
    parties = [GUEST, *hosts(count - 1)]
    silence = data.draw(st.lists(st.sampled_from(["never", "before", "after"]), min_size=count, max_size=count))
    parts: dict[str, Callable[[float], Part]] = {
        "never": lambda value: contributes([value]),
        "before": lambda value: lambda client: client.place,
        "after": lambda value: lambda client: client.send([value]),
    }
    clients = {
        party: parts[when](float(place + 1)) for place, (party, when) in enumerate(zip(parties, silence, strict=True))
    }
    total = run(clients, serves)[ARBITER]
    sent = [place for place, when in enumerate(silence) if when != "before"]
    if silence.count("never") >= threshold_of(count):
        assert total.counted == tuple(sent)
        assert total.values.tolist() == [sum(place + 1.0 for place in sent)]
    else:
        assert isinstance(total, TransportError)


def test_a_slow_client_is_told_the_outcome_and_counted_again() -> None:
    slow, *others = [GUEST, *hosts(2)]
    rounds, served = 30, threading.Event()

    def slowly(client: Client) -> list[Total]:
        assert served.wait(10)
        return [client.total([1.0]) for _ in range(rounds)]

    def quickly(client: Client) -> list[Total]:
        return [client.total([10.0]) for _ in range(rounds)]

    def arbiter(aggregator: Aggregator) -> list[Total]:
        first = aggregator.serve()
        served.set()
        return [first, *(aggregator.serve() for _ in range(rounds - 1))]

    outcomes = run(
        {slow: slowly, **dict.fromkeys(others, quickly)}, arbiter, rounds=rounds, grace_seconds=0.2
    )  # fmt: skip
    for party in (slow, *others, ARBITER):
        totals = outcomes[party]
        assert (totals[0].values.tolist(), totals[0].counted) == ([20.0], (1, 2))
        # Who is back is waited for again.
        assert (totals[-1].values.tolist(), totals[-1].counted) == ([21.0], (0, 1, 2))


def test_fewer_than_the_threshold_are_not_added_up() -> None:
    silent, *others = [GUEST, *hosts(1)]
    parts: dict[Party, Part] = {party: contributes(np.full(3, 2.0)) for party in others}
    outcomes = run({silent: lambda client: client.place, **parts}, serves)
    assert isinstance(outcomes[ARBITER], TransportError)
    assert "guest-1 did not send" in str(outcomes[ARBITER])
    assert isinstance(outcomes[others[0]], FateFederatedError)


@pytest.mark.parametrize(("clients", "threshold"), [(2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_a_threshold_is_more_than_half(clients: int, threshold: int) -> None:
    assert threshold_of(clients) == threshold


@pytest.mark.parametrize("told", [[0], [1, 0, 2], [0, 1, 1], [0, 1, 3], [-1, 0, 1], [0.0, 1.0], "01", None])
def test_a_client_opens_nothing_for_an_impossible_set_of_others(told: Any) -> None:
    with pytest.raises(MessageRejected):
        survivors_from_wire(told, 3, 2)


def test_an_arbiter_cannot_have_one_client_alone_opened() -> None:
    parties = [GUEST, *hosts(2)]

    def lies(aggregator: Aggregator) -> None:
        for peer in aggregator.clients:
            peer.push(f"aggregation_{SURVIVORS}", [0], 0)

    messages: list[Message] = []
    outcomes = run(dict.fromkeys(parties, contributes([1.0])), lies, record=messages.append)
    assert any(isinstance(outcomes[party], MessageRejected) for party in parties)
    assert not any(OPENED in message.tag for message in messages)


def test_what_the_arbiter_receives_of_a_client_is_uniform_and_another_each_time() -> None:
    parties, rounds = [GUEST, *hosts(2)], 4
    messages: list[Message] = []

    def repeats(client: Client) -> None:
        for _ in range(rounds):
            client.total(np.zeros(2000))

    run(
        dict.fromkeys(parties, repeats), lambda aggregator: [aggregator.serve() for _ in range(rounds)],
        rounds=rounds, record=messages.append,
    )  # fmt: skip
    sent = [
        Masked.from_wire(decode(message.structure, message.body)).words
        for message in messages
        if message.receiver == ARBITER and MASKED in message.tag
    ]
    assert len(sent) == len(parties) * rounds
    words = np.concatenate([some.ravel() for some in sent])
    assert len(np.unique(words)) == len(words)
    for some in sent:
        assert kstest(some.ravel() / 2.0**64, "uniform").pvalue > 1e-6
        for low in (words & np.uint64(0xFF), words >> np.uint64(56)):
            counts = np.bincount(low.astype(np.int64), minlength=256)
            assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 256 + 8 * np.sqrt(2 * 256)


def test_shares_and_keys_pass_by_the_arbiter() -> None:
    parties = [GUEST, *hosts(2)]
    messages: list[Message] = []
    run(dict.fromkeys(parties, contributes([1.0])), serves, record=messages.append)
    to_arbiter = {message.tag for message in messages if message.receiver == ARBITER}
    assert to_arbiter == {"aggregation_keys", "aggregation_masked.0", "aggregation_opened.0"}


def test_of_no_client_both_secrets_are_opened() -> None:
    silent, *others = [GUEST, *hosts(3)]
    held: dict[Party, Client] = {}
    messages: list[Message] = []

    def keeping(party: Party) -> Part:
        def part(client: Client) -> Total:
            held[party] = client
            return client.total([1.0])

        return part

    parts = {party: keeping(party) for party in others}
    run({silent: lambda client: client.place, **parts}, serves, record=messages.append)
    for message in messages:
        if OPENED in message.tag:
            opened, holder = decode(message.structure, message.body), held[message.sender]
            for place, shares in enumerate(holder.shares):
                key, seed = shares[0, 0].tobytes(), shares[0, 1].tobytes()
                assert key != seed
                assert opened[place].tobytes() == (key if place == 0 else seed)


def test_clients_whose_numbers_have_other_shapes_are_told() -> None:
    guest, host = GUEST, hosts(1)[0]
    outcomes = run({guest: contributes(np.ones(3)), host: contributes(np.ones(4))}, serves)
    assert "shape" in str(outcomes[ARBITER])


def test_a_client_alone_is_refused() -> None:
    outcomes = run({GUEST: contributes(np.ones(3))}, serves)
    assert isinstance(outcomes[GUEST], ConfigError)


def test_a_number_out_of_range_fails_at_every_party() -> None:
    guest, host = GUEST, hosts(1)[0]
    outcomes = run({guest: contributes(np.array([np.inf])), host: contributes(np.ones(1))}, serves)
    assert isinstance(outcomes[guest], CryptoError)
    assert isinstance(outcomes[ARBITER], FateFederatedError)
