from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_components.psi.model import stability
from fate_components.psi.spec import PSI
from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.pb.model import psi_pb2 as pb
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table


def run(guest: Party, expected: Table, actual: Table, **params: Any) -> PartyResult:
    inputs = Inputs({"train_data": [expected], "validate_data": [actual]})
    return Federation([guest]).run(PSI, params, {guest: inputs})[guest]


def tables(seed: int = 0) -> tuple[Table, Table]:
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=400)
    gaps[:37] = np.nan
    before = make_table(range(400), {"a": rng.normal(size=400), "b": gaps, "c": rng.integers(0, 3, 400)})
    after = make_table(
        range(250), {"c": rng.integers(0, 4, 250), "a": rng.normal(1, 1, 250), "b": rng.normal(size=250)}
    )
    return before, after


def reference(before: np.ndarray, after: np.ndarray, bins: int) -> float:
    """The index by its definition, with NumPy's histograms of right-closed intervals."""
    there = np.sort(before[~np.isnan(before)])
    edges = sorted({there[int(np.ceil(there.size * number / bins)) - 1] for number in range(1, bins)} - {there[-1]})

    def shares(values: np.ndarray) -> np.ndarray:
        # Negated, histogram's left-closed intervals are right-closed.
        negated = -np.array([np.inf, *edges[::-1], -np.inf])
        counts = np.histogram(-values[~np.isnan(values)], negated)[0][::-1]
        return np.append(counts, np.isnan(values).sum()) / len(values)

    expected, actual = (np.where(part == 0, 1e-6, part) for part in (shares(before), shares(after)))
    return float(((actual - expected) * np.log(actual / expected)).sum())


@pytest.mark.parametrize("bins", [1, 2, 10, 20])
def test_scores_are_those_of_the_definition(bins: int, guest: Party) -> None:
    before, after = tables()
    result = run(guest, before, after, max_bin_num=bins)
    expected = {
        name: reference(before.numbers([name])[:, 0], after.numbers([name])[:, 0], bins) for name in ("a", "b", "c")
    }
    assert result.summary["psi_scores"] == pytest.approx(expected, abs=1e-9)
    assert result.model is not None
    assert isinstance(result.model.param, pb.PSIParam)
    assert dict(result.model.param.total_score) == pytest.approx(expected, abs=1e-9)
    assert not result.outputs.data


def test_the_model_names_intervals_and_shares(guest: Party) -> None:
    before = make_table(range(4), {"a": [1.0, 2.0, 3.0, float("nan")]})
    after = make_table(range(2), {"a": [2.5, 9.0]})
    model = run(guest, before, after, max_bin_num=3).model
    assert model is not None
    assert isinstance(model.param, pb.PSIParam)
    (feature,) = model.param.feature_psi
    assert feature.feature_name == "a"
    assert list(feature.interval) == ["a<=1", "1<a<=2", "2<a", "missing"]
    assert list(feature.expect_perc) == [0.25] * 4
    assert list(feature.actual_perc) == [0, 0, 1, 0]
    assert sum(feature.psi) == pytest.approx(model.param.total_score["a"])
    assert feature.psi[2] == pytest.approx(0.75 * np.log(4))


@given(values=st.lists(st.floats(-5, 5) | st.just(1.0), min_size=1, max_size=40), bins=st.integers(1, 12))
def test_a_table_against_itself_scores_nothing(values: list[float], bins: int) -> None:
    column = np.array(values)
    found = stability(column, column[::-1].copy(), bins)
    assert found.parts.sum() == 0
    assert found.expected.sum() == pytest.approx(1)
    assert len(found.expected) == len(found.intervals("x")) <= bins + 1


def test_a_number_may_count_as_missing(guest: Party) -> None:
    before = make_table(range(4), {"a": [1.0, 2.0, -9.0, -9.0]})
    after = make_table(range(4), {"a": [1.0, 2.0, float("nan"), -9.0]})
    assert run(guest, before, after, dense_missing_val=-9).summary["psi_scores"] == {"a": 0.0}
    with pytest.raises(DslError, match="features are numbers, 'none' is none"):
        run(guest, before, after, dense_missing_val="none")


def test_a_model_is_handed_on(guest: Party) -> None:
    model = run(guest, *tables()).model
    results = Federation([guest]).run(PSI, None, {guest: Inputs(model=model)})
    assert results[guest].model is model


def test_tables_that_cannot_be_compared_are_refused(guest: Party) -> None:
    before, after = tables()
    with pytest.raises(DataError, match="differ in the features b, c"):
        run(guest, before, make_table(["r"], {"a": [1.0]}))
    with pytest.raises(DataError, match="Features without any value in train_data have no intervals: a"):
        run(guest, make_table(["r"], {"a": [float("nan")]}), make_table(["r"], {"a": [1.0]}))
    with pytest.raises(DataError, match="has no features or no rows"):
        run(guest, before, after.take(np.array([], np.int64)))
    with pytest.raises(DataError, match="PSI has no input validate_data at guest-9999"):
        Federation([guest]).run(PSI, None, {guest: Inputs({"train_data": [before]})})
