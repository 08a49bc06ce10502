"""HeteroSSHELR's compute: breast-cancer data, a guest with 10 columns and a host with 20, in one process.

    python benchmarks/hetero_sshe_lr.py [--bits 2048] [--iterations 10] [--json]

Both ways to keep the weights, and beside them HeteroLR, which has an arbiter, with the same parameters. Then how time
and bytes grow with rows and columns.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from report import Report, arguments

TARGET_SECONDS = 20.0
GUEST, HOST, ARBITER = (Party.parse(text) for text in ("guest-9999", "host-10000", "arbiter-10000"))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    parser.add_argument("--iterations", type=int, default=10)
    options = parser.parse_args()
    report = Report(f"HeteroSSHELR, 569 x (10 + 20), full batch, {options.bits}-bit keys", options.json)
    raw = load_breast_cancer()
    features = (raw.data - raw.data.mean(axis=0)) / raw.data.std(axis=0)
    params = {
        "max_iter": options.iterations, "learning_rate": 0.15, "alpha": 0.01, "tol": 0, "optimizer": "sgd",
        "init_param": {"init_method": "zeros"}, "encrypt_param": {"key_length": options.bits},
    }  # fmt: skip
    shared = fit(report, "HeteroSSHELR", features, raw.target, params, target=TARGET_SECONDS)
    fit(report, "HeteroSSHELR", features, raw.target, params | {"reveal_every_iter": True})
    with_arbiter = fit(report, "HeteroLR", features, raw.target, params)
    report.add("times as long as HeteroLR", shared / with_arbiter, "")
    growth(report, options.bits)
    report.print()


def fit(
    report: Report, module: str, features: np.ndarray, label: np.ndarray, params: dict[str, Any], *,
    guest: int = 10, target: float | None = None,
) -> float:  # fmt: skip
    """Train and predict, all parties sharing the machine's cores; returns the seconds."""
    ids = np.arange(len(label))
    names = [f"x{column}" for column in range(features.shape[1])]
    tables = {
        GUEST: make_table(ids, {name: features[:, at] for at, name in enumerate(names[:guest])}, label),
        HOST: make_table(ids, {name: features[:, guest + at] for at, name in enumerate(names[guest:])}),
    }
    parties = [GUEST, HOST] if module == "HeteroSSHELR" else [GUEST, HOST, ARBITER]
    started = time.perf_counter()
    results = Federation(parties, seed=1).run(module, params, tables)
    elapsed = time.perf_counter() - started
    rows, columns = features.shape
    name = f"{module}{', revealed' if params.get('reveal_every_iter') else ''}"
    report.add(f"{name}, {rows} x {columns}, {params['max_iter']} iterations", elapsed, "s", target)
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add("  bytes sent by all, per row and iteration", sent / rows / params["max_iter"], "B")
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    report.add("  AUC on the training rows", float(roc_auc_score(label, score)), "")
    return elapsed


def growth(report: Report, bits: int) -> None:
    """Three iterations each; half of the columns are the guest's."""
    rng = np.random.default_rng(0)
    params = {
        "max_iter": 3, "learning_rate": 0.15, "tol": 0, "init_param": {"init_method": "zeros"},
        "encrypt_param": {"key_length": bits},
    }  # fmt: skip
    for rows, columns in ((1000, 10), (2000, 10), (4000, 10), (1000, 20), (1000, 40)):
        features = rng.normal(size=(rows, columns))
        label = (features.sum(axis=1) + rng.normal(size=rows) > 0).astype(int)
        fit(report, "HeteroSSHELR", features, label, params, guest=columns // 2)


if __name__ == "__main__":
    main()
