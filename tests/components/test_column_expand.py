from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from fate_components.column_expand.spec import COLUMN_EXPAND
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table


@pytest.fixture
def table() -> Table:
    return make_table(["a", "b"], {"x": ["1", "2"]}, label=[0, 1])


def run(guest: Party, table: Table, model: Model | None = None, **params: Any) -> PartyResult:
    return Federation([guest]).run(COLUMN_EXPAND, params, {guest: Inputs({"data": [table]}, model=model)})[guest]


def test_columns_of_one_value_each_are_appended(guest: Party, table: Table) -> None:
    result = run(guest, table, append_header=["n", "f", "t"], fill_value=[0, 0.2, "none of them"])
    assert result.data.data.to_pydict() == {
        "id": ["a", "b"], "y": [0, 1], "x": ["1", "2"], "n": [0, 0], "f": [0.2, 0.2], "t": ["none of them"] * 2,
    }  # fmt: skip
    assert result.data.data["n"].type == pa.int64()
    assert result.data.label_column == "y"
    assert result.summary["header"] == ["x", "n", "f", "t"]


def test_one_value_may_be_for_all(guest: Party, table: Table) -> None:
    output = run(guest, table, append_header=["n", "f"]).data
    assert output.data["n"].to_pylist() == output.data["f"].to_pylist() == [1e-8, 1e-8]
    assert run(guest, table, append_header="n", fill_value=None).data.data["n"].to_pylist() == [None, None]
    assert run(guest, table).data.data == table.data


def test_a_model_appends_the_same_columns(guest: Party, table: Table) -> None:
    trained = run(guest, table, append_header=["n", "f"], fill_value=[3, 0.5])
    new = make_table(["c"], {"x": ["7"]})
    output = run(guest, new, trained.model, append_header=["other"]).data
    assert output.data.to_pydict() == {"id": ["c"], "x": ["7"], "n": [3], "f": [0.5]}
    assert output.data.schema.field("n") == trained.data.data.schema.field("n")


def test_an_old_job_appends_nothing_and_fills_with_a_millionth() -> None:
    assert COLUMN_EXPAND.legacy_defaults == {"append_header": [], "fill_value": 1e-6}


def test_columns_that_do_not_fit_are_refused(guest: Party, table: Table) -> None:
    with pytest.raises(DataError, match="columns that the table of guest-9999 has: x, y"):
        run(guest, table, append_header=["x", "y"])
    with pytest.raises(DslError, match="lists 2 values for 3 columns"):
        run(guest, table, append_header=["n", "f", "t"], fill_value=[1, 2])
    with pytest.raises(DslError, match="a column is named twice"):
        run(guest, table, append_header=["n", "n"])
    trained = run(guest, table, append_header=["n"]).model
    assert trained is not None
    with pytest.raises(ModelError, match="a model of Union"):
        run(guest, table, Model("Union", trained.param, trained.param))
