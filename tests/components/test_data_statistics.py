from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from fate_components.data_statistics.model import measure
from fate_components.data_statistics.spec import DATA_STATISTICS, SUMMARY
from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import statistics_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table

EVERYTHING = (*SUMMARY, "count", "variance", "coefficient_of_variation", "0%", "25%", "95%", "100%")


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(0)
    gaps = rng.gamma(2.0, size=301)
    gaps[rng.choice(301, 20, replace=False)] = np.nan
    columns = {"a": rng.normal(5, 2, 301), "b": gaps, "c": rng.integers(0, 5, 301), "d": ["text"] * 301}
    return make_table(range(301), columns, label=rng.integers(0, 2, 301))


def run(guest: Party, table: Table, **params: Any) -> PartyResult:
    params = {"column_indexes": [0, 1, 2]} | params
    return Federation([guest]).run(DATA_STATISTICS, params, {guest: table})[guest]


def values(result: PartyResult) -> dict[str, dict[str, float]]:
    """By statistic, then by column, of the model."""
    assert result.model is not None
    assert isinstance(result.model.param, pb.StatisticParam)
    return {
        one.value_name: dict(zip(one.col_names, one.values, strict=True))
        for one in result.model.param.self_values.results
    }


@pytest.mark.parametrize("bias", [True, False])
def test_figures_are_numpys_and_scipys(bias: bool, guest: Party, table: Table) -> None:
    found = values(run(guest, table, statistics=list(EVERYTHING), bias=bias))
    for index, name in enumerate("abc"):
        column = table.numbers("abc")[:, index]
        there = column[~np.isnan(column)]
        missing = len(column) - len(there)
        expected = {
            "sum": there.sum(), "mean": there.mean(), "stddev": there.std(), "variance": there.var(),
            "median": np.median(there), "min": there.min(), "max": there.max(), "count": len(there),
            "missing_count": missing, "missing_ratio": missing / 301, "skewness": stats.skew(there, bias=bias),
            "kurtosis": stats.kurtosis(there, bias=bias), "0%": there.min(), "25%": np.quantile(there, 0.25),
            "95%": np.quantile(there, 0.95), "100%": there.max(),
            "coefficient_of_variance": there.std() / there.mean(),
            "coefficient_of_variation": there.std() / there.mean(),
        }  # fmt: skip
        assert {statistic: found[statistic][name] for statistic in found} == pytest.approx(expected, abs=1e-9)


@given(
    column=npst.arrays(
        np.float64,
        st.integers(1, 12),
        elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 2)) | st.just(7.1) | st.just(float("nan")),
    ),
    bias=st.booleans(),
)
@settings(deadline=None)
def test_any_column_has_its_moments(column: np.ndarray, bias: bool) -> None:
    there = column[~np.isnan(column)]
    found = measure(column[:, np.newaxis], ["count", "mean", "stddev", "skewness", "kurtosis", "50%"], bias=bias)
    assert found["count"] == there.size
    if not there.size:
        assert all(np.isnan(found[name]).all() for name in ("mean", "stddev", "skewness", "50%"))
        return
    assert found["mean"] == pytest.approx(there.mean(), rel=1e-9, abs=1e-9)
    assert found["stddev"] == pytest.approx(there.std(), rel=1e-6, abs=1e-6)
    assert found["50%"] == pytest.approx(np.median(there))
    if there.min() == there.max():
        assert (found["skewness"], found["kurtosis"]) == (0, -3)
    else:
        assert found["skewness"] == pytest.approx(stats.skew(there, bias=bias or there.size <= 2), rel=1e-6, abs=1e-6)
        assert found["kurtosis"] == pytest.approx(
            stats.kurtosis(there, bias=bias or there.size <= 3), rel=1e-6, abs=1e-6
        )


def test_the_summary_is_the_default_and_goes_to_the_tracker(guest: Party, table: Table) -> None:
    result = run(guest, table, column_indexes=[0], column_names=["b"])
    assert tuple(values(result)) == SUMMARY
    assert set(result.summary) == {"a", "b"}
    assert result.summary["b"]["missing_count"] == 20
    assert not result.outputs.data


def test_abnormal_values_count_as_missing(guest: Party, table: Table) -> None:
    found = values(run(guest, table, column_indexes=[2], statistics=["count", "min"], abnormal_list=[0, "x", 1.0]))
    column = table.numbers(["c"])[:, 0]
    assert found == {"count": {"c": (column > 1).sum()}, "min": {"c": 2.0}}


def test_a_column_without_values_has_no_figures(guest: Party) -> None:
    table = make_table(range(3), {"a": [float("nan")] * 3})
    result = run(guest, table, column_indexes=-1, statistics=["mean", "count", "missing_ratio", "25%"])
    assert result.summary == {"a": {"mean": None, "count": 0, "missing_ratio": 1, "25%": None}}


def test_a_model_is_handed_on(guest: Party, table: Table) -> None:
    model = run(guest, table).model
    inputs = Inputs({"data": [table]}, model=model)
    assert Federation([guest]).run(DATA_STATISTICS, None, {guest: inputs})[guest].model is model


def test_what_cannot_be_measured_is_refused(guest: Party, table: Table) -> None:
    with pytest.raises(DataError, match="Column 'd' holds string, not numbers"):
        run(guest, table, column_indexes=-1)
    with pytest.raises(DataError, match="column_names names z"):
        run(guest, table, column_names=["z"])
    with pytest.raises(DataError, match="has no rows to measure"):
        run(guest, table.take(np.array([], np.int64)))
    for wrong in ("mode", "101%", ["mean", "5.5%"]):
        with pytest.raises(DslError, match="there is no statistic"):
            run(guest, table, statistics=wrong)
