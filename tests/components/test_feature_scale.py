from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fate_components.feature_scale.fit import learn_scaling
from fate_components.feature_scale.model import scale
from fate_components.feature_scale.spec import FEATURE_SCALE, FeatureScaleParams
from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

NAMES = ("a", "b", "c")


@pytest.fixture
def train() -> Table:
    rng = np.random.default_rng(0)
    matrix = rng.normal([0, 100, -5], [1, 20, 1e-3], (200, 3))
    return make_table(range(200), dict(zip(NAMES, matrix.T, strict=True)), label=rng.integers(0, 2, 200))


def run(guest: Party, table: Table, params: dict[str, Any] | None = None, model: Model | None = None) -> PartyResult:
    inputs = Inputs(data={"data": [table]}, model=model)
    return Federation([guest]).run("FeatureScale", params, {guest: inputs})[guest]


matrices = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 3)),
    elements=st.floats(-1e6, 1e6).map(lambda value: round(value, 3)) | st.just(7.0) | st.just(float("nan")),
).filter(lambda matrix: not np.isnan(matrix).all(axis=0).any())


@given(matrix=matrices, with_mean=st.booleans(), with_std=st.booleans())
@settings(deadline=None)
def test_standard_scaling_is_scikit_learns(matrix: np.ndarray, with_mean: bool, with_std: bool) -> None:
    params = FeatureScaleParams(method="standard_scale", with_mean=with_mean, with_std=with_std)
    expected = StandardScaler(with_mean=with_mean, with_std=with_std).fit_transform(matrix)
    actual = scale(learn_scaling(params, matrix, list(map(str, range(matrix.shape[1])))), matrix)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@given(matrix=matrices)
@settings(deadline=None)
def test_min_max_scaling_is_scikit_learns(matrix: np.ndarray) -> None:
    params = FeatureScaleParams(method="min_max_scale")
    actual = scale(learn_scaling(params, matrix, list(map(str, range(matrix.shape[1])))), matrix)
    np.testing.assert_allclose(actual, MinMaxScaler().fit_transform(matrix), rtol=1e-9, atol=1e-9)


def test_labels_ids_and_other_columns_stay(guest: Party, train: Table) -> None:
    output = run(guest, train, {"scale_col_indexes": [0], "scale_names": ["c"]}).data
    scaled = StandardScaler().fit_transform(train.features)
    np.testing.assert_allclose(output.features[:, [0, 2]], scaled[:, [0, 2]], atol=1e-9)
    np.testing.assert_array_equal(output.features[:, 1], train.features[:, 1])
    np.testing.assert_array_equal(output.label, train.label)
    assert output.ids.equals(train.ids)
    assert output.feature_names == NAMES


def test_no_columns_may_be_chosen(guest: Party, train: Table) -> None:
    output = run(guest, train, {"scale_col_indexes": []}).data
    np.testing.assert_array_equal(output.features, train.features)


def test_without_a_method_values_stay(guest: Party, train: Table) -> None:
    fitted = run(guest, train, {"method": None})
    np.testing.assert_array_equal(fitted.data.features, train.features)
    np.testing.assert_array_equal(run(guest, train, None, fitted.model).data.features, train.features)


def test_a_column_of_texts_that_is_not_scaled_stays(guest: Party) -> None:
    table = make_table(range(3), {"a": [1, 2, 3], "town": ["x", "y", "z"]})
    fitted = run(guest, table, {"scale_names": ["a"], "scale_col_indexes": []})
    assert fitted.data.data.column("town").to_pylist() == ["x", "y", "z"]
    with pytest.raises(DataError, match="'town' holds string, not numbers"):
        run(guest, table)


def test_a_constant_column_becomes_zero(guest: Party) -> None:
    table = make_table(range(3), {"a": [0.1, 0.1, 0.1], "b": [1, 2, 3]})
    for method in ("standard_scale", "min_max_scale"):
        np.testing.assert_allclose(run(guest, table, {"method": method}).data.features[:, 0], 0, atol=1e-15)


def test_values_are_cut_to_the_given_bounds_first(guest: Party, train: Table) -> None:
    params = {"method": "min_max_scale", "feat_lower": [-1, 90, -5], "feat_upper": [1, 110, -4.999]}
    cut = np.clip(train.features, [-1, 90, -5], [1, 110, -4.999])
    expected = (cut - [-1, 90, -5]) / np.array([2, 20, 0.001])
    np.testing.assert_allclose(run(guest, train, params).data.features, expected, atol=1e-9)
    standard = run(guest, train, {**params, "method": "standard_scale"}).data.features
    np.testing.assert_allclose(standard, StandardScaler().fit_transform(cut), atol=1e-9)


def test_with_mode_cap_bounds_are_quantiles(guest: Party, train: Table) -> None:
    params = {"method": "min_max_scale", "mode": "cap", "feat_lower": 0.1, "feat_upper": 0.9}
    low, high = np.quantile(train.features, [0.1, 0.9], axis=0)
    expected = (np.clip(train.features, low, high) - low) / (high - low)
    np.testing.assert_allclose(run(guest, train, params).data.features, expected, atol=1e-9)


@pytest.mark.parametrize("method", ["standard_scale", "min_max_scale"])
def test_a_model_scales_new_rows_within_the_range_that_it_saw(method: str, guest: Party, train: Table) -> None:
    fitted = run(guest, train, {"method": method, "scale_names": ["b"], "scale_col_indexes": []})
    new = make_table(["n1", "n2"], {"b": [105.0, 1e9], "a": [1.0, 2.0]})
    output = run(guest, new, None, fitted.model).data
    scaler = StandardScaler() if method == "standard_scale" else MinMaxScaler()
    column = train.features[:, [1]]
    expected = scaler.fit(column).transform([[105.0], [column.max()]])
    np.testing.assert_allclose(output.features[:, [0]], expected, atol=1e-9)
    np.testing.assert_array_equal(output.features[:, 1], [1.0, 2.0])


def test_the_metric_names_method_mode_and_columns(guest: Party, train: Table) -> None:
    meta = run(guest, train).tracker.meta["train", "scale"]
    assert meta == {"metric_type": "SCALE", "method": "standard_scale", "mode": "normal", "columns": ["a", "b", "c"]}


def test_a_version_1_job_scales_by_minimum_and_maximum() -> None:
    assert FEATURE_SCALE.legacy_defaults == {"method": "min_max_scale"}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"scale_names": ["z"]}, "scale_names names z; the columns are a, b, c"),
        ({"scale_col_indexes": [3]}, "scale_col_indexes names column 3; there are 0 to 2"),
        ({"feat_upper": [1, 2]}, "feat_upper lists 2 bounds for 3 scaled columns"),
        ({"feat_lower": 5, "feat_upper": 1}, "feat_lower is above feat_upper for a, b, c"),
    ],
)
def test_what_does_not_fit_the_table_is_refused(params: dict[str, Any], text: str, guest: Party, train: Table) -> None:
    with pytest.raises(DataError, match=text):
        run(guest, train, params)


def test_a_column_without_values_is_refused(guest: Party) -> None:
    with pytest.raises(DataError, match="without any value cannot be scaled: b"):
        run(guest, make_table(range(2), {"a": [1.0, 2.0], "b": [float("nan")] * 2}))


def test_a_model_needs_its_columns(guest: Party, train: Table) -> None:
    fitted = run(guest, train)
    with pytest.raises(ModelError, match="columns that the table lacks: b, c"):
        run(guest, make_table(["n"], {"a": [1.0]}), None, fitted.model)


def test_bounds_that_are_no_quantiles_are_refused(guest: Party, train: Table) -> None:
    with pytest.raises(DslError, match="with mode cap, feat_upper is a quantile between 0 and 1"):
        run(guest, train, {"mode": "cap", "feat_upper": 95})


@pytest.mark.parametrize("method", ["standard_scale", "min_max_scale"])
def test_ranges_that_floating_point_cannot_hold_are_refused(method: str, guest: Party) -> None:
    table = make_table(range(3), {"far": [-1.5e308, 0.0, 1.5e308], "near": [1.0, 2.0, 3.0]})
    with pytest.raises(DataError, match="The values of far are too large or too small"):
        Federation([guest]).run("FeatureScale", {"method": method}, {guest: table})


def test_deviations_that_floating_point_cannot_hold_are_refused(guest: Party) -> None:
    table = make_table(range(4), {"tiny": [1e-170, 2e-170, 3e-170, 4e-170]})
    with pytest.raises(DataError, match="The values of tiny are too large or too small"):
        Federation([guest]).run("FeatureScale", {"method": "standard_scale"}, {guest: table})
