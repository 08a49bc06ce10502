from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fate_components.scorecard.spec import SCORECARD
from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.table import Table


@pytest.fixture
def predictions() -> Table:
    chance = 1 / (1 + np.exp(-np.array([-1.0, 0.0, 2.5, 90.0])))
    columns = {
        "predict_result": [0, 0, 1, 1],
        "predict_score": chance,
        "predict_detail": [f'{{"0": {1 - value}, "1": {value}}}' for value in chance],
        "type": ["train"] * 4,
    }
    return make_table(["a", "b", "c", "d"], columns, label=[0, 1, 1, 0], label_column="label")


def run(guest: Party, table: Table, **params: Any) -> PartyResult:
    return Federation([guest]).run(SCORECARD, params, {guest: table})[guest]


def test_scores_follow_the_odds(guest: Party, predictions: Table) -> None:
    result = run(guest, predictions)
    # The odds of the other class are exp(-score).
    expected = [500 + 20 / np.log(2) * 1.0, 500, 500 - 20 / np.log(2) * 2.5, 0]
    np.testing.assert_allclose(result.data.numbers(["credit_score"])[:, 0], expected, atol=0.005)
    assert result.data.data.column_names == ["id", "label", "predict_result", "predict_score", "credit_score", "type"]
    assert result.data.label_column == "label"
    assert result.summary == {"scorecard_compute_formula": "Score = 500 + 20 / ln(2) * ln(Odds)"}
    assert result.tracker.meta["train", "scorecard"]["metric_type"] == "SCORECARD"


def test_every_parameter_counts(guest: Party, predictions: Table) -> None:
    params = {"offset": 600, "factor": 30, "factor_base": 3, "upper_limit_ratio": 1.02, "lower_limit_value": 550}
    scores = run(guest, predictions, **params).data.numbers(["credit_score"])[:, 0]
    np.testing.assert_allclose(scores, [612, 600, 550, 550], atol=0.005)
    scores = run(guest, predictions, **params | {"upper_limit_ratio": 2}).data.numbers(["credit_score"])[:, 0]
    assert scores[0] == pytest.approx(600 + 30 / np.log(3), abs=0.005)


def test_certainty_has_the_limits(guest: Party) -> None:
    table = make_table(["a", "b", "c"], {"predict_score": [0.0, 1.0, 1e-12]})
    np.testing.assert_array_equal(run(guest, table).data.numbers(["credit_score"])[:, 0], [1500, 0, 1500])


def test_a_host_without_predictions_has_nothing_to_do(guest: Party, host: Party, predictions: Table) -> None:
    results = Federation([guest, host]).run(SCORECARD, None, {guest: predictions})
    assert len(results[guest].data) == 4
    assert not results[host].outputs.data


def test_what_is_no_probability_of_two_classes_is_refused(guest: Party, predictions: Table) -> None:
    with pytest.raises(DataError, match="2 values of predict_score are not between 0 and 1"):
        run(guest, make_table(range(3), {"predict_score": [0.5, 1.5, float("nan")]}))
    with pytest.raises(DataError, match="has no column predict_score"):
        run(guest, make_table(["a"], {"x": [1.0]}))
    details = pa.array(['{"0": 0.2, "1": 0.3, "2": 0.5}'] * 4)
    index = predictions.data.column_names.index("predict_detail")
    three = Table(predictions.data.set_column(index, "predict_detail", details), "id")
    with pytest.raises(DataError, match="of 3 classes"):
        run(guest, three)
    with pytest.raises(DslError, match="factor_base"):
        run(guest, predictions, factor_base=1)
    with pytest.raises(DslError, match="lower_limit_value is above"):
        run(guest, predictions, lower_limit_value=2000)
