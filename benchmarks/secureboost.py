"""HeteroSecureBoost's compute: a guest and a host in one process, with where the time goes.

    python benchmarks/secureboost.py [--bits 2048] [--only breast|credit|goss|large|predict] [--json]

Shapes: breast-cancer data, 569 x (10 + 20), 3 trees of depth 3; rows and columns as of default_credit, 30,000 x
(13 + 10), 5 trees of depth 3 and 32 bins, all rows and with GOSS (0.2, 0.1); 100,000 x (10 + 40), one tree of depth 4;
predictions for 1,000,000 x (10 + 40) rows by 50 trees of depth 5. Baseline of the first: FATE 2.2 standalone, 1024-bit
keys, on a similar machine of two cores, 55 s, of which about 20 s are start-up.

Memory is that of both parties and the helper processes together: neither party needs more. The histogram's share of the
bare rate is how near it comes to all cores doing nothing but ciphertext products.

The phases overlap (the guest decrypts one node's sums while the host packs the next one's) and share the cores, so that
their seconds, each the wall time of its own calls, may add up to more than the whole.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import psutil
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fate_components.crypto import parallel
from fate_components.crypto.integers import product
from fate_components.crypto.workers import cores
from fate_components.secureboost.guest import GuestTree
from fate_components.secureboost.host import HostTree
from fate_components.secureboost.packing import Layout
from fate_components.secureboost.splitting import Criterion
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.transport.memory import MemoryTransport
from report import Report, arguments
from usage import processor_seconds

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
BREAST_SECONDS = 55.0


class Phases:
    """Seconds of wrapped calls, by name, and how many ciphertext products histograms took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.products = 0
        self._lock = threading.Lock()
        inner = parallel.grouped_products

        def counted(values: Any, groups: Any, *others: Any) -> Any:
            self.products += groups.size
            return inner(values, groups, *others)

        parallel.grouped_products = counted

    def clear(self) -> None:
        self.seconds.clear()
        self.products = 0

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


class Watch:
    """Processor seconds and the peak of the resident memory, of this process and its helpers."""

    def __enter__(self) -> Watch:
        self.peak_bytes = 0
        self._before = processor_seconds()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.processor_seconds = processor_seconds() - self._before

    def _processes(self) -> list[psutil.Process]:
        this = psutil.Process()
        return [this, *this.children(recursive=True)]

    def _look(self) -> None:
        while not self._done.wait(0.2):
            memory = [process.memory_info() for process in self._processes() if process.is_running()]
            self.peak_bytes = max(self.peak_bytes, sum(some.rss - some.shared for some in memory))


def bare_products_per_second(bits: int) -> float:
    """Ciphertext products on one core."""
    modulus = gmpy2.mpz(int.from_bytes(os.urandom(bits // 4), "big") | 1 << (2 * bits - 1) | 1)
    values = [gmpy2.mpz(int.from_bytes(os.urandom(bits // 4), "big")) % modulus for _ in range(20_000)]
    started = time.thread_time()
    product(values, modulus)
    return len(values) / (time.thread_time() - started)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    parser.add_argument("--only", choices=["breast", "credit", "goss", "large", "predict"])
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
    if options.only in (None, "large"):
        large = {**params, "num_trees": 1, "tree_param": {"max_depth": 4}}
        measure(report, phases, "100,000 rows", *rows_like_credit(100_000, 50), 10, large, None)
    if options.only in (None, "predict"):
        predict(report, {**params, "num_trees": 50, "tree_param": {"max_depth": 5}})
    report.print()


def rows_like_credit(rows: int, columns: int = 23) -> tuple[np.ndarray, np.ndarray]:
    """Columns, a few of them with few values, and a label that one in five rows has."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(rows, columns))
    features[:, ::4] = np.round(features[:, ::4])
    score = features[:, [0, 3, 14, 20]].sum(axis=1) + np.abs(features[:, 5]) + rng.normal(scale=2, size=rows)
    return features, (score > np.quantile(score, 0.78)).astype(np.int64)


def measure(
    report: Report, phases: Phases, name: str, features: np.ndarray, label: np.ndarray, own: int,
    params: dict[str, Any], baseline: float | None,
) -> None:  # fmt: skip
    """Train and predict, both parties sharing the machine's cores."""
    tables = tables_of(features, label, own)
    phases.clear()
    with Watch() as watch:
        started = time.perf_counter()
        results = Federation([GUEST, HOST], seed=1).run("HeteroSecureBoost", params, tables)
        seconds = time.perf_counter() - started
    report.add(f"{name}: train and predict", seconds, "s", baseline)
    report.add(f"{name}: processor time of all processes", watch.processor_seconds, "s")
    report.add(f"{name}: peak memory of both parties and helpers", watch.peak_bytes / 2**30, "GiB")
    bare = bare_products_per_second(params["encrypt_param"]["key_length"]) * cores()
    share = phases.products / bare / phases.seconds["histogram"]
    report.add(f"{name}: histogram's share of the bare rate", share, "")
    for phase, seconds in sorted(phases.seconds.items(), key=lambda item: -item[1]):
        report.add(f"{name}: {phase}", seconds, "s")
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    report.add(f"{name}: AUC on the training rows", float(roc_auc_score(label, score)), "")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add(f"{name}: sent by both", sent / 2**20, "MiB")


def tables_of(features: np.ndarray, label: np.ndarray | None, own: int) -> dict[Party, Any]:
    """The guest's first columns and the host's others."""
    ids = np.arange(len(features))
    return {
        GUEST: make_table(ids, {f"x{column}": features[:, column] for column in range(own)}, label),
        HOST: make_table(ids, {f"x{column}": features[:, column] for column in range(own, features.shape[1])}),
    }


def predict(report: Report, params: dict[str, Any]) -> None:
    """Predict a million rows with trees of a few."""
    federation = Federation([GUEST, HOST], seed=1)
    short = {**params, "encrypt_param": {"key_length": 1024}, "bin_num": 4}
    trained = federation.run("HeteroSecureBoost", short, tables_of(*rows_like_credit(1_000, 50), 10))
    tables = tables_of(rows_like_credit(1_000_000, 50)[0], None, 10)
    inputs = {party: Inputs(data={"test_data": [table]}, model=trained[party].model) for party, table in tables.items()}
    with Watch() as watch:
        started = time.perf_counter()
        results = federation.run("HeteroSecureBoost", params, inputs)
        seconds = time.perf_counter() - started
    report.add("predict 1,000,000 rows by 50 trees", seconds, "s")
    report.add("predict: processor time", watch.processor_seconds, "s")
    report.add("predict: peak memory of both parties", watch.peak_bytes / 2**30, "GiB")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add("predict: sent by both", sent / 2**20, "MiB")


if __name__ == "__main__":
    main()
