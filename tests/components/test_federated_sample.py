from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components import scripted_peer
from components.scripted_peer import run_against
from fate_components.federated_sample.spec import FEDERATED_SAMPLE
from fate_components.tables import row_digest
from fate_federated.errors import DataError, DslError, MessageRejected
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import WEIGHT, Table
from fate_federated.transport.memory import Message

ROWS = 200


@pytest.fixture
def tables(guest: Party, host: Party, other_host: Party) -> dict[Party, Table]:
    rng = np.random.default_rng(1)
    ids = [f"u{number}" for number in range(ROWS)]
    label = np.repeat([0, 1], [150, 50])
    return {
        guest: make_table(ids, {"x": np.arange(ROWS)}, label=label),
        host: make_table(ids, {"z": np.arange(ROWS) * 10}),
        other_host: make_table(ids, {"v": rng.normal(size=ROWS)}),
    }


def run(tables: dict[Party, Table], *, seed: int | None = 3, **params: Any) -> dict[Party, PartyResult]:
    return Federation(list(tables), seed=seed).run(FEDERATED_SAMPLE, params, tables)


def weighted(table: Table, weight: np.ndarray) -> Table:
    data = table.data.append_column(WEIGHT, pa.array(weight))
    return Table(data, table.id_column, table.label_column, weight_column=WEIGHT)


def test_all_parties_have_the_same_random_rows(
    tables: dict[Party, Table], guest: Party, host: Party, other_host: Party
) -> None:
    results = run(tables, fractions=0.3)
    rows = results[guest].data.features[:, 0]
    assert len(rows) == 60 == len(set(rows))
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(results[host].data.features[:, 0], rows * 10)
    assert results[other_host].data.ids == results[guest].data.ids
    np.testing.assert_array_equal(results[guest].data.label, (rows >= 150).astype(int))
    assert [result.summary for result in results.values()] == [{"sample_count": 60}] * 3
    assert results[host].tracker.meta["sample_count", "random"]["values"] == {"count": 60}


def test_a_random_state_repeats_the_sample(tables: dict[Party, Table], guest: Party) -> None:
    first, second, other = (
        run(tables, seed=seed, fractions=0.5, random_state=state)[guest].data.ids
        for seed, state in ((1, 7), (2, 7), (1, 8))
    )
    assert first == second != other


def test_upsampling_draws_rows_again_under_ids_of_their_own(
    tables: dict[Party, Table], guest: Party, host: Party
) -> None:
    results = run(tables, method="upsample", fractions=2.5)
    table = results[guest].data
    assert len(table) == 500
    assert len(set(table.ids.to_pylist())) == 500
    assert results[host].data.ids == table.ids
    np.testing.assert_array_equal(results[host].data.features, table.features * 10)
    origins = Counter(text.rsplit("_", 1)[0] for text in table.ids.to_pylist())
    assert max(origins.values()) > 1
    for text, value in zip(table.ids.to_pylist(), table.features[:, 0], strict=True):
        origin, number = text.rsplit("_", 1)
        assert origin == f"u{value:.0f}"
        assert int(number) < origins[origin]


@pytest.mark.parametrize(("method", "counts"), [("downsample", (30, 50)), ("upsample", (30, 50))])
def test_stratified_sampling_keeps_shares_of_labels(
    method: str, counts: tuple[int, int], tables: dict[Party, Table], guest: Party, host: Party
) -> None:
    results = run(tables, mode="stratified", method=method, fractions=[[0, 0.2], ["1", 1.0]])
    label = results[guest].data.label
    assert label is not None
    assert (int((label == 0).sum()), int((label == 1).sum())) == counts
    assert results[host].data.ids == results[guest].data.ids
    assert results[guest].summary == {"sample_count": {"0": 30, "1": 50}, "original_count": {"0": 150, "1": 50}}
    assert results[guest].tracker.meta["sample_count", "stratified"]["metric_type"] == "SAMPLE_TABLE"
    assert not results[host].summary


def test_labels_may_be_texts(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    of_numbers = run(tables, mode="stratified", fractions=[[0, 0.2], ["1", 1]], random_state=4)
    names = np.where(tables[guest].label == 1, "yes", "no")
    tables |= {guest: make_table(tables[guest].ids.to_pylist(), {"x": np.arange(ROWS)}, label=names)}
    results = run(tables, mode="stratified", fractions=[["no", 0.2], ["yes", 1]], random_state=4)
    drawn = results[guest].data
    column = drawn.data.column(drawn.label_column).to_pylist()
    counts = {"no": int(0.2 * (names == "no").sum()), "yes": int((names == "yes").sum())}
    assert {name: column.count(name) for name in counts} == counts == results[guest].summary["sample_count"]
    assert len(drawn) == len(of_numbers[guest].data)
    assert results[host].data.ids == drawn.ids
    with pytest.raises(DataError, match="1 of the labels have no share"):
        run(tables, mode="stratified", fractions=[["no", 0.5]])


def test_exact_sampling_repeats_a_row_as_its_weight_says(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    weight = np.zeros(ROWS)
    weight[[3, 5, 9]] = 2.0, 0.1, 1.5
    results = run(tables | {guest: weighted(tables[guest], weight)}, mode="exact_by_weight")
    expected = ["u3_0", "u3_1", "u5_0", "u9_0", "u9_1"]
    assert results[guest].data.ids.to_pylist() == results[host].data.ids.to_pylist() == expected
    np.testing.assert_array_equal(results[guest].data.weight, [2, 2, 0.1, 1.5, 1.5])
    with pytest.raises(DataError, match="None of the 200 rows"):
        run(tables | {guest: weighted(tables[guest], np.zeros(ROWS))}, mode="exact_by_weight")
    with pytest.raises(DataError, match="put SampleWeight before it"):
        run(tables, mode="exact_by_weight")


def test_parties_of_a_homo_federation_draw_for_themselves(guest: Party, host: Party, messages: list[Message]) -> None:
    tables = {
        guest: make_table(range(10), {"x": np.arange(10)}, label=[0, 1] * 5),
        host: make_table(range(20, 60), {"x": np.arange(40)}, label=[0, 1] * 20),
    }
    params = {"fractions": [[0, 1.0], [1, 0.5]], "mode": "stratified", "task_type": "homo"}
    results = Federation([guest, host], record=messages.append).run(FEDERATED_SAMPLE, params, tables)
    assert [len(results[party].data) for party in (guest, host)] == [5 + 2, 20 + 10]
    assert not messages


def test_hosts_are_sent_positions_and_a_digest(
    tables: dict[Party, Table], guest: Party, host: Party, other_host: Party, messages: list[Message]
) -> None:
    results = Federation(list(tables), record=messages.append).run(FEDERATED_SAMPLE, {"fractions": 0.1}, tables)
    assert sorted((str(message.sender), str(message.receiver), message.tag) for message in messages) == [
        (str(guest), str(host), "sampled_rows"),
        (str(guest), str(other_host), "sampled_rows"),
    ]
    for message in messages:
        value = scripted_peer.content(message)
        assert set(value) == {"rows", "content"}
        assert len(value["rows"]) == 32
        np.testing.assert_array_equal(value["content"], results[guest].data.features[:, 0])


@pytest.mark.parametrize("change", ["order", "rows"])
def test_other_rows_at_a_host_are_an_error_at_all(change: str, tables: dict[Party, Table], host: Party) -> None:
    rows = np.roll(np.arange(ROWS), 1) if change == "order" else np.arange(ROWS - 1)
    outcomes = Federation(list(tables)).outcomes(
        FEDERATED_SAMPLE, {"fractions": 0.1}, tables | {host: tables[host].take(rows)}
    )
    error = outcomes[host]
    assert isinstance(error, DataError)
    assert "are not those of guest-9999 in the same order" in str(error)


@pytest.mark.parametrize(
    "content",
    [np.array([3, 1]), np.array([0, 200]), np.array([-1]), np.array([1.0]), np.array([[1]]), np.array([4, 4])],
)
def test_what_is_no_sample_is_refused(
    content: np.ndarray, tables: dict[Party, Table], guest: Party, host: Party
) -> None:
    params = {"fractions": 0.1}
    sent = {"sampled_rows": {"rows": row_digest(tables[guest]), "content": content}}
    with pytest.raises(MessageRejected, match="sampled rows"):
        run_against(FEDERATED_SAMPLE, params, host, Inputs({"data": [tables[host]]}), guest, sent)


def test_what_is_no_array_is_refused(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    with pytest.raises(MessageRejected, match="something other than an array and the digest"):
        run_against(
            FEDERATED_SAMPLE, {"fractions": 0.1}, host, Inputs({"data": [tables[host]]}), guest, {"sampled_rows": [1]}
        )


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "the share of the rows, such as 0.5"),
        ({"fractions": 1.5}, "a share is between 0 and 1"),
        ({"fractions": 0.0, "method": "upsample"}, "a share is greater than 0"),
        ({"fractions": 0.5, "mode": "stratified"}, "lists labels and the shares of their rows"),
        ({"fractions": [[0, "a"]], "mode": "stratified"}, "shares are numbers, 'a' is none"),
        ({"fractions": [["a", 0.5], ["a", 0.1]], "mode": "stratified"}, "a label has two shares"),
        ({"fractions": [[0, 0.5], [0.0, 0.1]], "mode": "stratified"}, "a label has two shares"),
        ({"fractions": 0.5, "mode": "exact_by_weight"}, "leave fractions out"),
    ],
)
def test_fractions_that_do_not_fit_the_mode_are_refused(
    params: dict[str, Any], text: str, tables: dict[Party, Table]
) -> None:
    with pytest.raises(DslError, match=text):
        run(tables, **params)


def test_labels_are_needed_with_a_share_each(tables: dict[Party, Table], guest: Party, host: Party) -> None:
    with pytest.raises(DataError, match="1 of the labels have no share"):
        run(tables, mode="stratified", fractions=[[0, 0.5]])
    bare = {guest: tables[host], host: tables[host]}
    with pytest.raises(DataError, match="needs labels, and the table of guest-9999 has none"):
        run(bare, mode="stratified", fractions=[[0, 0.5]])
