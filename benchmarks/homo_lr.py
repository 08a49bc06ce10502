"""HomoLR on FATE's breast-cancer rows, two data parties and an arbiter in one process, and beside NumPy on pooled rows.

    python benchmarks/homo_lr.py [--data ../shared/fate-data] [--rounds 10] [--json]

The baseline is the same training on the pooled rows in NumPy: what the federation costs is the rest. How it grows with
the columns and the parties follows, on made-up rows.
"""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from report import Report, arguments, seconds

ARBITER = Party.parse("arbiter-10000")
RATE, ALPHA = 0.15, 0.01


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "fate-data")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    report = Report("HomoLR, full batches", options.json)
    if options.data.is_dir():
        breast(report, options.data, options.rounds)
    else:
        print(f"FATE's data are not in {options.data}")
    growth(report, options.rounds)
    report.print()


def breast(report: Report, folder: Path, rounds: int) -> None:
    parts = [read(folder / f"breast_homo_{name}.csv") for name in ("guest", "host", "test")]
    features, label = (np.concatenate([part[place] for part in parts[:2]]) for place in (0, 1))
    measure(report, f"breast, {len(label)} rows x {features.shape[1]}, {rounds} rounds", parts[:2], rounds)
    results, _ = fit(parts[:2], rounds)
    expected = pooled(features, label, rounds)
    found = results[min(results)].summary
    weights = np.array([*found["coef"].values(), found["intercept"]])
    report.add("  largest difference to the pooled training", float(np.abs(weights - expected).max()), "")
    test, answer = parts[2]
    report.add("  AUC on the test rows", float(roc_auc_score(answer, test @ weights[:-1] + weights[-1])), "")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add("  bytes sent by all, per round", sent / rounds, "B")


def growth(report: Report, rounds: int) -> None:
    rng = np.random.default_rng(0)
    for parties, columns in ((2, 100), (2, 1000), (4, 100), (8, 100)):
        parts = []
        for _ in range(parties):
            features = rng.normal(size=(2000, columns))
            parts.append((features, (features.sum(axis=1) > 0).astype(int)))
        measure(report, f"{parties} parties with 2,000 rows x {columns}, {rounds} rounds", parts, rounds)


def measure(report: Report, name: str, parts: list[tuple[np.ndarray, np.ndarray]], rounds: int) -> None:
    """Best wall time of three runs, beside that of the pooled training, and their mean CPU time."""
    features, label = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    used = resource.getrusage(resource.RUSAGE_SELF)
    before = used.ru_utime + used.ru_stime
    took = min(fit(parts, rounds)[1] for _ in range(3))
    used = resource.getrusage(resource.RUSAGE_SELF)
    report.add(name, took, "s", seconds(lambda: pooled(features, label, rounds)))
    report.add("  CPU seconds", (used.ru_utime + used.ru_stime - before) / 3, "s")


def read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    with file.open() as lines:
        rows = np.array([list(map(float, row[1:])) for row in list(csv.reader(lines))[1:]])
    return rows[:, 1:], rows[:, 0]


def fit(parts: list[tuple[np.ndarray, np.ndarray]], rounds: int) -> tuple[Mapping[Party, PartyResult], float]:
    """What the data parties have at the end, and seconds: training, and predicting the training rows."""
    parties = [Party.parse(f"{'host' if place else 'guest'}-{9999 + place}") for place in range(len(parts))]
    tables = {
        party: make_table(range(len(label)), {f"x{column}": values for column, values in enumerate(features.T)}, label)
        for party, (features, label) in zip(parties, parts, strict=True)
    }
    params: dict[str, Any] = {
        "max_iter": rounds, "learning_rate": RATE, "alpha": ALPHA, "tol": 0, "optimizer": "sgd",
        "init_param": {"init_method": "zeros"},
    }  # fmt: skip
    started = time.perf_counter()
    results = Federation([*parties, ARBITER], seed=1).run("HomoLR", params, tables)
    elapsed = time.perf_counter() - started
    return {party: results[party] for party in parties}, elapsed


def pooled(features: np.ndarray, label: np.ndarray, rounds: int) -> np.ndarray:
    """The same training by one who has all rows."""
    values, sign = np.column_stack([features, np.ones(len(features))]), np.where(label == 1, 1.0, -1.0)
    weights, shrinks = np.zeros(values.shape[1]), np.append(np.ones(features.shape[1]), 0.0)
    for number in range(rounds):
        gradient = values.T @ (-sign / (1 + np.exp(sign * (values @ weights)))) / len(sign)
        weights = weights - RATE / np.sqrt(1 + number) * (gradient + ALPHA * shrinks * weights)
    return weights


if __name__ == "__main__":
    main()
