from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fate_components.union.spec import UNION
from fate_federated.errors import DataError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table


def run(guest: Party, *tables: Table, sources: list[str] | None = None, **params: Any) -> PartyResult:
    named = {} if sources is None else {"data": sources}
    return Federation([guest]).run(UNION, params, {guest: Inputs({"data": tables}, sources=named)})[guest]


def test_rows_stand_below_each_other_and_the_first_of_an_id_stays(guest: Party) -> None:
    first = make_table(["a", "b"], {"x": [1.0, 2.0], "w": [5, 6]}, label=[0, 1])
    second = make_table(["b", "c"], {"w": [7, 8], "x": [3.0, 4.0]}, label=[1, 0])
    third = make_table(["a", "d"], {"x": [9.0, 9.5], "w": [1, 2]}, label=[0, 0])
    result = run(guest, first, second, third, sources=["reader_0", "reader_1", "reader_2"])
    assert result.data.data.to_pydict() == {
        "id": ["a", "b", "c", "d"],
        "y": [0, 1, 0, 0],
        "x": [1.0, 2.0, 4.0, 9.5],
        "w": [5, 6, 8, 2],
    }
    assert result.data.label_column == "y"
    counts = {"reader_0": 2, "reader_1": 2, "reader_2": 2, "Total": 4}
    assert result.summary == counts
    assert result.tracker.meta["train", "union"] == {"metric_type": "UNION", "values": counts}


def test_duplicates_are_kept_under_the_names_of_their_tables(guest: Party) -> None:
    table = make_table(["a", "b"], {"x": [1.0, 2.0]})
    result = run(guest, table, table, table, sources=["reader_0", "split_0", "split_0"], keep_duplicate=True)
    assert result.data.ids.to_pylist() == [
        "a_reader_0", "b_reader_0", "a_split_0_0", "b_split_0_0", "a_split_0_1", "b_split_0_1",
    ]  # fmt: skip
    assert result.summary["Total"] == 6


def test_missing_columns_are_refused_or_missing_values(guest: Party) -> None:
    first = make_table(["a"], {"x": [1.0], "z": ["s"]})
    second = make_table(["b"], {"x": [2], "v": [3.0]})
    with pytest.raises(DataError, match="table_0 and table_1 differ in the columns v, z"):
        run(guest, first, second)
    united = run(guest, first, second, allow_missing=True).data
    assert united.feature_names == ("x", "z", "v")
    assert united.data["x"].to_pylist() == [1.0, 2.0]
    assert united.data["z"].to_pylist() == ["s", None]
    assert np.isnan(united.numbers(["v"])[0, 0])


def test_tables_that_do_not_go_together_are_refused(guest: Party) -> None:
    labelled = make_table(["a"], {"x": [1.0]}, label=[1])
    bare = make_table(["b"], {"x": [1.0]})
    with pytest.raises(DataError, match="The label of table_0 is 'y', that of table_1 is none"):
        run(guest, labelled, bare)
    with pytest.raises(DataError, match="of types that do not go together"):
        run(guest, bare, make_table(["c"], {"x": ["text"]}))
    with pytest.raises(DataError, match="1 input tables at guest-9999"):
        run(guest, bare)
    with pytest.raises(DataError, match="1 rows have an id that another row of their table has"):
        run(guest, make_table(["a", "a"], {"x": [1.0, 2.0]}), bare, keep_duplicate=True)


def test_nothing_is_sent(guest: Party, host: Party, messages: list[Any]) -> None:
    tables = Inputs({"data": [make_table(["a"], {"x": [1.0]}), make_table(["b"], {"x": [2.0]})]})
    results = Federation([guest, host], record=messages.append).run(UNION, None, {guest: tables, host: tables})
    assert [len(result.data) for result in results.values()] == [2, 2]
    assert not messages
