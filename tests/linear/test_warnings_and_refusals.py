"""What parties are told of settings and data that cannot do what they are meant to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from linear.parties import GUEST, Case, case


@pytest.fixture(scope="module")
def below_minus_one() -> Case:
    """Labels that have no logarithm of 1 + y."""
    data = case("HeteroLinR", 90, 2, 3)
    return replace(data, label=data.label * 3 - 2)


def stopping(*names: str) -> dict[str, object]:
    metrics = list(names)
    callbacks = {"callbacks": ["EarlyStopping"], "early_stopping_rounds": 2, "validation_freqs": 1, "metrics": metrics}
    return {"callback_param": callbacks, "max_iter": 8, "learning_rate": 0.3, "alpha": 0}


def test_a_metric_without_a_value_leaves_the_choice_to_the_next(
    below_minus_one: Case, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = below_minus_one.inputs(slice(0, 60), slice(60, 90))
    results = below_minus_one.run(stopping("mean_squared_log_error", "r2_score"), inputs)
    summary = results[GUEST].summary
    history = summary["validation_metrics"]["validate"]
    assert history.keys() == {"r2_score"}
    assert history["r2_score"] == sorted(history["r2_score"])
    assert (summary["best_iteration"], len(history["r2_score"])) == (7, 8)
    assert caplog.text.count("mean_squared_log_error cannot be computed of the validation rows") == 1


def test_validation_without_any_value_is_told(below_minus_one: Case, caplog: pytest.LogCaptureFixture) -> None:
    below_minus_one.run(stopping("msle"), below_minus_one.inputs(slice(0, 60), slice(60, 90)))
    assert caplog.text.count("nothing stops the training") == 1
