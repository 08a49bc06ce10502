from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn import metrics as sk

from fate_components.evaluation.binary import CURVE_POINTS, decided, rank
from fate_components.evaluation.regression import regression_metrics
from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table

against_scikit_learn = settings(max_examples=50, deadline=None)


@st.composite
def ranked_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both classes and scores with many ties."""
    rows = draw(st.integers(2, 60))
    positive = draw(npst.arrays(np.bool_, rows).filter(lambda mask: mask.any() and not mask.all()))
    levels = draw(st.sampled_from([2, 5, 1000]))
    score = draw(npst.arrays(np.int64, rows, elements=st.integers(0, levels)))
    return positive, score / levels


@against_scikit_learn
@given(rows=ranked_rows())
def test_auc_and_ks_are_scikit_learns_with_ties(rows: tuple[np.ndarray, np.ndarray]) -> None:
    positive, score = rows
    ranking = rank(positive, score)
    fpr, tpr, _ = sk.roc_curve(positive, score, drop_intermediate=False)
    assert ranking.auc == pytest.approx(sk.roc_auc_score(positive, score), abs=1e-12)
    assert ranking.ks == pytest.approx((tpr - fpr).max(), abs=1e-12)


@against_scikit_learn
@given(rows=ranked_rows())
def test_the_roc_curve_is_scikit_learns(rows: tuple[np.ndarray, np.ndarray]) -> None:
    positive, score = rows
    fpr, tpr, thresholds = rank(positive, score).roc()
    expected_fpr, expected_tpr, expected_thresholds = sk.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(np.interp(expected_fpr, fpr, tpr) >= expected_tpr - 1e-12, True)
    at = np.searchsorted(-expected_thresholds[1:], -thresholds[1:]) + 1
    np.testing.assert_array_equal(fpr[1:], expected_fpr[at])
    np.testing.assert_array_equal(tpr[1:], expected_tpr[at])
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert thresholds[0] > score.max()
    assert sk.auc(fpr, tpr) == pytest.approx(sk.auc(expected_fpr, expected_tpr), abs=1e-12)


@against_scikit_learn
@given(rows=ranked_rows())
def test_every_cut_is_scikit_learns_confusion_matrix(rows: tuple[np.ndarray, np.ndarray]) -> None:
    positive, score = rows
    cuts = rank(positive, score).at_quantiles()
    nearest = np.quantile(score, np.linspace(1, 0, 100), method="nearest")
    assert set(cuts.thresholds) == set(nearest)
    assert (np.diff(cuts.thresholds) < 0).all()
    for index, threshold in enumerate(cuts.thresholds):
        predicted = score >= threshold
        (tn, fp), (fn, tp) = sk.confusion_matrix(positive, predicted, labels=[False, True])
        assert cuts.true_positives[index] == tp
        assert cuts.false_positives[index] == fp
        assert cuts.true_negatives[index] == tn
        assert cuts.false_negatives[index] == fn
        assert cuts.precision[index] == pytest.approx(sk.precision_score(positive, predicted))
        assert cuts.recall[index] == pytest.approx(sk.recall_score(positive, predicted))
        assert cuts.accuracy[index] == pytest.approx(sk.accuracy_score(positive, predicted))
        assert cuts.f1[index] == pytest.approx(sk.f1_score(positive, predicted))
        assert cuts.lift[index] == pytest.approx(positive[predicted].mean() / positive.mean())
        assert cuts.share[index] == pytest.approx(predicted.mean())


@against_scikit_learn
@given(rows=ranked_rows(), threshold=st.floats(-0.5, 1.5))
def test_decisions_are_scored_as_by_scikit_learn(rows: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    positive, score = rows
    predicted = score > threshold
    assert decided(positive, predicted) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(positive, predicted),
            "precision": sk.precision_score(positive, predicted, zero_division=0.0),
            "recall": sk.recall_score(positive, predicted),
            "f1_score": sk.f1_score(positive, predicted),
        }
    )


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    positive, score = rng.random(100_000) < 0.3, rng.random(100_000)
    fpr, tpr, _ = rank(positive, score).roc()
    assert fpr.size == CURVE_POINTS
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert sk.auc(fpr, tpr) == pytest.approx(sk.roc_auc_score(positive, score), abs=1e-4)


@against_scikit_learn
@given(
    rows=st.integers(1, 30).flatmap(
        lambda rows: npst.arrays(np.float64, (2, rows), elements=st.integers(-50, 50).map(float))
    )
)
def test_regression_metrics_are_scikit_learns(rows: np.ndarray) -> None:
    label, predicted = rows
    mean_squared = sk.mean_squared_error(label, predicted)
    expected = {
        "explained_variance": sk.explained_variance_score(label, predicted),
        "mae": sk.mean_absolute_error(label, predicted),
        "mse": mean_squared,
        "median_ae": sk.median_absolute_error(label, predicted),
        "rmse": mean_squared**0.5,
        "r2": sk.r2_score(label, predicted) if label.size > 1 else regression_metrics(label, predicted)["r2"],
    }
    assert regression_metrics(label, predicted) == pytest.approx(expected, abs=1e-12)


# The component


def predictions(label: Any, score: Any, **columns: Any) -> Table:
    rows = len(label)
    return make_table(range(rows), {"predict_score": score, **columns}, label=label, label_column="label")


def evaluate(guest: Party, params: dict[str, Any], table: Table, source: str = "hetero_lr_0") -> PartyResult:
    inputs = Inputs(data={"data": [table]}, sources={"data": [source]})
    return Federation([guest]).run("Evaluation", params, {guest: inputs})[guest]


@pytest.fixture
def rows() -> Table:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 400)
    score = np.clip(0.3 * label + rng.normal(0.35, 0.2, 400), 0, 1).round(2)
    kind = np.where(np.arange(400) < 300, "train", "validate")
    return predictions(label, score, predict_result=(score > 0.5).astype(np.int64), type=kind)


def test_train_and_validate_rows_are_scored_apart_under_the_predicting_component(guest: Party, rows: Table) -> None:
    result = evaluate(guest, {"eval_type": "binary", "pos_label": 1}, rows)
    assert result.outputs.data == ()
    for kind, part in (("train", slice(0, 300)), ("validate", slice(300, 400))):
        label = rows.label[part]
        score = rows.data["predict_score"].to_numpy()[part]
        summary = result.summary["hetero_lr_0"][kind]
        assert summary["auc"] == pytest.approx(sk.roc_auc_score(label, score), abs=1e-12)
        assert summary["f1_score"] == pytest.approx(sk.f1_score(label, score > 0.5))
        meta = result.tracker.meta[kind, "hetero_lr_0"]
        assert meta["metric_type"] == "EVALUATION_SUMMARY"
        assert meta["values"] == summary


def test_metrics_have_fates_names(guest: Party, rows: Table) -> None:
    tracker = evaluate(guest, {}, rows).tracker
    kinds = {name: meta["metric_type"] for (namespace, name), meta in tracker.meta.items() if namespace == "train"}
    assert kinds == {
        "hetero_lr_0": "EVALUATION_SUMMARY",
        "hetero_lr_0_roc": "ROC_EVALUATION",
        "hetero_lr_0_ks_fpr": "KS_EVALUATION",
        "hetero_lr_0_ks_tpr": "KS_EVALUATION",
        "hetero_lr_0_lift": "LIFT_EVALUATION",
        "hetero_lr_0_gain": "GAIN_EVALUATION",
        "hetero_lr_0_accuracy": "ACCURACY_EVALUATION",
        "hetero_lr_0_precision": "PRECISION_BINARY_EVALUATION",
        "hetero_lr_0_recall": "RECALL_BINARY_EVALUATION",
        "hetero_lr_0_confusion_mat": "CONFUSION_MAT",
        "hetero_lr_0_f1_score": "F1_SCORE",
        "hetero_lr_0_quantile_pr": "QUANTILE_PR",
    }
    for name in ("roc", "ks_fpr", "lift", "accuracy"):
        points = tracker.metrics["train", f"hetero_lr_0_{name}"]
        assert len(points) == len(tracker.meta["train", f"hetero_lr_0_{name}"]["thresholds"])
    matrix = tracker.meta["train", "hetero_lr_0_confusion_mat"]
    totals = np.sum([matrix[count] for count in ("tp", "fp", "tn", "fn")], axis=0)
    assert (totals == 300).all()


def test_only_the_metrics_that_were_asked_for_are_computed(guest: Party, rows: Table) -> None:
    result = evaluate(guest, {"metrics": ["AUC", "acc"]}, rows)
    assert set(result.summary["hetero_lr_0"]["train"]) == {"auc", "accuracy"}
    assert {name for namespace, name in result.tracker.meta if namespace == "train"} == {
        "hetero_lr_0",
        "hetero_lr_0_accuracy",
    }


def test_pos_label_names_the_class_that_the_score_is_of(guest: Party, rows: Table) -> None:
    label = np.where(rows.label == 1, 1, -1)
    table = predictions(label, rows.data["predict_score"].to_numpy())
    positive = evaluate(guest, {"pos_label": 1}, table).summary["hetero_lr_0"]["train"]["auc"]
    negative = evaluate(guest, {"pos_label": -1}, table).summary["hetero_lr_0"]["train"]["auc"]
    assert positive == pytest.approx(1 - negative)
    assert positive > 0.6


def test_a_regression_is_scored(guest: Party) -> None:
    table = predictions([1.0, 2.0, 4.0], [1.5, 2.0, 3.0], type=["validate"] * 3)
    result = evaluate(guest, {"eval_type": "regression"}, table, "hetero_linr_0")
    assert result.summary["hetero_linr_0"]["validate"]["mae"] == pytest.approx(0.5)
    assert set(result.summary["hetero_linr_0"]["validate"]) == {
        "explained_variance", "mae", "mse", "median_ae", "r2", "rmse",
    }  # fmt: skip


def test_several_components_are_scored_apart(guest: Party, rows: Table) -> None:
    inputs = Inputs(data={"data": [rows, rows]}, sources={"data": ["hetero_lr_0", "hetero_lr_1"]})
    result = Federation([guest]).run("Evaluation", inputs={guest: inputs})[guest]
    assert result.summary["hetero_lr_0"] == result.summary["hetero_lr_1"]


def test_the_host_has_no_part(guest: Party, host: Party, rows: Table) -> None:
    results = Federation([guest, host]).run("Evaluation", inputs={guest: rows})
    assert set(results) == {guest}


def test_the_log_names_the_figures(guest: Party, rows: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    auc = evaluate(guest, {}, rows).summary["hetero_lr_0"]["train"]["auc"]
    assert f"hetero_lr_0, train, 300 rows: auc {auc:.6f}" in caplog.text


@pytest.mark.parametrize(
    ("params", "label", "score", "text"),
    [
        ({}, [1, 1, 1], [0.1, 0.2, 0.3], "All 3 train rows of hetero_lr_0 have the same label"),
        ({}, [0, 1, 2], [0.1, 0.2, 0.3], "have 3 labels"),
        ({"pos_label": 2}, [0, 1, 1], [0.1, 0.2, 0.3], "pos_label 2"),
        ({}, [0, 1, 1], [0.1, None, 0.3], "'predict_score' has 1 missing or infinite values, the first in row 2"),
        ({}, [0, None, 1], [0.1, 0.2, 0.3], "'label' has 1 missing"),
        ({}, [0, 1, 1], ["a", "b", "c"], "'predict_score' holds something other than numbers"),
    ],
)
def test_what_cannot_be_scored_is_said(
    params: dict[str, Any], label: list[Any], score: list[Any], text: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=text):
        evaluate(guest, params, predictions(label, score))


def test_a_table_without_predictions_is_refused(guest: Party) -> None:
    with pytest.raises(DataError, match="Evaluation needs the column 'predict_score'; there are id, label, x"):
        evaluate(guest, {}, Table(pa.table({"id": ["a"], "label": [1], "x": [0.5]}), "id", "label"))
    with pytest.raises(DataError, match="no predictions to evaluate at guest-9999"):
        Federation([guest]).run("Evaluation")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"eval_type": "multi"}, "/Evaluation/eval_type"),
        ({"metrics": ["aux"]}, "/Evaluation/metrics: metrics: there is no metric 'aux' for eval_type binary"),
        ({"eval_type": "regression", "metrics": ["auc"]}, "no metric 'auc' for eval_type regression"),
        ({"unfold_multi_result": True}, "/Evaluation/unfold_multi_result"),
    ],
)
def test_what_is_not_known_is_refused(params: dict[str, Any], text: str, guest: Party) -> None:
    with pytest.raises(DslError) as caught:
        Federation([guest]).run("Evaluation", params)
    assert text in str(caught.value)
