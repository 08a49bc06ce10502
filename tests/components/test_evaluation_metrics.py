"""The arithmetic of Evaluation against scikit-learn and SciPy: with ties, weights, and rows of one class."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.stats import entropy
from sklearn import metrics as sk

from fate_components.evaluation.binary import CURVE_POINTS, Ranking, decided, rank
from fate_components.evaluation.clustering import Agreement, Shape
from fate_components.evaluation.multiclass import MOST_CLASSES, confusion, cross_table, encoded
from fate_components.evaluation.regression import regression_metrics
from fate_components.evaluation.stability import stability
from fate_federated.errors import DataError

against_scikit_learn = settings(max_examples=40, deadline=None)
exactly = {"abs": 1e-9, "rel": 1e-9}
Rows = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@st.composite
def weights(draw: st.DrawFn, rows: int) -> np.ndarray | None:
    """None, or weights of which some are 0."""
    if draw(st.booleans()):
        return None
    found = draw(npst.arrays(np.int64, rows, elements=st.integers(0, 8)))
    return None if not found.any() else found / 4


@st.composite
def ranked_rows(draw: st.DrawFn) -> Rows:
    """Labels of both classes, scores with many ties, and perhaps weights."""
    rows = draw(st.integers(2, 60))
    positive = draw(npst.arrays(np.bool_, rows).filter(lambda mask: mask.any() and not mask.all()))
    levels = draw(st.sampled_from([2, 5, 1000]))
    score = draw(npst.arrays(np.int64, rows, elements=st.integers(0, levels))) / levels
    weight = draw(weights(rows))
    if weight is not None and not (weight[positive].any() and weight[~positive].any()):
        weight = None
    return positive, score, weight


@against_scikit_learn
@given(rows=ranked_rows())
def test_auc_and_ks_are_scikit_learns(rows: Rows) -> None:
    positive, score, weight = rows
    ranking = rank(positive, score, weight)
    fpr, tpr, _ = sk.roc_curve(positive, score, sample_weight=weight, drop_intermediate=False)
    assert ranking.auc == pytest.approx(sk.roc_auc_score(positive, score, sample_weight=weight), **exactly)
    assert ranking.ks == pytest.approx((tpr - fpr).max(), **exactly)


@against_scikit_learn
@given(rows=ranked_rows())
def test_the_roc_curve_is_scikit_learns(rows: Rows) -> None:
    positive, score, weight = rows
    fpr, tpr, thresholds = rank(positive, score, weight).roc()
    expected = sk.roc_curve(positive, score, sample_weight=weight, drop_intermediate=False)
    at = np.searchsorted(-expected[2][1:], -thresholds[1:]) + 1
    np.testing.assert_allclose(fpr[1:], expected[0][at], atol=1e-12)
    np.testing.assert_allclose(tpr[1:], expected[1][at], atol=1e-12)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert thresholds[0] > (score if weight is None else score[weight > 0]).max()
    assert sk.auc(fpr, tpr) == pytest.approx(sk.auc(expected[0], expected[1]), **exactly)


@against_scikit_learn
@given(rows=ranked_rows())
def test_every_cut_is_scikit_learns_confusion_matrix(rows: Rows) -> None:
    positive, score, weight = rows
    ranking = rank(positive, score, weight)
    counted = score if weight is None else score[weight > 0]
    assert set(ranking.table().thresholds) == set(np.quantile(counted, np.linspace(1, 0, 100), method="nearest"))
    assert (np.diff(ranking.table().thresholds) < 0).all()
    shares = np.linspace(0, 1, 21)
    assert ranking.quantiles(shares).thresholds.tolist() == np.quantile(counted, shares, method="nearest").tolist()
    assert set(ranking.curve().thresholds[1:]) == set(counted)
    total = positive.size if weight is None else weight.sum()
    for cuts, start in ((ranking.table(), 0), (ranking.curve(), 1), (ranking.quantiles(shares), 0)):
        for index in range(start, cuts.thresholds.size):
            predicted = score >= cuts.thresholds[index]
            (tn, fp), (fn, tp) = sk.confusion_matrix(positive, predicted, labels=[False, True], sample_weight=weight)
            assert cuts.true_positives[index] == pytest.approx(tp, **exactly)
            assert cuts.false_positives[index] == pytest.approx(fp, **exactly)
            assert cuts.true_negatives[index] == pytest.approx(tn, **exactly)
            assert cuts.false_negatives[index] == pytest.approx(fn, **exactly)
            # scikit-learn's own scores of each cut, by definition of the counts above.
            assert cuts.precision[index] == pytest.approx(tp / (tp + fp), **exactly)
            assert cuts.recall[index] == pytest.approx(tp / (tp + fn), **exactly)
            assert cuts.false_positive_rate[index] == pytest.approx(fp / (fp + tn), **exactly)
            assert cuts.accuracy[index] == pytest.approx((tp + tn) / total, **exactly)
            assert cuts.f1[index] == pytest.approx(2 * tp / (2 * tp + fp + fn), **exactly)
            assert cuts.lift[index] == pytest.approx(tp / (tp + fp) / ((tp + fn) / total), **exactly)
            assert cuts.share[index] == pytest.approx((tp + fp) / total, **exactly)


@against_scikit_learn
@given(rows=ranked_rows())
def test_precision_and_recall_are_scikit_learns_curve(rows: Rows) -> None:
    positive, score, weight = rows
    curve = rank(positive, score, weight).curve()
    if weight is not None:
        positive, score, weight = (values[weight > 0] for values in (positive, score, weight))
    precision, recall, thresholds = sk.precision_recall_curve(positive, score, sample_weight=weight)
    np.testing.assert_array_equal(curve.thresholds[1:], thresholds[::-1])
    np.testing.assert_allclose(curve.precision, precision[::-1], atol=1e-12)
    np.testing.assert_allclose(curve.recall, recall[::-1], atol=1e-12)


@against_scikit_learn
@given(rows=ranked_rows(), threshold=st.floats(-0.5, 1.5))
def test_decisions_are_scored_as_by_scikit_learn(rows: Rows, threshold: float) -> None:
    positive, score, weight = rows
    predicted = score > threshold
    given_weight = {"sample_weight": weight}
    assert decided(positive, predicted, weight) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(positive, predicted, **given_weight),
            "precision": sk.precision_score(positive, predicted, zero_division=0.0, **given_weight),
            "recall": sk.recall_score(positive, predicted, **given_weight),
            "f1_score": sk.f1_score(positive, predicted, **given_weight),
        },
        **exactly,
    )


@pytest.mark.parametrize("label", [True, False])
def test_rows_of_one_class_have_cuts_but_no_ranking(label: bool) -> None:
    score = np.array([0.1, 0.7, 0.7, 0.9])
    ranking = rank(np.full(4, label), score)
    assert not ranking.has_both_classes
    assert ranking.curve().recall.tolist() == ([0.0, 0.25, 0.75, 1.0] if label else [0.0] * 4)
    assert ranking.curve().accuracy.tolist() == ([0.0, 0.25, 0.75, 1.0] if label else [1.0, 0.75, 0.25, 0.0])
    assert ranking.curve().lift[1:].tolist() == [float(label)] * 3


def test_long_curves_are_thinned_and_exact_at_their_ends_and_where_ks_is() -> None:
    rng = np.random.default_rng(0)
    positive, score = rng.random(50_000) < 0.3, rng.random(50_000)
    ranking = rank(positive, score)
    fpr, tpr, _ = ranking.roc()
    assert fpr.size == CURVE_POINTS
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert sk.auc(fpr, tpr) == pytest.approx(sk.roc_auc_score(positive, score), abs=1e-4)
    curve = ranking.curve()
    assert CURVE_POINTS - 5 <= curve.thresholds.size <= CURVE_POINTS
    assert (curve.share[0], curve.recall[0], curve.false_positive_rate[0]) == (0, 0, 0)
    assert (curve.share[-1], curve.recall[-1], curve.false_positive_rate[-1], curve.lift[-1]) == (1, 1, 1, 1)
    assert (curve.recall - curve.false_positive_rate).max() == ranking.ks
    assert (np.diff(curve.thresholds) < 0).all()


def test_the_first_threshold_is_above_even_the_largest_scores() -> None:
    ranking = rank(np.array([True, False]), np.array([1e300, 2.0]))
    assert ranking.roc()[2][0] > 1e300
    assert ranking.curve().thresholds[0] > 1e300


# Stability


def ranking_of(score: np.ndarray, weight: np.ndarray | None = None) -> Ranking:
    return rank(score > score.mean(), score, weight)


def test_psi_is_the_symmetric_relative_entropy_of_scipy() -> None:
    rng = np.random.default_rng(1)
    train, validate = rng.normal(size=5000), rng.normal(0.3, 1.2, size=4000)
    weight = rng.integers(1, 4, 4000) / 2
    edges = np.unique(np.quantile(train, np.linspace(0, 1, 21), method="nearest"))
    interior = np.concatenate(([-np.inf], edges[1:-1], [np.inf]))
    for given_weight in (None, weight):
        table = stability(ranking_of(train), ranking_of(validate, given_weight))
        expected = np.histogram(train, interior)[0]
        actual = np.histogram(validate, interior, weights=given_weight)[0]
        np.testing.assert_array_equal(table.edges, edges)
        np.testing.assert_allclose(table.expected, expected)
        np.testing.assert_allclose(table.actual, actual)
        assert table.psi.sum() == pytest.approx(entropy(actual, expected) + entropy(expected, actual), **exactly)
        positive = np.histogram(
            validate[validate > validate.mean()],
            interior,
            weights=None if given_weight is None else given_weight[validate > validate.mean()],
        )[0]
        np.testing.assert_allclose(table.actual_positive, positive / actual)
    assert table.intervals[0].startswith("[")
    assert [text[-1] for text in table.intervals] == [")"] * 19 + ["]"]


@against_scikit_learn
@given(
    train=npst.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 6)),
    validate=npst.arrays(np.int64, st.integers(1, 40), elements=st.integers(-3, 9)),
)
def test_no_row_is_lost_to_psi_whatever_the_ties(train: np.ndarray, validate: np.ndarray) -> None:
    table = stability(ranking_of(train.astype(float)), ranking_of(validate.astype(float)))
    assert table.expected.sum() == train.size
    assert table.actual.sum() == validate.size
    assert len(table.intervals) == table.psi.size
    assert (table.psi >= 0).all()
    same = stability(ranking_of(train.astype(float)), ranking_of(train.astype(float)))
    assert same.psi.sum() == 0.0


# Regression


@st.composite
def predicted_numbers(draw: st.DrawFn) -> Rows:
    rows = draw(st.integers(1, 30))
    label, predicted = draw(npst.arrays(np.float64, (2, rows), elements=st.integers(-3, 50).map(lambda x: x / 4)))
    return label, predicted, draw(weights(rows))


@against_scikit_learn
@given(rows=predicted_numbers())
def test_regression_metrics_are_scikit_learns(rows: Rows) -> None:
    label, predicted, weight = rows
    given_weight = {"sample_weight": weight}
    found = regression_metrics(label, predicted, weight)
    expected = {
        "explained_variance": sk.explained_variance_score(label, predicted, **given_weight),
        "mean_absolute_error": sk.mean_absolute_error(label, predicted, **given_weight),
        "mean_squared_error": sk.mean_squared_error(label, predicted, **given_weight),
        "mean_squared_log_error": sk.mean_squared_log_error(label, predicted, **given_weight),
        "median_absolute_error": sk.median_absolute_error(label, predicted, **given_weight),
        "root_mean_squared_error": sk.root_mean_squared_error(label, predicted, **given_weight),
        "r2_score": sk.r2_score(label, predicted, **given_weight) if label.size > 1 else found["r2_score"],
    }
    assert found == pytest.approx(expected, **exactly)


def test_there_is_no_log_error_of_numbers_that_have_no_log() -> None:
    assert "mean_squared_log_error" not in regression_metrics(np.array([-1.0, 2.0]), np.array([0.0, 2.0]))


# Several classes


@st.composite
def decisions(draw: st.DrawFn) -> Rows:
    rows = draw(st.integers(1, 50))
    label, predicted = draw(npst.arrays(np.int64, (2, rows), elements=st.integers(-1, 4)))
    return label, predicted, draw(weights(rows))


@against_scikit_learn
@given(rows=decisions(), as_texts=st.booleans())
def test_decisions_between_classes_are_scored_as_by_scikit_learn(rows: Rows, as_texts: bool) -> None:
    label, predicted, weight = rows
    table = confusion(pa.array(label.astype(str) if as_texts else label), pa.array(predicted.astype(float)), weight)
    if as_texts:
        label, predicted = label.astype(str), predicted.astype(str)
    assert list(table.classes) == np.unique(np.concatenate([label, predicted])).tolist()
    given_weight = {"sample_weight": weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(table.matrix, sk.confusion_matrix(label, predicted, **given_weight))
        scores = {"average": None, "zero_division": 0.0, **given_weight}
        np.testing.assert_allclose(table.precision, sk.precision_score(label, predicted, **scores), atol=1e-9)
        np.testing.assert_allclose(table.recall, sk.recall_score(label, predicted, **scores), atol=1e-9)
        jaccard = sk.jaccard_score(label, predicted, average="weighted", zero_division=0.0, **given_weight)
    assert table.accuracy == pytest.approx(sk.accuracy_score(label, predicted, **given_weight), **exactly)
    assert table.jaccard == pytest.approx(jaccard, **exactly)


def test_numbers_are_no_classes() -> None:
    with pytest.raises(DataError, match="1001 different labels"):
        encoded(pa.array(np.arange(MOST_CLASSES + 1)))


# Clusters


@against_scikit_learn
@given(rows=decisions())
def test_clusters_are_compared_with_labels_as_by_scikit_learn(rows: Rows) -> None:
    label, cluster, _ = rows
    (labels, label_codes), (clusters, cluster_codes) = encoded(pa.array(label)), encoded(pa.array(cluster))
    agreement = Agreement(cross_table(label_codes, cluster_codes, len(labels), len(clusters)))
    np.testing.assert_array_equal(agreement.contingency, sk.cluster.contingency_matrix(label, cluster))
    assert agreement.adjusted_rand == pytest.approx(sk.adjusted_rand_score(label, cluster), **exactly)
    assert agreement.fowlkes_mallows == pytest.approx(sk.fowlkes_mallows_score(label, cluster), **exactly)


def test_pairs_of_many_rows_do_not_overflow() -> None:
    rows = 4_000_000_000
    agreement = Agreement(np.array([[rows, rows // 4], [rows // 4, rows]]))
    smaller = Agreement(np.array([[400_000, 100_000], [100_000, 400_000]]))
    assert agreement.adjusted_rand == pytest.approx(smaller.adjusted_rand, abs=1e-5)
    assert agreement.fowlkes_mallows == pytest.approx(smaller.fowlkes_mallows, abs=1e-5)


@against_scikit_learn
@given(seed=st.integers(0, 1000), clusters=st.integers(2, 6))
def test_davies_bouldin_is_scikit_learns(seed: int, clusters: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(60, 3))
    cluster = np.concatenate([np.arange(clusters), rng.integers(0, clusters, 60 - clusters)])
    centres = np.array([features[cluster == index].mean(axis=0) for index in range(clusters)])
    away = np.linalg.norm(features - centres[cluster], axis=1)
    shape = Shape(
        np.array([away[cluster == index].mean() for index in range(clusters)]),
        np.linalg.norm(centres[:, None] - centres, axis=2),
    )
    assert shape.davies_bouldin == pytest.approx(sk.davies_bouldin_score(features, cluster), **exactly)
    others = np.where(np.eye(clusters, dtype=bool), np.inf, shape.distance)
    assert shape.nearest.tolist() == others.argmin(axis=1).tolist()


def test_a_single_cluster_has_no_davies_bouldin_index() -> None:
    shape = Shape(np.array([1.0]), np.zeros((1, 1)))
    assert np.isnan(shape.davies_bouldin)
    assert shape.nearest.tolist() == [0]
