from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.impute import SimpleImputer

from fate_components.feature_imputation.spec import FEATURE_IMPUTATION
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

NAN = float("nan")


def impute(guest: Party, table: Table, params: dict[str, Any] | None = None, model: Model | None = None) -> PartyResult:
    inputs = Inputs(data={"data": [table]}, model=model)
    return Federation([guest]).run(FEATURE_IMPUTATION, params, {guest: inputs})[guest]


def of(**columns: Any) -> Table:
    rows = len(next(iter(columns.values())))
    data = {"id": [f"r{row}" for row in range(rows)], "y": [row % 2 for row in range(rows)], **columns}
    return Table(pa.table(data), "id", "y")


@pytest.fixture
def matrix() -> np.ndarray:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, 4)).round(2)
    values[rng.random(values.shape) < 0.2] = NAN
    return values


def test_features_are_filled_with_the_mean_as_by_scikit_learn(matrix: np.ndarray, guest: Party) -> None:
    result = impute(guest, of(**dict(zip("abcd", matrix.T, strict=True))), {"missing_fill_method": "mean"})
    np.testing.assert_allclose(result.data.features, SimpleImputer().fit_transform(matrix), atol=1e-12)
    ratio = dict(zip("abcd", np.isnan(matrix).mean(axis=0), strict=True))
    assert result.summary["missing_value_ratio"] == pytest.approx(ratio)
    np.testing.assert_array_equal(result.data.label, np.arange(200) % 2)


@pytest.mark.parametrize("method", ["min", "max"])
def test_features_are_filled_with_their_extremes(method: str, matrix: np.ndarray, guest: Party) -> None:
    result = impute(guest, of(**dict(zip("abcd", matrix.T, strict=True))), {"missing_fill_method": method})
    extremes = {"min": np.nanmin, "max": np.nanmax}[method](matrix, axis=0)
    np.testing.assert_array_equal(result.data.features, np.where(np.isnan(matrix), extremes, matrix))


def test_a_feature_has_its_own_method_and_the_others_the_general_one(guest: Party) -> None:
    params = {"missing_fill_method": "max", "col_missing_fill_method": {"B": "min", "c": None}}
    output = impute(guest, of(a=[1.0, 3.0, NAN], b=[1.0, 3.0, NAN], c=[1.0, 3.0, NAN]), params).data
    np.testing.assert_array_equal(output.features[2], [3, 1, NAN])


def test_the_others_stay_where_only_some_have_a_method(guest: Party) -> None:
    params = {"missing_impute": [0], "default_value": 42, "col_missing_fill_method": {"a": "min", "b": "designated"}}
    output = impute(guest, of(a=[0, 5, 7], b=[0, 1, 0], c=[0, 1, 2]), params).data
    np.testing.assert_array_equal(output.features, [[5, 42, 0], [5, 1, 1], [7, 42, 2]])


@pytest.mark.parametrize("default", [9, [9, 9]])
def test_without_a_method_the_default_value_fills(default: Any, guest: Party) -> None:
    output = impute(guest, of(a=[1.0, NAN], b=[None, 2]), {"default_value": default}).data
    np.testing.assert_array_equal(output.features, [[1, 9], [9, 2]])


def test_whole_numbers_stay_whole_unless_the_fill_is_a_fraction(guest: Party) -> None:
    table = of(a=[1, 2, None], b=[1, 3, None], c=["x", "", "z"])
    output = impute(guest, table, {"col_missing_fill_method": {"a": "mean", "b": "mean", "c": "designated"},
                                   "default_value": [0, 0, "?"]}).data  # fmt: skip
    assert output.data.select(["a", "b", "c"]).to_pydict() == {"a": [1, 2, 1.5], "b": [1, 3, 2], "c": ["x", "?", "z"]}
    assert [output.data.schema.field(name).type for name in "abc"] == [pa.float64(), pa.int64(), pa.string()]


def test_a_model_fills_new_rows_with_what_it_learnt(guest: Party) -> None:
    params = {"missing_fill_method": "mean", "missing_impute": [-1]}
    fitted = impute(guest, of(a=[1.0, 3.0, -1.0], b=[10, 20, None]), params)
    new = impute(guest, of(b=[None, -1], z=[NAN, 5.0], a=[-1.0, 7.0]), None, fitted.model)
    assert new.data.feature_names == ("b", "z", "a")
    np.testing.assert_array_equal(new.data.features, [[15, NAN, 2], [15, 5, 7]])
    assert new.model is fitted.model


def test_a_model_needs_its_columns(guest: Party) -> None:
    fitted = impute(guest, of(a=[1.0, NAN], b=[1.0, NAN], c=[1.0, NAN]))
    with pytest.raises(ModelError, match="fills columns that the table lacks: a, c"):
        impute(guest, of(b=[1.0]), None, fitted.model)
    scaled = Federation([guest]).run("FeatureScale", inputs={guest: of(a=[1.0, 2.0])})[guest]
    with pytest.raises(ModelError, match="FeatureImputation cannot apply a model of FeatureScale"):
        impute(guest, of(a=[1.0]), None, scaled.model)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"missing_fill_method": "mean"}, "'b' has no value to take the mean of"),
        (
            {"col_missing_fill_method": {"q": "min"}},
            "col_missing_fill_method names the column 'q'; the columns are a, b",
        ),
        ({"default_value": [1, 2, 3]}, "default_value lists 3 values for 2 columns"),
        ({"default_value": "?"}, "'a' is a number and cannot be filled"),
    ],
)
def test_a_fill_that_cannot_be_made_is_refused(params: dict[str, Any], text: str, guest: Party) -> None:
    with pytest.raises(DataError, match=text):
        impute(guest, of(a=[1, None], b=[NAN, NAN]), params)


def test_an_unknown_method_is_refused(guest: Party) -> None:
    with pytest.raises(DslError, match="/FeatureImputation/missing_fill_method"):
        impute(guest, of(a=[1]), {"missing_fill_method": "median"})
