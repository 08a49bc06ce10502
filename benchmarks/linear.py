"""HeteroLR, HeteroLinR and HeteroPoisson on FATE's own data: time of all three parties in one process, and quality.

    python benchmarks/linear.py [--data ../shared/fate-data] [--bits 2048] [--json]

Baseline of default_credit: FATE 2.2 standalone's task of 10,000 rows x (20 + 20), one epoch, 1024-bit keys, on a
similar machine of two cores: 151 s. Quality is to be compared with scikit-learn's fit of the same data: default_credit
AUC 0.717, motor R² 0.903, dvisits RMSE 0.733.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score, roc_curve, root_mean_squared_error

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from report import Report, arguments

GUEST, HOST, ARBITER = (Party.parse(text) for text in ("guest-9999", "host-10000", "arbiter-10000"))
FATE_SECONDS = 151.0


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "fate-data")
    parser.add_argument("--bits", type=int, default=2048, help="key length of the timed run; the others have 1024")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"FATE's data are not in {options.data}")
        return
    report = Report("The linear family on FATE's data", options.json)
    credit(report, options.data, options.bits)
    growth(report, options.bits)
    motor(report, options.data)
    visits(report, options.data)
    report.print()


def read(folder: Path, name: str, label: str) -> tuple[dict[Party, Any], np.ndarray]:
    """Both parties' tables, in the order of the files, which have the same ids."""
    tables, y = {}, np.empty(0)
    for party, side in ((GUEST, "guest"), (HOST, "host")):
        with (folder / f"{name}_hetero_{side}.csv").open() as file:
            lines = csv.reader(file)
            header = next(lines)[1:]
            rows = {line[0]: [float(value) for value in line[1:]] for line in lines}
        ids = sorted(rows)
        values = np.array([rows[key] for key in ids])
        columns = {f"{side}_{column}": values[:, place] for place, column in enumerate(header) if column != label}
        if party == GUEST:
            y = values[:, header.index(label)]
        tables[party] = make_table(ids, columns, y if party == GUEST else None)
    return tables, y


def fit(module: str, tables: dict[Party, Any], **params: Any) -> tuple[np.ndarray, float, int]:
    """Scores of the training rows, seconds, and bytes that all parties sent."""
    params = {"tol": 0, "init_param": {"init_method": "zeros"}} | params
    started = time.perf_counter()
    results = Federation([GUEST, HOST, ARBITER], seed=1).run(module, params, tables)
    elapsed = time.perf_counter() - started
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    return score, elapsed, sum(result.traffic.sent_bytes for result in results.values())


def credit(report: Report, folder: Path, bits: int) -> None:
    tables, label = read(folder, "default_credit", "y")
    params = {"optimizer": "rmsprop", "learning_rate": 0.15, "alpha": 0.001, "batch_size": 3200}
    _, elapsed, sent = fit("HeteroLR", tables, max_iter=1, encrypt_param={"key_length": bits}, **params)
    report.add(f"default_credit, 30,000 x (13 + 10), 1 epoch, {bits} bits", elapsed, "s", FATE_SECONDS)
    report.add("  bytes sent by all, per row", sent / len(label), "B")
    score, elapsed, _ = fit("HeteroLR", tables, max_iter=10, encrypt_param={"key_length": 1024}, **params)
    report.add("  10 epochs, 1024 bits", elapsed, "s")
    false, true, _ = roc_curve(label, score)
    report.add("  AUC", float(roc_auc_score(label, score)), "")
    report.add("  KS", float((true - false).max()), "")


def growth(report: Report, bits: int) -> None:
    """How time grows: twice the rows, twice the columns, twice the iterations."""
    rng = np.random.default_rng(0)
    for rows, columns, iterations in ((1000, 10, 5), (2000, 10, 5), (1000, 20, 5), (1000, 10, 10)):
        features = rng.normal(size=(rows, 2 * columns))
        label = (features.sum(axis=1) > 0).astype(int)
        tables = {
            GUEST: make_table(range(rows), {f"x{at}": features[:, at] for at in range(columns)}, label),
            HOST: make_table(range(rows), {f"x{at}": features[:, at] for at in range(columns, 2 * columns)}),
        }
        _, elapsed, _ = fit("HeteroLR", tables, max_iter=iterations, encrypt_param={"key_length": bits})
        report.add(f"{rows} rows x ({columns} + {columns}), {iterations} iterations", elapsed, "s")


def motor(report: Report, folder: Path) -> None:
    tables, label = read(folder, "motor", "motor_speed")
    score, elapsed, _ = fit(
        "HeteroLinR", tables, optimizer="sgd", learning_rate=0.13, alpha=0.01, batch_size=100, max_iter=6,
        encrypt_param={"key_length": 1024},
    )  # fmt: skip
    report.add("motor, 800 x (4 + 7), 6 iterations, 1024 bits", elapsed, "s")
    report.add("  R²", float(r2_score(label, score)), "")


def visits(report: Report, folder: Path) -> None:
    tables, label = read(folder, "dvisits", "doctorco")
    score, elapsed, _ = fit(
        "HeteroPoisson", tables, optimizer="adam", learning_rate=0.1, alpha=0.001, batch_size=300, max_iter=20,
        encrypt_param={"key_length": 1024},
    )  # fmt: skip
    report.add("dvisits, 5,190 x (3 + 9), 20 iterations, 1024 bits", elapsed, "s")
    report.add("  RMSE", float(root_mean_squared_error(label, score)), "")


if __name__ == "__main__":
    main()
