"""HeteroSecureBoost's compute: a guest and a host in one process, with where the time goes.

    python benchmarks/secureboost.py [--bits 2048] [--only breast|credit|goss] [--json]

Shapes: breast-cancer data, 569 x (10 + 20), 3 trees of depth 3; rows and columns as of default_credit, 30,000 x
(13 + 10), 5 trees of depth 3 and 32 bins, all rows and with GOSS (0.2, 0.1). Baseline of the first: FATE 2.2
standalone, 1024-bit keys, on a similar machine of two cores, 55 s, of which about 20 s are start-up.

The phases overlap (the guest decrypts one node's sums while the host packs the next one's) and share the cores, so that
their seconds, each the wall time of its own calls, may add up to more than the whole.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fate_components.secureboost.guest import GuestTree
from fate_components.secureboost.host import HostTree
from fate_components.secureboost.packing import Layout
from fate_components.secureboost.splitting import Criterion
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.transport.memory import MemoryTransport
from report import Report, arguments

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
BREAST_SECONDS = 55.0


class Phases:
    """Seconds of wrapped calls, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Count the calls of a method."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*args, **options)
            finally:
                with self._lock:
                    self.seconds[name] += time.perf_counter() - started

        setattr(owner, method, timed)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    parser.add_argument("--only", choices=["breast", "credit", "goss"])
    options = parser.parse_args()
    report = Report(f"HeteroSecureBoost, {options.bits}-bit key", options.json)
    phases = Phases()
    phases.wrap(Layout, "encrypted", "encrypt")
    phases.wrap(HostTree, "_histograms", "histogram")
    phases.wrap(Layout, "answer", "pack answers")
    phases.wrap(Layout, "read", "decrypt")
    phases.wrap(Criterion, "gains", "split")
    phases.wrap(GuestTree, "_own_candidates", "guest's own histograms")
    phases.wrap(MemoryTransport, "push", "transfer")
    raw = load_breast_cancer()
    credit = rows_like_credit(30_000)
    params = {"tree_param": {"max_depth": 3}, "encrypt_param": {"key_length": options.bits}, "n_iter_no_change": False}
    goss = {"run_goss": True, "top_rate": 0.2, "other_rate": 0.1}
    if options.only in (None, "breast"):
        measure(report, phases, "breast", raw.data, raw.target, 10, {**params, "num_trees": 3}, BREAST_SECONDS)
    if options.only in (None, "credit"):
        measure(report, phases, "credit", *credit, 13, {**params, "num_trees": 5}, None)
    if options.only in (None, "goss"):
        measure(report, phases, "credit with GOSS", *credit, 13, {**params, "num_trees": 5, **goss}, None)
    report.print()


def rows_like_credit(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """23 columns, a few of them with few values, and a label that one in five rows has."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rows, 23))
    features[:, ::4] = np.round(features[:, ::4])
    score = features[:, [0, 3, 14, 20]].sum(axis=1) + np.abs(features[:, 5]) + rng.normal(scale=2, size=rows)
    return features, (score > np.quantile(score, 0.78)).astype(np.int64)


def measure(
    report: Report, phases: Phases, name: str, features: np.ndarray, label: np.ndarray, own: int,
    params: dict[str, Any], baseline: float | None,
) -> None:  # fmt: skip
    """Train and predict, both parties sharing the machine's cores."""
    ids = np.arange(len(label))
    tables = {
        GUEST: make_table(ids, {f"x{column}": features[:, column] for column in range(own)}, label),
        HOST: make_table(ids, {f"x{column}": features[:, column] for column in range(own, features.shape[1])}),
    }
    phases.seconds.clear()
    started, busy = time.perf_counter(), time.process_time()
    results = Federation([GUEST, HOST], seed=1).run("HeteroSecureBoost", params, tables)
    report.add(f"{name}: train and predict", time.perf_counter() - started, "s", baseline)
    report.add(f"{name}: CPU of this process, helpers apart", time.process_time() - busy, "s")
    for phase, seconds in sorted(phases.seconds.items(), key=lambda item: -item[1]):
        report.add(f"{name}: {phase}", seconds, "s")
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    report.add(f"{name}: AUC on the training rows", float(roc_auc_score(label, score)), "")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add(f"{name}: sent by both", sent / 2**20, "MiB")


if __name__ == "__main__":
    main()
