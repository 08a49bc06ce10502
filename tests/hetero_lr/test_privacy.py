"""What travels in a training, as each role sees it."""

from __future__ import annotations

import numpy as np
import pytest
from split_data import ARBITER, GUEST, HOSTS, Floats, Split, split

from fate_components.linear.messages import Plan
from fate_federated.errors import DataError
from fate_federated.transport.memory import Message
from fate_federated.wire.payload import Ciphertexts, Kind, decode


@pytest.fixture(scope="module")
def messages(two_hosts: Split) -> list[Message]:
    """All messages of a training on mini-batches with two hosts."""
    seen: list[Message] = []
    two_hosts.fit({"batch_size": 20, "early_stop": "weight_diff", "max_iter": 3}, record=seen.append)
    return seen


def forms(numbers: Floats) -> list[bytes]:
    """How numbers would be found in a message: eight bytes of them in each usual form, and as text."""
    found = []
    for kind, count in (("<f8", 1), (">f8", 1), ("<f4", 2), (">f4", 2)):
        array = numbers.astype(kind)
        found += [array[row : row + count].tobytes() for row in range(len(numbers) + 1 - count)]
    return found + [f"{number:.7f}".encode() for number in numbers]


def test_no_feature_can_be_found_in_any_message(two_hosts: Split, messages: list[Message]) -> None:
    traffic = b"".join(message.structure + message.body for message in messages)
    for column in two_hosts.features.T:
        assert not [form for form in forms(column) if form in traffic]


@pytest.mark.parametrize("dtype", ["i1", "<i2", "<i4", "<i8", "<f4", "<f8", "S1"])
def test_no_label_can_be_found_in_any_message(two_hosts: Split, messages: list[Message], dtype: str) -> None:
    traffic = b"".join(message.structure + message.body for message in messages)
    for labels in (two_hosts.label, 2 * two_hosts.label - 1, 1 - two_hosts.label):
        # Any ten rows in order would be a leak.
        for start in range(len(labels) - 10):
            assert labels[start : start + 10].astype(dtype).tobytes() not in traffic


def kinds(messages: list[Message], receiver: object, sender: object) -> set[tuple[str, Kind]]:
    return {
        (message.tag.split(".")[0], message.kind)
        for message in messages
        if message.receiver == receiver and message.sender == sender
    }


def test_each_role_receives_what_the_protocol_says_and_no_more(messages: list[Message]) -> None:
    assert kinds(messages, ARBITER, GUEST) == {
        ("plan", Kind.PARAMETERS), ("parameters", Kind.PARAMETERS), ("gradient", Kind.CIPHERTEXT),
        ("progress", Kind.CIPHERTEXT),
    }  # fmt: skip
    crossed = {("columns", Kind.CIPHERTEXT), ("gradient_part", Kind.CIPHERTEXT)}
    for host in HOSTS:
        assert kinds(messages, ARBITER, host) == {("gradient", Kind.CIPHERTEXT)}
        assert kinds(messages, host, GUEST) == {("plan", Kind.PARAMETERS), ("parameters", Kind.PARAMETERS), *crossed}
        assert kinds(messages, host, ARBITER) == {
            ("public_key", Kind.PARAMETERS), ("gradient", Kind.TENSOR), ("verdict", Kind.PARAMETERS),
        }  # fmt: skip
        assert kinds(messages, GUEST, host) == {
            ("features", Kind.PARAMETERS), ("progress", Kind.CIPHERTEXT), ("predicted_score", Kind.TENSOR), *crossed,
        }  # fmt: skip
    assert kinds(messages, HOSTS[0], HOSTS[1]) == crossed


def test_no_ciphertext_is_sent_twice(messages: list[Message]) -> None:
    seen: dict[tuple[object, object, str], set[bytes]] = {}
    for message in messages:
        value = decode(message.structure, message.body)
        if isinstance(value, Ciphertexts):
            width = value.width_bytes
            parts = {value.data[at : at + width] for at in range(0, len(value.data), width)}
            assert len(parts) * width == len(value.data)
            # Columns are one message to several parties.
            to = None if message.tag.startswith("columns") else message.receiver
            key = (message.sender, to, message.tag)
            assert seen.setdefault(key, parts) == parts
    everything = [part for parts in seen.values() for part in parts]
    assert len(everything) == len(set(everything))


def test_the_rows_of_a_batch_follow_from_the_plan_alone() -> None:
    plan = Plan.from_wire(Plan(True, 10_000, 3000, True, 5, 1, False, 0).to_wire())
    for iteration in range(3):
        batches = list(plan.rows_of(iteration))
        assert [len(batch) for batch in batches] == [3000, 3000, 3000, 1000]
        assert (np.sort(np.concatenate(batches)) == np.arange(10_000)).all()
        assert all((a == b).all() for a, b in zip(batches, plan.rows_of(iteration), strict=True))
    assert (next(plan.rows_of(0)) != next(plan.rows_of(1))).any()


def test_a_host_with_a_single_feature_sends_nothing_of_it() -> None:
    seen: list[Message] = []
    with pytest.raises(DataError, match="host-10000 has one feature only"):
        split(30, 2, 1).fit({}, record=seen.append)
    assert {message.sender for message in seen} <= {GUEST, ARBITER}
