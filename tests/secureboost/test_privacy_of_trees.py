"""What the parties' messages hold, and what is done about a party that cheats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, REGRESSION, drawn, learn, predict, some_rows, split_tables

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import generate_keypair
from fate_components.secureboost.model import forest_of, host_forest_of
from fate_components.secureboost.packing import Layout
from fate_federated.errors import CryptoError, MessageRejected
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Ciphertexts, decode

OWNED = {GUEST: [0, 1], HOSTS[0]: [2, 3, 4]}


def values_of(message: Message) -> list[Any]:
    """Every leaf of a message's structure."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for some in value.values() for leaf in leaves(some)]
        if isinstance(value, list):
            return [leaf for some in value for leaf in leaves(some)]
        return [value]

    return leaves(decode(message.structure, message.body))


def recorded() -> tuple[list[Message], Any, Any, Any]:
    messages: list[Message] = []
    features, label = some_rows(80, 5)
    train, validate = split_tables(features[:60], label[:60], OWNED), split_tables(features[60:], label[60:], OWNED, 60)
    results = learn(REGRESSION, train, validate, record=messages.append)
    predict(REGRESSION, validate, results, record=messages.append)
    return messages, results, features, label


def test_nobody_sends_numbers_of_its_own() -> None:
    messages, results, _features, label = recorded()
    tags = {GUEST: set(), HOSTS[0]: set()}  # type: ignore[var-annotated]
    for message in messages:
        tags[message.sender].add(message.tag.partition(".")[0])
        for value in values_of(message):
            # No float leaves a party, as a number or in an array: all that is meant to be hidden is one.
            assert not isinstance(value, float)
            assert not (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    assert tags[GUEST] == {"agreement", "plan", "public_key", "derivatives", "level", "chosen", "verdict"}
    assert tags[HOSTS[0]] == {"sums", "sides", "validate", "predicted"}
    forest, host = forest_of(results[GUEST].model), host_forest_of(results[HOSTS[0]].model)
    weights = {value.tobytes() for tree in forest.trees for value in tree.weight if value}
    thresholds = {value.tobytes() for tree in host.trees for value in tree.thresholds}
    assert weights
    assert thresholds
    for message in messages:
        content = message.structure + message.body
        hidden = weights | {value.tobytes() for value in label} if message.sender == GUEST else thresholds
        assert not any(secret in content for secret in hidden)
        # Nor does a host send any text, such as a feature's name.
        assert message.sender == GUEST or not any(isinstance(value, str) for value in values_of(message))


def test_models_hold_only_a_partys_own_part() -> None:
    _, results, *_ = recorded()
    host = results[HOSTS[0]].model.param
    assert not any(node.weight for tree in host.trees_ for node in tree.tree_)
    assert not host.init_score
    assert not host.losses
    assert not host.labels
    guest = results[GUEST].model.param
    foreign = [
        (node.fid, node.id in tree.split_maskdict)
        for tree in guest.trees_ for node in tree.tree_ if node.sitename.startswith("host")
    ]  # fmt: skip
    assert foreign
    assert set(foreign) == {(-1, False)}


def test_each_row_travels_as_one_ciphertext_and_never_the_same_twice() -> None:
    messages, *_ = recorded()
    sent = [value for message in messages if message.tag.startswith("derivatives") for value in values_of(message)]
    ciphertexts = [value for value in sent if isinstance(value, Ciphertexts)]
    assert [value.shape for value in ciphertexts] == [(60, 1), (60, 1)]
    pieces = [
        value.data[at : at + value.width_bytes]
        for value in ciphertexts
        for at in range(0, len(value.data), value.width_bytes)
    ]
    assert len(set(pieces)) == 120


def test_candidates_come_in_another_order_every_time() -> None:
    orders = []
    for _ in range(2):
        messages: list[Message] = []
        features, label = some_rows(60, 5)
        results = learn(
            REGRESSION | {"num_trees": 1}, split_tables(features, label, {GUEST: [], HOSTS[0]: range(5)}),
            record=messages.append,
        )  # fmt: skip
        orders.append(
            [decode(m.structure, m.body)[0]["candidates"].tolist() for m in messages if m.tag == "chosen.0.0.0"]
        )
        trees = drawn(results)
    assert trees
    assert orders[0] != orders[1]


KEY = generate_keypair(1024)


def test_what_cannot_be_a_sum_is_refused() -> None:
    layout = Layout.of(1024, 50, None, compress=True)
    rows = layout.encrypted(KEY, np.array([[-5.0], [7.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]))
    received = EncryptedArray.from_wire(rows.to_wire(layout.row_bits), KEY.public, layout.row_bits)
    values = [received[place, 0]._values.item() for place in range(3)]
    answer = layout.answer(KEY.public, values).to_wire(layout.answer_bits)
    first, second = layout.read(answer, KEY, 3)
    assert (first[:, 0].tolist(), second[:, 0].tolist()) == ([-5, 7, 2], [1, 2, 3])
    with pytest.raises(MessageRejected):
        layout.read(answer, KEY, 3 + layout.slots)
    with pytest.raises(CryptoError):
        layout.read(answer, generate_keypair(1024), 3)
    with pytest.raises(CryptoError):
        layout.read(None, KEY, 3)
    huge = EncryptedArray.encrypt(KEY, np.array([1 << (layout.answer_bits)], dtype=object))
    with pytest.raises(CryptoError):
        layout.read(huge.to_wire(layout.answer_bits + 1), KEY, layout.slots)
