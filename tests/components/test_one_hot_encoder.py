from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.preprocessing import OneHotEncoder as Reference

from fate_components.one_hot_encoder.spec import ONE_HOT_ENCODER
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import one_hot_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

ROWS = 60


@pytest.fixture
def train() -> Table:
    rng = np.random.default_rng(0)
    columns = {
        "color": rng.choice(["red", "blue", "dark red"], ROWS),
        "size": rng.choice([-1.0, 2.0, 10.0, 9.0], ROWS),
        "x": rng.normal(size=ROWS),
        "bin": rng.integers(0, 3, ROWS),
    }
    return make_table(range(ROWS), columns, label=rng.integers(0, 2, ROWS))


def run(guest: Party, table: Table, params: dict[str, Any] | None = None, model: Model | None = None) -> PartyResult:
    return Federation([guest]).run(ONE_HOT_ENCODER, params, {guest: Inputs({"data": [table]}, model=model)})[guest]


def test_columns_are_those_of_scikit_learn_in_their_place(guest: Party, train: Table) -> None:
    result = run(guest, train, {"transform_col_indexes": [0, 3], "transform_col_names": ["size"]})
    colors = train.data["color"].to_numpy().reshape(-1, 1)
    expected = np.column_stack(
        [
            Reference(sparse_output=False).fit_transform(colors.astype(object)),
            Reference(sparse_output=False).fit_transform(train.numbers(["size"])),
            train.numbers(["x"]),
            Reference(sparse_output=False).fit_transform(train.numbers(["bin"])),
        ]
    )
    table = result.data
    np.testing.assert_array_equal(table.features, expected)
    assert table.feature_names == (
        "color_blue", "color_dark red", "color_red", "size_-1", "size_2", "size_9", "size_10", "x",
        "bin_0", "bin_1", "bin_2",
    )  # fmt: skip
    assert table.ids == train.ids
    np.testing.assert_array_equal(table.label, train.label)
    assert result.summary == {"original_dimension": 4, "transferred_dimension": 11}
    assert result.model is not None
    assert isinstance(result.model.param, pb.OneHotParam)
    assert list(result.model.param.col_map["size"].values) == ["-1", "2", "9", "10"]
    assert tuple(result.model.param.result_header) == table.feature_names


def test_a_model_gives_new_rows_the_trained_columns(guest: Party, train: Table) -> None:
    model = run(guest, train, {"transform_col_indexes": [0, 1]}).model
    new = make_table(
        ["a", "b", "c"],
        {
            "extra": [1, 2, 3],
            "size": [9.0, float("nan"), 2.5],
            "color": pa.array(["green", "blue", None]),
            "bin": [7, 8, 9],
            "x": [0.0, 1.0, 2.0],
        },
    )
    table = run(guest, new, None, model).data
    assert table.feature_names[:7] == (
        "color_blue", "color_dark red", "color_red", "size_-1", "size_2", "size_9", "size_10",
    )  # fmt: skip
    np.testing.assert_array_equal(
        table.features,
        [[0, 0, 0, 0, 0, 1, 0, 0, 7], [1, 0, 0, 0, 0, 0, 0, 1, 8], [0, 0, 0, 0, 0, 0, 0, 2, 9]],
    )
    again = run(guest, train, None, model).data
    assert again.data == run(guest, train, {"transform_col_indexes": [0, 1]}).data.data


def test_all_columns_or_none(guest: Party, train: Table) -> None:
    with pytest.raises(DataError, match="Column 'x' holds numbers that are not whole"):
        run(guest, train)
    assert run(guest, train, {"transform_col_indexes": None}).data.data == train.data
    assert len(run(guest, train.with_columns({"bin": train.data["bin"]})).data.feature_names) == 3


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ([1.0, float("nan")], "Column 'a' misses 1 values"),
        ([1.0, float("inf")], "Column 'a' holds numbers that are not whole"),
        ([0.5, 1], "Column 'a' holds numbers that are not whole"),
        (np.array(["2020-01-01"] * 2, "datetime64[s]"), "neither texts nor whole numbers"),
    ],
)
def test_what_is_no_category_is_refused(column: Any, text: str, guest: Party) -> None:
    with pytest.raises(DataError, match=text):
        run(guest, make_table(["1", "2"], {"a": column}))


def test_too_many_categories_names_twice_and_unknown_columns_are_refused(guest: Party, train: Table) -> None:
    with pytest.raises(DataError, match="has 1025 categories; 1024 can be encoded"):
        run(guest, make_table(range(1025), {"a": np.arange(1025)}))
    with pytest.raises(DataError, match="Two columns would be called 'a_1_2'"):
        run(guest, make_table(["r"], {"a": ["1_2"], "a_1": ["2"]}))
    with pytest.raises(DataError, match="transform_col_names names z"):
        run(guest, train, {"transform_col_indexes": [], "transform_col_names": ["z"]})
    with pytest.raises(DataError, match="transform_col_indexes names column 9"):
        run(guest, train, {"transform_col_indexes": [9]})
    with pytest.raises(DslError, match="transform_col_indexes"):
        run(guest, train, {"transform_col_indexes": "all"})
    model = run(guest, train, {"transform_col_indexes": [0]}).model
    with pytest.raises(ModelError, match="columns that the table lacks: color, size, bin"):
        run(guest, make_table(["n"], {"x": [1.0]}), None, model)
