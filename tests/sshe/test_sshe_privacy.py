"""What travels in a training on shares, as each party sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fate_components.sshe.ring import FRACTION_BITS, SCORE_BITS, shares_from_wire, signed
from fate_federated.errors import DataError
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Ciphertexts, Kind, decode
from linear.parties import GUEST, Case, case

from .conftest import HOST, Fit

MINI_BATCHES = {"batch_size": 20, "early_stop": "weight_diff", "max_iter": 3, "optimizer": "nesterov_momentum_sgd"}
CIPHERTEXTS = {("rows", Kind.CIPHERTEXT), ("weight", Kind.CIPHERTEXT), ("score", Kind.CIPHERTEXT),
               ("gradient", Kind.CIPHERTEXT)}  # fmt: skip
SHARES = {("start", Kind.TENSOR), ("weight_part", Kind.TENSOR), ("weights", Kind.TENSOR)}
CLEAR = {("public_key", Kind.PARAMETERS), ("columns", Kind.PARAMETERS)}


@pytest.fixture(scope="module")
def lr() -> Case:
    return case("HeteroLR", 40, 2, 3)


@pytest.fixture(scope="module")
def messages(fit: Fit, lr: Case) -> list[Message]:
    """All messages of a training on mini-batches whose weights are shared."""
    return traffic_of(fit, lr, MINI_BATCHES)


def traffic_of(fit: Fit, data: Case, params: dict[str, object]) -> list[Message]:
    seen: list[Message] = []
    fit(data, params, record=seen.append)
    return seen


def kinds(messages: list[Message], sender: object) -> set[tuple[str, Kind]]:
    return {(message.tag.split(".")[0], message.kind) for message in messages if message.sender == sender}


def test_each_party_receives_ciphertexts_and_shares_and_no_more(messages: list[Message]) -> None:
    assert kinds(messages, GUEST) == {
        ("plan", Kind.PARAMETERS), ("parameters", Kind.PARAMETERS), ("verdict", Kind.PARAMETERS),
        *CLEAR, *CIPHERTEXTS, *SHARES,
        ("loss", Kind.CIPHERTEXT), ("change", Kind.CIPHERTEXT), ("norm", Kind.CIPHERTEXT),
        ("residual_part", Kind.TENSOR),
    }  # fmt: skip
    assert kinds(messages, HOST) == {
        ("features", Kind.PARAMETERS), *CLEAR, *CIPHERTEXTS, *SHARES, ("progress", Kind.TENSOR),
        ("loss_factors", Kind.CIPHERTEXT), ("change_factors", Kind.CIPHERTEXT), ("norm_factors", Kind.CIPHERTEXT),
        ("predicted_score", Kind.TENSOR),
    }  # fmt: skip


def test_weights_that_are_revealed_are_opened_by_their_gradients(fit: Fit, lr: Case) -> None:
    messages = traffic_of(fit, lr, {"reveal_every_iter": True, "max_iter": 2})
    exchanged = {*CLEAR, ("rows", Kind.CIPHERTEXT), ("gradient", Kind.CIPHERTEXT), ("sums", Kind.TENSOR)}
    assert kinds(messages, GUEST) == {
        ("plan", Kind.PARAMETERS),
        ("parameters", Kind.PARAMETERS),
        ("verdict", Kind.PARAMETERS),
        *exchanged,
    }
    assert kinds(messages, HOST) == {
        ("features", Kind.PARAMETERS), ("progress", Kind.TENSOR), ("predicted_score", Kind.TENSOR), *exchanged,
    }  # fmt: skip


def test_weights_that_stay_encrypted_are_in_no_message(fit: Fit, lr: Case) -> None:
    messages = traffic_of(fit, lr, {"reveal_strategy": "encrypted_reveal_in_host", "max_iter": 2})
    assert ("weights", Kind.TENSOR) not in kinds(messages, GUEST)
    assert {("hidden_weight", Kind.TENSOR), ("encrypted_weight", Kind.CIPHERTEXT)} <= kinds(messages, GUEST)
    scores = [message for message in messages if message.tag.startswith("predicted_score")]
    assert scores
    for message in scores:
        found = decode(message.structure, message.body)["scores"]["ciphertexts"]
        assert isinstance(found, Ciphertexts)


def forms(numbers: np.ndarray) -> list[bytes]:
    """How a number would be found in a message: as a float, as a fixed-point integer, as a share."""
    found = [number.astype(kind).tobytes() for number in numbers for kind in ("<f8", ">f8")]
    for number in numbers.tolist():
        for bits in (23, FRACTION_BITS, FRACTION_BITS + 2):
            integer = round(number * 2**bits)
            found += [integer.to_bytes(8, "little", signed=True), integer.to_bytes(19, "little", signed=True)]
    return found


@pytest.mark.parametrize("revealed", [False, True])
def test_no_feature_and_no_label_can_be_found_in_any_message(
    fit: Fit, lr: Case, messages: list[Message], revealed: bool
) -> None:
    seen = traffic_of(fit, lr, {"reveal_every_iter": True}) if revealed else messages
    traffic = b"".join(message.structure + message.body for message in seen)
    for column in lr.features.T:
        assert not [form for form in forms(column) if form in traffic]
    for labels in (lr.label, 2 * lr.label - 1, 1 - lr.label):
        for dtype in ("i1", "<i4", "<i8", "<f4", "<f8"):
            for start in range(len(labels) - 10):
                assert labels[start : start + 10].astype(dtype).tobytes() not in traffic


def test_messages_are_as_long_whatever_they_are_about(fit: Fit, lr: Case, messages: list[Message]) -> None:
    other = replace(lr, features=np.roll(lr.features, 1, axis=0) * 3, label=1 - lr.label)
    sizes = [
        sorted((str(message.sender), message.tag, len(message.body)) for message in some)
        for some in (messages, traffic_of(fit, other, MINI_BATCHES))
    ]
    assert sizes[0] == sizes[1]


def test_no_ciphertext_is_sent_twice(messages: list[Message]) -> None:
    everything: list[bytes] = []
    for message in messages:
        value = decode(message.structure, message.body)
        if isinstance(value, Ciphertexts):
            data = bytes(value.data)
            everything += [data[at : at + value.width_bytes] for at in range(0, len(data), value.width_bytes)]
    assert len(everything) > 300
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("tag", ["start", "progress", "weight_part", "residual_part"])
def test_shares_that_travel_are_nothing_like_small_numbers(messages: list[Message], tag: str) -> None:
    """Of a uniform share, 8 in 2**96 are as small as a weight or a loss."""
    values = [decode(message.structure, message.body) for message in messages if message.tag.split(".")[0] == tag]
    found = [signed(shares_from_wire(value, value.shape[:-1])) for value in values]
    assert found
    smallest = min(abs(int(number)) for shares in found for number in shares.ravel())
    assert smallest >> (2 * FRACTION_BITS + SCORE_BITS)


def test_the_same_training_is_shared_in_another_way_each_time(fit: Fit, lr: Case) -> None:
    bodies = [
        {message.body for message in traffic_of(fit, lr, {"max_iter": 1}) if message.tag.startswith("start")}
        for _ in range(2)
    ]
    assert not bodies[0] & bodies[1]


def test_a_host_with_a_single_feature_sends_nothing_of_it(fit: Fit) -> None:
    seen: list[Message] = []
    with pytest.raises(DataError, match="host-10000 has one feature only"):
        fit(case("HeteroLR", 30, 2, 1), {}, record=seen.append)
    assert HOST not in {message.sender for message in seen}
