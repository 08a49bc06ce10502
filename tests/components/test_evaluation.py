from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from fate_federated.errors import DataError, DslError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table


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
        assert meta["values"] == {name: value for name, value in summary.items() if name != "psi"}


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
    assert isinstance(matrix["tp"][0], int)
    quantiles = tracker.meta["train", "hetero_lr_0_quantile_pr"]
    assert len(quantiles["thresholds"]) == len(quantiles["p_scores"]) == len(quantiles["r_scores"]) == 21
    assert quantiles["thresholds"] == sorted(quantiles["thresholds"])
    assert all(negative == 0 for negative, _ in quantiles["p_scores"])


def test_curves_begin_with_no_row_and_end_with_all(guest: Party, rows: Table) -> None:
    metrics = evaluate(guest, {}, rows).metrics
    for name in ("roc", "ks_fpr", "ks_tpr", "gain"):
        points = metrics["train", f"hetero_lr_0_{name}"]
        assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert metrics["train", "hetero_lr_0_lift"][-1] == (1.0, 1.0)
    assert metrics["train", "hetero_lr_0_precision"][0] == (0.0, 1.0)
    gap = [
        high - low
        for (_, low), (_, high) in zip(
            metrics["train", "hetero_lr_0_ks_fpr"], metrics["train", "hetero_lr_0_ks_tpr"], strict=True
        )
    ]
    assert max(gap) == evaluate(guest, {}, rows).summary["hetero_lr_0"]["train"]["ks"]


def test_psi_compares_validation_scores_with_training_scores(guest: Party, rows: Table) -> None:
    result = evaluate(guest, {}, rows)
    meta = result.tracker.meta["validate", "hetero_lr_0_psi"]
    assert meta["metric_type"] == "PSI"
    assert meta["total_psi"] == pytest.approx(sum(meta["psi_scores"]), abs=1e-12)
    assert result.summary["hetero_lr_0"]["validate"]["psi"] == meta["total_psi"]
    assert sum(meta["expected_interval"]) == 300
    assert sum(meta["actual_interval"]) == 100
    assert sum(meta["expected_percentage"]) == pytest.approx(1.0)
    lists = ("intervals", "actual_percentage", "train_pos_perc", "validate_pos_perc", "psi_scores")
    assert {len(meta[name]) for name in lists} == {len(meta["expected_interval"])}
    assert "psi" not in result.summary["hetero_lr_0"]["train"]


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
    assert result.summary["hetero_linr_0"]["validate"]["mean_absolute_error"] == pytest.approx(0.5)
    assert set(result.summary["hetero_linr_0"]["validate"]) == {
        "explained_variance", "mean_absolute_error", "mean_squared_error", "mean_squared_log_error",
        "median_absolute_error", "r2_score", "root_mean_squared_error",
    }  # fmt: skip
    short = evaluate(guest, {"eval_type": "regression", "metrics": ["rmse", "R2"]}, table).summary["hetero_lr_0"]
    assert set(short["validate"]) == {"root_mean_squared_error", "r2_score"}


def test_rows_count_by_their_weight(guest: Party, rows: Table) -> None:
    weight = np.random.default_rng(5).integers(0, 4, 400) / 2
    data = rows.data.append_column("weight", pa.array(weight))
    summary = evaluate(guest, {}, Table(data, "id", "label", weight_column="weight")).summary["hetero_lr_0"]
    score, part = rows.data["predict_score"].to_numpy(), slice(300, 400)
    expected = sk.roc_auc_score(rows.label[part], score[part], sample_weight=weight[part])
    assert summary["validate"]["auc"] == pytest.approx(expected, abs=1e-12)
    expected = sk.accuracy_score(rows.label[part], score[part] > 0.5, sample_weight=weight[part])
    assert summary["validate"]["accuracy"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weight", [[0.0, 0.0, 0.0], [1.0, -1.0, 1.0]])
def test_weights_that_say_nothing_are_refused(guest: Party, weight: list[float]) -> None:
    table = predictions([0, 1, 1], [0.1, 0.2, 0.3], weight=weight)
    with pytest.raises(DataError, match="weights in 'weight' are not at least 0"):
        evaluate(guest, {}, Table(table.data, "id", "label", weight_column="weight"))


def test_a_fold_of_one_class_has_what_needs_no_ranking(
    guest: Party, rows: Table, caplog: pytest.LogCaptureFixture
) -> None:
    kind = np.where(rows.label == 1, "fold_0", "fold_1").astype(object)
    kind[:100] = "fold_2"
    table = Table(rows.data.set_column(4, "type", pa.array(kind)), "id", "label")
    assert table.data.column_names == rows.data.column_names
    result = evaluate(guest, {}, table)
    summary = result.summary["hetero_lr_0"]
    assert "auc" in summary["fold_2"]
    assert set(summary["fold_0"]) == {"accuracy", "precision", "recall", "f1_score"}
    assert {name for namespace, name in result.tracker.meta if namespace == "fold_1"} == {
        "hetero_lr_0",
        "hetero_lr_0_accuracy",
        "hetero_lr_0_confusion_mat",
    }
    assert "hetero_lr_0, fold_0: all" in caplog.text
    assert "rows have the same label" in caplog.text


def test_each_fold_of_a_cross_validation_is_scored_by_itself(guest: Party, rows: Table) -> None:
    fold = np.random.default_rng(11).integers(0, 3, 400)
    table = Table(rows.data.append_column("fold", pa.array(fold)), "id", "label")
    result = evaluate(guest, {}, table)
    assert set(result.summary) == {"hetero_lr_0.0", "hetero_lr_0.1", "hetero_lr_0.2"}
    score, validated = rows.data["predict_score"].to_numpy(), np.arange(400) >= 300
    for index in range(3):
        part = (fold == index) & validated
        expected = sk.roc_auc_score(rows.label[part], score[part])
        assert result.summary[f"hetero_lr_0.{index}"]["validate"]["auc"] == pytest.approx(expected, abs=1e-12)
        assert ("validate", f"hetero_lr_0.{index}_psi") in result.tracker.meta


def test_a_table_without_rows_is_left_out_of_several(
    guest: Party, rows: Table, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = Inputs(data={"data": [predictions([], []), rows]}, sources={"data": ["hetero_lr_0", "hetero_lr_1"]})
    result = Federation([guest]).run("Evaluation", inputs={guest: inputs})[guest]
    assert set(result.summary) == {"hetero_lr_1"}
    assert "hetero_lr_0: a table without rows is left out" in caplog.text


def test_the_same_rows_of_a_component_are_not_evaluated_twice(guest: Party, rows: Table) -> None:
    inputs = Inputs(data={"data": [rows, rows]}, sources={"data": ["hetero_lr_0", "hetero_lr_0"]})
    with pytest.raises(DataError, match="hetero_lr_0 is given twice with train rows"):
        Federation([guest]).run("Evaluation", inputs={guest: inputs})


@pytest.mark.parametrize(("label", "accuracy"), [(1, 2 / 3), (0, 1 / 3)])
def test_a_single_table_of_one_class_has_what_needs_no_ranking(
    label: int, accuracy: float, guest: Party, caplog: pytest.LogCaptureFixture
) -> None:
    table = predictions([label] * 3, [0.1, 0.7, 0.8], predict_result=[0, 1, 1])
    summary = evaluate(guest, {}, table).summary["hetero_lr_0"]["train"]
    assert summary.keys() == {"accuracy", "precision", "recall", "f1_score"}
    assert summary["accuracy"] == pytest.approx(accuracy)
    assert "all 3 rows have the same label, so that there is no auc" in caplog.text
    assert ("not the one that pos_label names" in caplog.text) == (label == 0)


def test_rows_without_a_type_are_what_their_port_says(guest: Party, rows: Table) -> None:
    plain = Table(rows.data.drop_columns("type"), "id", "label")
    parts = [plain.take(np.arange(start, start + 100)) for start in (0, 100, 200)]
    ports = ("train_data", "validate_data", "test_data")
    data = {port: [part] for port, part in zip(ports, parts, strict=True)}
    inputs = Inputs(data=data, sources={port: ["hetero_lr_0"] for port in ports})
    summary = Federation([guest]).run("Evaluation", inputs={guest: inputs})[guest].summary["hetero_lr_0"]
    assert list(summary) == ["train", "validate", "predict"]
    for kind, part in zip(summary, parts, strict=True):
        expected = sk.roc_auc_score(part.label, part.data["predict_score"].to_numpy())
        assert summary[kind]["auc"] == pytest.approx(expected, abs=1e-12)
    assert "psi" in summary["validate"]


def test_a_class_without_scores_is_told(guest: Party, vehicles: Table, caplog: pytest.LogCaptureFixture) -> None:
    details = [json.loads(text) for text in vehicles.data["predict_detail"].to_pylist()]
    texts = [json.dumps({name: value for name, value in detail.items() if name != "3"}) for detail in details]
    place = vehicles.data.column_names.index("predict_detail")
    table = Table(vehicles.data.set_column(place, "predict_detail", pa.array(texts)), "id", "label")
    result = evaluate(guest, {"eval_type": "multi", "unfold_multi_result": True}, table)
    found = result.summary["hetero_lr_0"]["train"]["ovr"]
    assert found["3"] == {}
    assert all(found[name].keys() == {"auc", "ks"} for name in "012")
    assert "predict_detail has no score of the classes 3" in caplog.text


def test_no_label_is_quoted_in_an_error(guest: Party) -> None:
    with pytest.raises(DataError, match="pos_label 1 names") as caught:
        evaluate(guest, {}, predictions(["yes", "no", "no"], [0.1, 0.2, 0.3]))
    assert not {"yes", "no"} & set(str(caught.value).replace(",", "").split()[1:])


def test_labels_may_be_texts(guest: Party) -> None:
    label, score = ["good", "bad", "good", "bad"], [0.9, 0.2, 0.4, 0.6]
    table = predictions(label, score, predict_result=["good", "bad", "bad", "good"])
    summary = evaluate(guest, {"pos_label": "good"}, table).summary["hetero_lr_0"]["train"]
    assert summary["auc"] == pytest.approx(0.75)
    assert summary["accuracy"] == pytest.approx(0.5)


# Several classes


@pytest.fixture
def vehicles() -> Table:
    """Rows of four classes, with the chances of each in predict_detail."""
    rng = np.random.default_rng(7)
    label = rng.integers(0, 4, 300)
    chance = rng.dirichlet(np.ones(4), 300) + 0.5 * np.eye(4)[label]
    chance /= chance.sum(axis=1, keepdims=True)
    return predictions(
        label,
        chance.max(axis=1),
        predict_result=chance.argmax(axis=1),
        predict_detail=[json.dumps(dict(zip("0123", each, strict=True))) for each in chance.tolist()],
        type=["train"] * 200 + ["validate"] * 100,
    )


def test_decisions_between_several_classes_are_scored(guest: Party, vehicles: Table) -> None:
    result = evaluate(guest, {"eval_type": "multi"}, vehicles)
    label, predicted = vehicles.label[:200], vehicles.data["predict_result"].to_numpy()[:200]
    scores = result.summary["hetero_lr_0"]["train"]
    assert scores == pytest.approx(
        {
            "accuracy": sk.accuracy_score(label, predicted),
            "precision": sk.precision_score(label, predicted, average="macro"),
            "recall": sk.recall_score(label, predicted, average="macro"),
        },
        abs=1e-12,
    )
    precision = result.tracker.meta["train", "hetero_lr_0_precision"]
    assert precision["metric_type"] == "PRECISION_MULTI_EVALUATION"
    assert precision["classes"] == ["0", "1", "2", "3"]
    points = result.metrics["train", "hetero_lr_0_recall"]
    assert [x for x, _ in points] == [0.0, 1.0, 2.0, 3.0]
    np.testing.assert_allclose([y for _, y in points], sk.recall_score(label, predicted, average=None))
    matrix = result.tracker.meta["train", "hetero_lr_0_confusion_mat"]["matrix"]
    assert matrix == sk.confusion_matrix(label, predicted).tolist()


def test_each_class_is_scored_against_the_rest(guest: Party, vehicles: Table) -> None:
    result = evaluate(guest, {"eval_type": "multi", "unfold_multi_result": True}, vehicles)
    chance = np.array([list(json.loads(text).values()) for text in vehicles.data["predict_detail"].to_pylist()])[200:]
    label = vehicles.label[200:]
    for index in range(4):
        meta = result.tracker.meta["validate", f"hetero_lr_0_class_{index}_ovr"]
        assert (meta["metric_type"], meta["name"]) == ("ovr", "hetero_lr_0")
        expected = sk.roc_auc_score(label == index, chance[:, index])
        assert meta[str(index)]["auc"] == pytest.approx(expected, abs=1e-12)
        assert ("validate", f"hetero_lr_0_class_{index}_roc") in result.metrics
        assert result.summary["hetero_lr_0"]["validate"]["ovr"][str(index)] == meta[str(index)]


def test_classes_may_be_texts(guest: Party) -> None:
    table = predictions(["bus", "van", "bus"], [0.9, 0.8, 0.7], predict_result=["bus", "bus", "bus"])
    result = evaluate(guest, {"eval_type": "multi"}, table)
    assert result.metrics["train", "hetero_lr_0_recall"] == [(0.0, 1.0), (1.0, 0.0)]
    assert result.tracker.meta["train", "hetero_lr_0_recall"]["classes"] == ["bus", "van"]


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (["{}", '{"0": 1}', '{"0": 1}'], "'0' has 1 missing"),
        (["0.5", "0.5", "0.5"], "something other than JSON objects"),
        (["", "", '{"0": 1}'], "does not hold one JSON object in each row"),
        (['{"0": "x"}'] * 3, "'0' holds something other than numbers"),
    ],
)
def test_details_that_are_not_of_each_class_are_refused(guest: Party, details: list[str], text: str) -> None:
    table = predictions([0, 1, 2], [0.5, 0.5, 0.5], predict_result=[0, 1, 2], predict_detail=details)
    with pytest.raises(DataError, match=text):
        evaluate(guest, {"eval_type": "multi", "unfold_multi_result": True}, table)


# Clusters


def test_clusters_are_compared_with_labels(guest: Party, host: Party) -> None:
    rng = np.random.default_rng(9)
    label, cluster = rng.integers(0, 2, 100), rng.integers(0, 3, 100)
    table = make_table(range(100), {"predicted_cluster_index": cluster}, label, label_column="label")
    result = evaluate(guest, {"eval_type": "clustering"}, table, "hetero_kmeans_0")
    assert result.summary["hetero_kmeans_0"]["train"] == pytest.approx(
        {
            "jaccard_similarity_score": sk.jaccard_score(label, cluster, average="weighted"),
            "fowlkes_mallows_score": sk.fowlkes_mallows_score(label, cluster),
            "adjusted_rand_score": sk.adjusted_rand_score(label, cluster),
        },
        abs=1e-12,
    )
    assert result.tracker.meta["train", "hetero_kmeans_0"]["metric_type"] == "CLUSTERING_EVALUATION_SUMMARY"
    table_of = result.tracker.meta["train", "hetero_kmeans_0_contingency_matrix"]
    assert table_of["metric_type"] == "CONTINGENCY_MATRIX"
    assert (table_of["true_labels"], table_of["predicted_labels"]) == ([0, 1], [0, 1, 2])
    assert table_of["result_table"] == sk.cluster.contingency_matrix(label, cluster).tolist()
    unlabelled = make_table(range(100), {"predicted_cluster_index": cluster})
    assert evaluate(guest, {"eval_type": "clustering"}, unlabelled).summary == {"hetero_lr_0": {}}


def test_the_shape_of_clusters_is_scored(guest: Party) -> None:
    centres = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    table = make_table(
        range(3),
        {
            "cluster_inner_dist": [0.5, 1.0, 0.25],
            "cluster_max_radius": [1.0, 2.0, 0.5],
            "inter_cluster_dist": pa.array(np.linalg.norm(centres[:, None] - centres, axis=2).tolist()),
        },
    )
    result = evaluate(guest, {"eval_type": "clustering"}, table, "hetero_kmeans_0")
    expected = (0.75 / 1 + 1.5 / 5 + 0.75 / 1) / 3
    assert result.summary["hetero_kmeans_0"]["train"]["davies_bouldin_index"] == pytest.approx(expected)
    measure = result.tracker.meta["train", "hetero_kmeans_0_distance_measure"]
    assert measure["cluster_index"] == ["0", "1", "2"]
    assert measure["radius"] == [1.0, 2.0, 0.5]
    assert measure["nearest_idx"] == [2, 2, 0]


@pytest.mark.parametrize("distances", [[[1.0], [0.0]], [1.0, 2.0]])
def test_distances_between_some_clusters_are_refused(guest: Party, distances: Any) -> None:
    columns = {"cluster_inner_dist": [0.5, 1.0], "cluster_max_radius": [1.0, 2.0], "inter_cluster_dist": distances}
    with pytest.raises(DataError, match="does not hold a list of 2 distances for each cluster"):
        evaluate(guest, {"eval_type": "clustering"}, make_table(range(2), columns))


def test_several_components_are_scored_apart(guest: Party, rows: Table) -> None:
    inputs = Inputs(data={"data": [rows, rows]}, sources={"data": ["hetero_lr_0", "hetero_lr_1"]})
    result = Federation([guest]).run("Evaluation", inputs={guest: inputs})[guest]
    assert result.summary["hetero_lr_0"] == result.summary["hetero_lr_1"]


def test_other_parties_score_the_predictions_that_they_have(guest: Party, host: Party, rows: Table) -> None:
    arbiter = Party.parse("arbiter-10000")
    features = make_table(range(3), {"x0": [1.0, 2.0, 3.0]})
    unlabelled = make_table(range(3), {"label": pa.nulls(3, pa.int64()), "predict_score": [0.1, 0.2, 0.3]})
    federation = Federation([guest, host, arbiter])
    for table in (features, unlabelled):
        results = federation.run("Evaluation", inputs={guest: rows, host: table})
        assert results[guest].summary["data"]["train"]["auc"] > 0.5
        assert results[host].summary == results[arbiter].summary == {}
    homogeneous = federation.run("Evaluation", inputs={guest: rows, host: rows})
    assert homogeneous[host].summary == homogeneous[guest].summary


def test_the_log_names_the_figures(guest: Party, rows: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    auc = evaluate(guest, {}, rows).summary["hetero_lr_0"]["train"]["auc"]
    assert f"hetero_lr_0, train, 300 rows: auc {auc:.6f}" in caplog.text


@pytest.mark.parametrize(
    ("params", "label", "score", "text"),
    [
        ({}, [0, 1, 2], [0.1, 0.2, 0.3], "have 3 labels"),
        ({"pos_label": 2}, [0, 1, 1], [0.1, 0.2, 0.3], "pos_label 2"),
        ({}, [0, 1, 1], [0.1, None, 0.3], "'predict_score' has 1 missing or infinite values, the first in row 2"),
        ({}, [0, None, 1], [0.1, 0.2, 0.3], "'label' has 1 missing"),
        ({}, [0, 1, 1], ["a", "b", "c"], "'predict_score' holds something other than numbers"),
        ({}, [0, 1, 1], [0.1, float("nan"), float("inf")], "'predict_score' has 2 missing or infinite values"),
        ({}, [None, None, None], [0.1, 0.2, 0.3], "train rows of hetero_lr_0 have no label"),
        ({}, ["a", None, "b"], [0.1, 0.2, 0.3], "'label' has 1 missing values, the first in row 2"),
        ({"pos_label": "good"}, [0, 1, 1], [0.1, 0.2, 0.3], "label that pos_label good names. Set pos_label"),
        ({"eval_type": "multi"}, [0, 1, 2], [0.1, 0.2, 0.3], "needs the column 'predict_result'"),
        ({}, [], [], "no rows to evaluate: the tables of hetero_lr_0 are empty"),
    ],
)
def test_what_cannot_be_scored_is_said(
    params: dict[str, Any], label: list[Any], score: list[Any], text: str, guest: Party
) -> None:
    with pytest.raises(DataError, match=text):
        evaluate(guest, params, predictions(label, score))


def test_a_table_without_predictions_is_refused(guest: Party) -> None:
    with pytest.raises(DataError, match="Evaluation needs the column 'predict_score'; there are id, label"):
        evaluate(guest, {}, Table(pa.table({"id": ["a", "b"], "label": [1, 0], "x": [0.5, 1]}), "id", "label"))
    with pytest.raises(DataError, match="no predictions to evaluate at guest-9999"):
        Federation([guest]).run("Evaluation")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"eval_type": "ranking"}, "/Evaluation/eval_type"),
        ({"eval_type": "multi", "metrics": ["ks"]}, "no metric 'ks' for eval_type multi"),
        ({"metrics": ["aux"]}, "/Evaluation/metrics: metrics: there is no metric 'aux' for eval_type binary"),
        ({"eval_type": "regression", "metrics": ["auc"]}, "no metric 'auc' for eval_type regression"),
        ({"unfold_multi_result": 1}, "/Evaluation/unfold_multi_result"),
    ],
)
def test_what_is_not_known_is_refused(params: dict[str, Any], text: str, guest: Party) -> None:
    with pytest.raises(DslError) as caught:
        Federation([guest]).run("Evaluation", params)
    assert text in str(caught.value)
