from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.scripted_peer import content
from fate_components.homo_one_hot.sealing import from_wire, make_key, seal, to_wire, unseal
from fate_components.homo_one_hot.spec import HOMO_ONE_HOT_ENCODER
from fate_federated.errors import DataError, MessageRejected
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message

ARBITER = Party.parse("arbiter-1")


@pytest.fixture
def tables(guest: Party, host: Party, other_host: Party) -> dict[Party, Table]:
    return {
        guest: make_table(["a", "b"], {"color": ["red", "blue"], "x": [1.5, 2.5], "size": [1, 2]}),
        host: make_table(["c", "d"], {"color": ["green", "red"], "x": [1.5, 2.5], "size": [2, 10]}),
        other_host: make_table(["e"], {"color": ["secret-category"], "x": [1.5], "size": [1]}),
    }


def run(
    tables: dict[Party, Table], params: dict[str, Any] | None = None, messages: list[Message] | None = None
) -> dict[Party, PartyResult]:
    federation = Federation([*tables, ARBITER], record=None if messages is None else messages.append)
    return federation.run(HOMO_ONE_HOT_ENCODER, {"transform_col_indexes": [0, 2]} | (params or {}), tables)


def test_all_parties_have_the_columns_of_all_categories(tables: dict[Party, Table]) -> None:
    results = run(tables)
    header = (
        "color_blue", "color_green", "color_red", "color_secret-category", "x", "size_1", "size_2", "size_10",
    )  # fmt: skip
    expected = (
        [[0, 0, 1, 0, 1.5, 1, 0, 0], [1, 0, 0, 0, 2.5, 0, 1, 0]],
        [[0, 1, 0, 0, 1.5, 0, 1, 0], [0, 0, 1, 0, 2.5, 0, 0, 1]],
        [[0, 0, 0, 1, 1.5, 1, 0, 0]],
    )
    for party, matrix in zip(tables, expected, strict=True):
        assert results[party].data.feature_names == header
        np.testing.assert_array_equal(results[party].data.features, matrix)
    assert not results[ARBITER].outputs.data


def test_a_model_encodes_new_rows_without_a_word_of_them(
    tables: dict[Party, Table], guest: Party, messages: list[Message]
) -> None:
    trained = run(tables)
    inputs = {party: Inputs({"data": [tables[guest]]}, model=trained[party].model) for party in tables}
    federation = Federation([*tables, ARBITER], record=messages.append)
    results = federation.run(HOMO_ONE_HOT_ENCODER, None, inputs)
    for party in tables:
        assert results[party].data.data == trained[guest].data.data
    assert {message.tag: content(message) for message in messages} == {"aligns": False, "category_key": b""}


def test_without_alignment_each_party_has_its_own_columns(
    tables: dict[Party, Table], guest: Party, other_host: Party, messages: list[Message]
) -> None:
    results = run(tables, {"need_alignment": False}, messages)
    assert results[guest].data.feature_names == ("color_blue", "color_red", "x", "size_1", "size_2")
    assert results[other_host].data.feature_names == ("color_secret-category", "x", "size_1")
    assert {message.tag for message in messages} == {"aligns", "category_key"}


def test_the_arbiter_sees_counts_and_what_is_equal_and_nothing_else(
    tables: dict[Party, Table], guest: Party, host: Party, other_host: Party, messages: list[Message]
) -> None:
    run(tables, None, messages)
    received = {message.sender: message for message in messages if message.receiver == ARBITER and message.body}
    sealed = {party: from_wire(content(message)) for party, message in received.items()}
    assert {party: len(items) for party, items in sealed.items()} == {guest: 4, host: 4, other_host: 2}
    assert len(sealed[guest] & sealed[host]) == 2
    assert {len(item) for items in sealed.values() for item in items} == {16 + 32, 16 + 32}
    for message in messages:
        if ARBITER in (message.sender, message.receiver):
            for word in (b"secret", b"color", b"size", b"red"):
                assert word not in message.structure + message.body
    keys = [message for message in messages if message.tag == "category_key"]
    assert {message.receiver for message in keys} == {host, other_host}
    for message in messages:
        assert (message.tag in ("aligns", "categories")) == (message.receiver == ARBITER)
    # What comes back is the same for all, and in an order that does not follow whose it is.
    answers = [content(message) for message in messages if message.tag == "all_categories"]
    assert len(answers) == 3
    assert all(from_wire(answer) == set.union(*sealed.values()) for answer in answers)


def test_another_run_has_another_key(tables: dict[Party, Table], messages: list[Message], guest: Party) -> None:
    run(tables, None, messages)
    run(tables, None, messages)
    first, second = (
        content(message) for message in messages if message.sender == guest and message.tag == "categories"
    )
    assert not from_wire(first) & from_wire(second)


def test_columns_that_are_not_the_same_are_an_error(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    federation = Federation([*tables, ARBITER])
    params = {"transform_col_indexes": [0, 2]}
    with pytest.raises(DataError, match=r"Another party encodes columns that .* does not: size"):
        federation.run(HOMO_ONE_HOT_ENCODER, params, tables, party_params={host: {"transform_col_indexes": [0]}})
    with pytest.raises(DataError, match="host-10000 and guest-9999 differ in need_alignment"):
        federation.run(HOMO_ONE_HOT_ENCODER, params, tables, party_params={host: {"need_alignment": False}})
    many = tables | {host: make_table(range(1024), {"color": range(1024), "x": [1.0] * 1024, "size": [1] * 1024})}
    with pytest.raises(DataError, match="'color' has 1027 categories; 1024 can be encoded"):
        run(many)


names = st.text(max_size=40)


@given(categories=st.dictionaries(names, st.lists(names, min_size=1, max_size=4, unique=True).map(tuple), max_size=4))
def test_sealed_categories_come_back_with_the_key_alone(categories: dict[str, tuple[str, ...]]) -> None:
    key = make_key()
    sealed = seal(key, categories)
    assert seal(key, categories) == sealed
    assert from_wire(to_wire(sealed)) == sealed
    found = unseal(key, sealed)
    assert {column: set(values) for column, values in found.items()} == {
        column: set(values) for column, values in categories.items()
    }
    if sealed:
        with pytest.raises(MessageRejected, match="that no party sealed"):
            unseal(make_key(), sealed)


@pytest.mark.parametrize(
    "received",
    [
        None,
        {"lengths": np.array([20], np.int32), "sealed": np.zeros(19, np.uint8)},
        {"lengths": np.array([40, -20], np.int32), "sealed": np.zeros(20, np.uint8)},
        {"lengths": np.array([20.0]), "sealed": np.zeros(20, np.uint8)},
        {"lengths": np.array([16], np.int32), "sealed": np.zeros(16, np.uint8)},
    ],
)
def test_what_is_no_list_of_sealed_categories_is_refused(received: object) -> None:
    with pytest.raises(MessageRejected, match="a list of sealed categories"):
        from_wire(received)
