"""Evaluation of many predictions: seconds and the memory that it takes beside the table, for each eval_type.

    python benchmarks/evaluation.py [--json] [--rows 1000000]

The baseline is what scikit-learn takes for the figures alone, without curves and tables; that of memory is 1 GB. Each
eval_type runs in a process of its own, whose peak of memory is read before and after.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn import metrics as sk

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table
from report import Report, arguments, seconds

GUEST = Party.parse("guest-9999")
Work = tuple[dict[str, Any], Table, Callable[[], object]]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    report = Report(f"Evaluation of {options.rows:,} rows, all metrics, {os.cpu_count()} cores", options.json)
    spawn = multiprocessing.get_context("spawn")
    for name in WORKS:
        with spawn.Pool(1) as pool:
            took, baseline, before, peak = pool.apply(measure, (name, options.rows))
        report.add(name, took, "s", baseline)
        report.add(f"{name}: peak memory of the process", peak / 1e6, "MB", 1000)
        report.add(f"{name}: of that before evaluating", before / 1e6, "MB")
    report.print()


def measure(name: str, rows: int) -> tuple[float, float, int, int]:
    """Seconds, seconds of the baseline, and the most bytes in memory before and after the evaluation."""
    params, table, baseline = WORKS[name](rows)
    inputs = {GUEST: Inputs(data={"data": [table]}, sources={"data": ["hetero_lr_0"]})}
    federation = Federation([GUEST])
    before = peak_bytes()
    took = seconds(lambda: federation.run("Evaluation", params, inputs))
    peak = peak_bytes()
    return took, seconds(baseline, repeats=1), before, peak


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def binary(rows: int, weighted: bool = False) -> Work:
    """Half of the rows are training, half validation rows; a third of all have the label 1."""
    rng = np.random.default_rng(0)
    label = (rng.random(rows) < 0.3).astype(np.int64)
    score = np.clip(0.2 * label + rng.normal(0.4, 0.2, rows), 0, 1)
    weight = rng.integers(1, 5, rows) / 4
    table = make_table(
        np.arange(rows),
        {
            "predict_score": score,
            "predict_result": score > 0.5,
            "type": np.where(np.arange(rows) < rows // 2, "train", "validate"),
            "weight": weight,
        },
        label,
        label_column="label",
    )
    given = weight if weighted else None

    def scikit_learn() -> None:
        for part in (slice(0, rows // 2), slice(rows // 2, rows)):
            sample = {"sample_weight": None if given is None else given[part]}
            sk.roc_auc_score(label[part], score[part], **sample)
            sk.roc_curve(label[part], score[part], **sample)
            sk.precision_recall_fscore_support(label[part], score[part] > 0.5, average="binary", **sample)
            sk.accuracy_score(label[part], score[part] > 0.5, **sample)

    return {}, Table(table.data, "id", "label", weight_column="weight" if weighted else None), scikit_learn


def weighted(rows: int) -> Work:
    """The same with weights."""
    return binary(rows, weighted=True)


def regression(rows: int) -> Work:
    """Predictions of numbers."""
    rng = np.random.default_rng(0)
    label = rng.gamma(2.0, size=rows)
    score = label + rng.normal(0, 0.1, rows).clip(-0.5, 0.5)

    def scikit_learn() -> None:
        for metric in (
            sk.explained_variance_score,
            sk.mean_absolute_error,
            sk.mean_squared_error,
            sk.mean_squared_log_error,
            sk.median_absolute_error,
            sk.r2_score,
        ):
            metric(label, score)

    table = make_table(np.arange(rows), {"predict_score": score}, label, label_column="label")
    return {"eval_type": "regression"}, table, scikit_learn


def multi(rows: int) -> Work:
    """Four classes, with each class against the rest."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, rows)
    chance = rng.random((rows, 4)) + np.eye(4)[label]
    chance /= chance.sum(axis=1, keepdims=True)
    predicted = chance.argmax(axis=1)
    texts = [pa.array(chance[:, index]).cast(pa.string()) for index in range(4)]
    details = pc.binary_join_element_wise(
        '{"0": ', texts[0], ', "1": ', texts[1], ', "2": ', texts[2], ', "3": ', texts[3], "}", ""
    )
    columns = {"predict_score": chance.max(axis=1), "predict_result": predicted, "predict_detail": details}

    def scikit_learn() -> None:
        sk.accuracy_score(label, predicted)
        sk.precision_recall_fscore_support(label, predicted, average=None)
        sk.confusion_matrix(label, predicted)
        for index in range(4):
            sk.roc_auc_score(label == index, chance[:, index])
            sk.roc_curve(label == index, chance[:, index])

    table = make_table(np.arange(rows), columns, label, label_column="label")
    return {"eval_type": "multi", "unfold_multi_result": True}, table, scikit_learn


def clustering(rows: int) -> Work:
    """Ten clusters against five labels."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 10, rows)
    label = np.where(rng.random(rows) < 0.7, cluster % 5, rng.integers(0, 5, rows))

    def scikit_learn() -> None:
        sk.adjusted_rand_score(label, cluster)
        sk.fowlkes_mallows_score(label, cluster)
        sk.jaccard_score(label, cluster, average="weighted", zero_division=0.0)

    table = make_table(np.arange(rows), {"predicted_cluster_index": cluster}, label, label_column="label")
    return {"eval_type": "clustering"}, table, scikit_learn


WORKS: dict[str, Callable[[int], Work]] = {
    "binary": binary,
    "binary, weighted": weighted,
    "regression": regression,
    "multi, one against the rest": multi,
    "clustering": clustering,
}

if __name__ == "__main__":
    main()
