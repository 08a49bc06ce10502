"""HeteroLR's compute: breast-cancer data, a guest with 10 columns, a host with 20, an arbiter, in one process.

    python benchmarks/hetero_lr.py [--bits 2048] [--iterations 10] [--json]

Baseline: FATE 2.2 standalone's task for the same data, 10 iterations and 1024-bit keys, on a similar machine of two
cores: 80 s, of which about 20 s are start-up. The breakdown is what operations cost on one core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.paillier import generate_keypair
from fate_components.linear.layout import packed_rows, slots_of
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from report import Report, arguments

FATE_SECONDS = 80.0
T = TypeVar("T")
GUEST, HOST, ARBITER = (Party.parse(text) for text in ("guest-9999", "host-10000", "arbiter-10000"))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    parser.add_argument("--iterations", type=int, default=10)
    options = parser.parse_args()
    report = Report(f"HeteroLR, 569 x (10 + 20), full batch, {options.bits}-bit key", options.json)
    raw = load_breast_cancer()
    features = (raw.data - raw.data.mean(axis=0)) / raw.data.std(axis=0)
    whole_job(report, features, raw.target, options.bits, options.iterations)
    breakdown(report, features, options.bits)
    report.print()


def whole_job(report: Report, features: np.ndarray, label: np.ndarray, bits: int, iterations: int) -> None:
    """Train and predict, all three parties sharing the machine's cores."""
    ids = np.arange(len(label))
    tables = {
        GUEST: make_table(ids, {f"x{column}": features[:, column] for column in range(10)}, label),
        HOST: make_table(ids, {f"x{column}": features[:, column] for column in range(10, 30)}),
    }
    params = {
        "max_iter": iterations, "learning_rate": 0.15, "alpha": 0.01, "tol": 0, "init_param": {"init_method": "zeros"},
        "optimizer": "adagrad", "encrypt_param": {"key_length": bits},
    }  # fmt: skip
    started = time.perf_counter()
    results = Federation([GUEST, HOST, ARBITER], seed=1).run("HeteroLR", params, tables)
    elapsed = time.perf_counter() - started
    report.add(f"train and predict, {iterations} iterations", elapsed, "s", FATE_SECONDS)
    score = results[GUEST].data.data.column("predict_score").to_numpy()
    report.add("AUC on the training rows", float(roc_auc_score(label, score)), "")
    sent = sum(result.traffic.sent_bytes for result in results.values())
    report.add("bytes sent by all, per row and iteration", sent / len(label) / iterations, "B")


def breakdown(report: Report, features: np.ndarray, bits: int) -> None:
    """Operations at the sizes of the job, in CPU time of one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    private = generate_keypair(bits)
    key = private.public
    key.random_factors(200)
    slot_bits = 40 + 58 + len(features).bit_length() + 4
    whole = np.rint(np.ldexp(features[:, 10:], 36)).astype(np.int64).astype(object)
    together = slots_of(bits, slot_bits, whole.shape[1])
    terms = FixedPoint(np.rint(np.ldexp(features[:, :1], 23)).astype(np.int64).T, 0)

    def cpu(name: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        made = work()
        report.add(f"  one core: {name}", time.process_time() - started, "s")
        return made

    packed = FixedPoint(packed_rows(whole, slot_bits, together).T, 0)
    sent = cpu("once, the host encrypts its columns", lambda: EncryptedArray.encrypt(key, packed).to_wire(bits - 8))
    columns = cpu("once, the guest checks them", lambda: EncryptedArray.from_wire(sent, key, bits - 100))
    part = cpu("the guest's part of the host's gradient", lambda: [terms @ column for column in columns])
    masked = cpu("its mask and randomness", lambda: [some.masked()[0] for some in part])
    cpu("the arbiter decrypts it", lambda: [some.decrypt_residues(private) for some in masked])


if __name__ == "__main__":
    main()
