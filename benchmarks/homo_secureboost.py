"""HomoSecureBoost on FATE's default_credit rows, divided among two data parties, and beside scikit-learn on all rows.

    python benchmarks/homo_secureboost.py [--data ../shared/fate-data] [--trees 10] [--json]

All three parties share the machine. The baseline is scikit-learn's histogram boosting of the pooled rows on one core,
with as many trees, bins and levels: what the federation costs is the rest. How it grows with columns and parties
follows, on made-up rows.
"""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from report import Report, arguments, seconds

ARBITER = Party.parse("arbiter-10000")
RATE, DEPTH, BINS = 0.3, 3, 32


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "fate-data")
    parser.add_argument("--trees", type=int, default=10)
    options = parser.parse_args()
    report = Report(f"HomoSecureBoost, depth {DEPTH}, {BINS} bins", options.json)
    if options.data.is_dir():
        credit(report, options.data, options.trees)
    else:
        print(f"FATE's data are not in {options.data}")
    growth(report)
    report.print()


def credit(report: Report, folder: Path, trees: int) -> None:
    features, label = read(folder)
    name = f"default_credit, {len(label):,} rows x {features.shape[1]}, two parties, {trees} trees"
    results = measure(report, name, features, label, 2, trees)
    tables = [result.data.data for result in results.values()]
    answers, scores = (
        np.concatenate([table.column(column).to_numpy() for table in tables]) for column in ("label", "predict_score")
    )
    report.add("  AUC on the training rows", float(roc_auc_score(answers, scores)), "")
    pooled = sklearn_fit(features, label, trees).predict_proba(features)[:, 1]
    report.add("  AUC of scikit-learn", float(roc_auc_score(label, pooled)), "")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add("  sent by the data parties, per tree", sent / trees / 1e6, "MB")


def growth(report: Report) -> None:
    rng = np.random.default_rng(0)
    for parties, rows, columns in ((2, 20_000, 20), (2, 20_000, 80), (2, 80_000, 20), (4, 20_000, 20)):
        features = rng.normal(size=(rows, columns))
        label = (features[:, :5].sum(axis=1) + rng.normal(size=rows) > 0).astype(int)
        measure(report, f"{rows:,} rows x {columns}, {parties} parties, 5 trees", features, label, parties, 5)


def measure(
    report: Report, name: str, features: np.ndarray, label: np.ndarray, parties: int, trees: int
) -> Mapping[Party, PartyResult]:
    """One run's wall time, beside that of scikit-learn, and its CPU time."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    results, took = fit(features, label, parties, trees)
    used = resource.getrusage(resource.RUSAGE_SELF)
    report.add(name, took, "s", seconds(lambda: sklearn_fit(features, label, trees), repeats=1))
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    report.add("  CPU seconds", cpu, "s")
    return results


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The rows of both files, joined by their ids."""
    sides = []
    for side in ("guest", "host"):
        with (folder / f"default_credit_hetero_{side}.csv").open() as file:
            rows = list(csv.reader(file))[1:]
        sides.append({row[0]: [float(value) for value in row[1:]] for row in rows})
    joined = np.array([sides[0][key] + sides[1][key] for key in sorted(sides[0])])
    return joined[:, 1:], joined[:, 0].astype(int)


def fit(features: np.ndarray, label: np.ndarray, count: int, trees: int) -> tuple[Mapping[Party, PartyResult], float]:
    """What the data parties have at the end, and seconds: training, and predicting the training rows."""
    parties = [Party.parse(f"{'host' if place else 'guest'}-{9999 + place}") for place in range(count)]
    tables = {
        party: make_table(
            rows, {f"x{column}": features[rows, column] for column in range(features.shape[1])}, label[rows]
        )
        for party, rows in zip(parties, np.array_split(np.arange(len(label)), count), strict=True)
    }
    params = {
        "num_trees": trees, "bin_num": BINS, "learning_rate": RATE, "n_iter_no_change": False,
        "tree_param": {"max_depth": DEPTH},
    }  # fmt: skip
    started = time.perf_counter()
    results = Federation([*parties, ARBITER], seed=1).run("HomoSecureBoost", params, tables)
    elapsed = time.perf_counter() - started
    return {party: results[party] for party in parties}, elapsed


def sklearn_fit(features: np.ndarray, label: np.ndarray, trees: int) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=RATE, max_depth=DEPTH, max_leaf_nodes=None, max_bins=BINS, min_samples_leaf=1,
        l2_regularization=0.1, early_stopping=False,
    )  # fmt: skip
    with threadpool_limits(1):  # on a busy machine its threads wait for one another
        return model.fit(features, label)


if __name__ == "__main__":
    main()
