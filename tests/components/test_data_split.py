from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from components.scripted_peer import content, run_against
from fate_components.data_split.spec import HETERO_DATA_SPLIT, HOMO_DATA_SPLIT
from fate_components.data_split.splitting import TEST, TRAIN, VALIDATE, count_rows, split_rows
from fate_components.tables import row_digest
from fate_federated.errors import DataError, DslError, MessageRejected
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table
from fate_federated.transport.memory import Message

ROWS = 103


@pytest.fixture
def tables(guest: Party, host: Party, other_host: Party) -> dict[Party, Table]:
    ids = [f"{number:03}" for number in np.random.default_rng(0).permutation(ROWS)]
    label = (np.arange(ROWS) % 4 == 0).astype(int)
    return {
        guest: make_table(ids, {"x": np.arange(ROWS)}, label=label),
        host: make_table(ids, {"z": np.arange(ROWS) * 10}),
        other_host: make_table(ids, {"v": np.arange(ROWS) * 100}),
    }


def run(tables: dict[Party, Table], *, seed: int = 3, **params: Any) -> dict[Party, PartyResult]:
    return Federation(list(tables), seed=seed).run(HETERO_DATA_SPLIT, params, tables)


def lengths(result: PartyResult) -> list[int]:
    return [len(table) for table in result.outputs.data]


def test_every_party_has_the_same_rows_in_each_set(
    tables: dict[Party, Table], guest: Party, host: Party, other_host: Party
) -> None:
    results = run(tables, train_size=0.6, validate_size=0.3, test_size=0.1)
    assert lengths(results[guest]) == [62, 31, 10]
    parts = results[guest].outputs.data
    for factor, party in ((10, host), (100, other_host)):
        for own, theirs in zip(parts, results[party].outputs.data, strict=True):
            assert own.ids == theirs.ids
            np.testing.assert_array_equal(own.features * factor, theirs.features)
    everything = np.concatenate([part.features[:, 0] for part in parts])
    assert sorted(everything) == list(range(ROWS))
    assert all((np.diff(part.features[:, 0]) > 0).all() for part in parts)
    assert not np.array_equal(parts[0].features[:, 0], np.arange(62))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, (82, 21, 0)),
        ({"test_size": 0.25}, (77, 0, 26)),
        ({"train_size": 0.5}, (52, 0, 51)),
        ({"validate_size": 0.2}, (82, 21, 0)),
        ({"train_size": 0.5, "test_size": 0.25}, (52, 26, 25)),
        ({"train_size": 0.5, "validate_size": 0.25}, (52, 26, 25)),
        ({"train_size": 1.0}, (103, 0, 0)),
        ({"train_size": 0.5, "validate_size": 0.5, "test_size": 0}, (52, 51, 0)),
        ({"train_size": 100}, (100, 0, 3)),
        ({"train_size": 50, "validate_size": 30, "test_size": 23}, (50, 30, 23)),
        ({"train_size": 50, "validate_size": 30}, (50, 30, 23)),
        ({"validate_size": 3}, (100, 3, 0)),
    ],
)
def test_sizes_are_counts_or_shares(
    sizes: dict[str, Any], expected: tuple[int, ...], tables: dict[Party, Table], guest: Party
) -> None:
    result = run(tables, **sizes)[guest]
    assert lengths(result) == list(expected)
    counts = dict(zip(("train", "validate", "test"), expected, strict=True)) | {"original": ROWS}
    meta = result.tracker.meta["train", "data_split"]
    assert meta["metric_type"] == "DATA_SPLIT"
    assert meta["data_split_count_info"] == counts
    assert meta["data_split_ratio_info"]["train"] == round(expected[0] / ROWS, 3)


def test_two_sets_are_as_large_as_scikit_learns() -> None:
    for rows in range(2, 40):
        for share in (0.1, 0.25, 0.5, 0.7):
            train = round(share * rows)
            if 0 < train < rows:
                theirs = train_test_split(np.arange(rows), train_size=train, test_size=rows - train)
                assert count_rows(rows, (share, None, None)) == (len(theirs[0]), 0, len(theirs[1]))


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 9),
)
def test_every_stratum_is_shared_out_alike(labels: list[int], shares: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata = np.unique(labels, return_inverse=True)[1]
    counts = count_rows(len(labels), (shares[0], (1 - shares[0]) * shares[1], None))
    sets = split_rows(counts, strata, rng.permutation(len(labels)), rng)
    assert np.bincount(sets, minlength=3).tolist() == list(counts)
    for stratum in range(strata.max() + 1):
        of_stratum = np.bincount(sets[strata == stratum], minlength=3)
        exact = np.array(counts) * of_stratum.sum() / len(labels)
        # Train by one rounding; validation and test share what that left.
        assert abs(of_stratum[TRAIN] - exact[TRAIN]) < 1 + 1e-6
        assert abs(of_stratum[VALIDATE] - exact[VALIDATE]) < 2 + 1e-6
        assert abs(of_stratum[TEST] - exact[TEST]) < 2 + 1e-6


def test_stratified_sets_have_the_labels_shares(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    results = run(tables, train_size=0.5, test_size=0.25, stratified=True)
    positive = [int(part.label.sum()) for part in results[guest].outputs.data if part.label is not None]
    info = results[guest].tracker.meta["train", "data_split"]["data_split_label_info"]
    assert [info[name]["1"] for name in ("train", "validate", "test")] == positive == [13, 7, 6]
    assert info["original"] == {"0": 77, "1": 26}
    assert info["label_names"] == ["0", "1"]
    assert "data_split_label_info" not in results[host].tracker.meta["train", "data_split"]


def test_a_label_of_real_numbers_is_split_by_its_intervals(guest: Party) -> None:
    label = np.linspace(0, 1, 40)
    table = make_table(range(40), {"x": np.arange(40)}, label=label)
    result = Federation([guest], seed=1).run(
        HOMO_DATA_SPLIT, {"train_size": 0.5, "stratified": True, "split_points": [0.75, 0.25]}, {guest: table}
    )[guest]
    info = result.tracker.meta["train", "data_split"]["data_split_label_info"]
    sizes = {"0": int((label <= 0.25).sum()), "1": 20, "2": int((label > 0.75).sum())}
    assert info["original"] == sizes
    assert info["train"] == {name: size // 2 for name, size in sizes.items()}
    assert info["split_points"] == [0.25, 0.75]
    assert info["continuous_label"] is True


def test_without_a_shuffle_rows_go_by_their_ids(tables: dict[Party, Table], guest: Party) -> None:
    parts = run(tables, train_size=50, test_size=3, shuffle=False)[guest].outputs.data
    sets = [set(part.ids.to_pylist()) for part in parts]
    names = [f"{number:03}" for number in range(ROWS)]
    assert sets == [set(names[:50]), set(names[50:100]), set(names[100:])]


def test_a_random_state_repeats_the_split(tables: dict[Party, Table], guest: Party) -> None:
    first, second, other = (
        run(tables, seed=seed, random_state=state)[guest].data.ids for seed, state in ((1, 7), (2, 7), (1, 8))
    )
    assert first == second != other


def test_parties_of_a_homo_federation_split_for_themselves(guest: Party, host: Party, messages: list[Message]) -> None:
    arbiter = Party.parse("arbiter-1")
    tables = {party: make_table(range(rows), {"x": np.arange(rows)}) for party, rows in ((guest, 10), (host, 20))}
    results = Federation([guest, host, arbiter], record=messages.append).run(HOMO_DATA_SPLIT, None, tables)
    assert [lengths(results[party]) for party in (guest, host, arbiter)] == [[8, 2, 0], [16, 4, 0], []]
    assert not messages


def test_hosts_are_sent_the_set_of_each_row_and_a_digest(
    tables: dict[Party, Table], guest: Party, host: Party, other_host: Party, messages: list[Message]
) -> None:
    params = {"stratified": True}
    Federation(list(tables), record=messages.append).run(HETERO_DATA_SPLIT, params, tables)
    assert sorted((str(message.receiver), message.tag) for message in messages) == [
        (str(host), "sets"),
        (str(other_host), "sets"),
    ]
    for message in messages:
        assert message.sender == guest
        value = content(message)
        assert set(value) == {"rows", "content"}
        assert value["rows"] == row_digest(tables[guest])
        assert value["content"].dtype == np.int8
        assert value["content"].shape == (ROWS,)


@pytest.mark.parametrize(
    "sets",
    [np.zeros(ROWS, np.int8) + 3, np.zeros(ROWS, np.int8) - 1, np.zeros(ROWS), np.zeros(ROWS - 1, np.int8)],
    ids=["3", "-1", "floats", "too few"],
)
def test_what_is_no_split_is_refused(sets: np.ndarray, tables: dict[Party, Table], guest: Party, host: Party) -> None:
    sent = {"sets": {"rows": row_digest(tables[host]), "content": sets}}
    with pytest.raises(MessageRejected, match="the set of each of the 103 rows"):
        run_against(HETERO_DATA_SPLIT, {}, host, Inputs({"data": [tables[host]]}), guest, sent)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"train_size": 1.5}, "a count of rows or a share"),
        ({"test_size": -1}, "a count of rows or a share"),
        ({"train_size": 0.5, "test_size": 20}, "all counts of rows or all shares"),
        ({"train_size": 0.5, "test_size": 0.6}, "together are 1.1 of the rows"),
        ({"train_size": 0.5, "test_size": 0.2, "validate_size": 0.1}, "together are 0.8 of the rows"),
    ],
)
def test_sizes_that_are_no_split_are_refused(params: dict[str, Any], text: str, tables: dict[Party, Table]) -> None:
    with pytest.raises(DslError, match=text):
        run(tables, **params)


def test_counts_must_be_those_of_the_table_and_labels_there(tables: dict[Party, Table], host: Party) -> None:
    with pytest.raises(DataError, match="train_size 200 do not make up the 103 rows"):
        run(tables, train_size=200)
    with pytest.raises(DataError, match="train_size 1, validate_size 1, test_size 1 do not make up the 103 rows"):
        run(tables, train_size=1, validate_size=1, test_size=1)
    guest = Party.parse("guest-9999")
    with pytest.raises(DataError, match="stratified needs labels, and the table of guest-9999 has none"):
        run({guest: tables[host], host: tables[host]}, stratified=True)


def test_a_host_cannot_repeat_a_split_by_labels_from_the_conf(tables: dict[Party, Table], guest: Party) -> None:
    params = {"stratified": True, "random_state": 7}
    first, again = (run(tables, seed=seed, **params)[guest].data.ids for seed in (1, 2))
    flipped = tables[guest].data.set_column(1, "y", pa.array(1 - np.asarray(tables[guest].data["y"])))
    other = run(tables | {guest: Table(flipped, "id", "y")}, seed=1, **params)[guest].data.ids
    assert first == again != other


def test_text_labels_are_strata(guest: Party) -> None:
    texts = ["no", "yes", "perhaps", "no"] * 25
    by_text, by_number = (
        Federation([guest]).run(
            HOMO_DATA_SPLIT,
            {"test_size": 0.2, "stratified": True, "shuffle": False},
            {guest: make_table([f"{number:03}" for number in range(100)], {"x": np.arange(100)}, label=label)},
        )[guest]
        for label in (texts, [{"no": 0, "perhaps": 1, "yes": 2}[text] for text in texts])
    )
    test = by_text.outputs.data[2]
    assert test.ids == by_number.outputs.data[2].ids
    assert sorted(test.data.column("y").to_pylist()) == ["no"] * 10 + ["perhaps"] * 5 + ["yes"] * 5
    assert by_text.summary["data_split_label_info"]["label_names"] == ["no", "perhaps", "yes"]


def test_text_labels_have_no_split_points(guest: Party) -> None:
    table = make_table(range(4), {"x": range(4)}, label=["1", "secret", "1", "2"])
    with pytest.raises(DataError, match="The labels in column 'y' are texts, not numbers") as caught:
        Federation([guest]).run(HOMO_DATA_SPLIT, {"stratified": True, "split_points": [1.5]}, {guest: table})
    assert "secret" not in str(caught.value)
