"""The data components: intersection of two parties' ids, evaluation of many predictions.

    python benchmarks/components.py [--json]

Both parties of the intersection are threads of this process, over the in-process transport. Its baseline is the bare
group arithmetic of the same protocol, spread evenly over all cores; evaluation's is scikit-learn's AUC and ROC curve.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np
import rbcl
from sklearn.metrics import roc_auc_score, roc_curve

from fate_components.crypto.ristretto import random_scalar
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from report import Report, arguments, seconds

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")


def main() -> None:
    options = arguments(__doc__).parse_args()
    report = Report(f"Data components, {os.cpu_count()} cores", options.json)
    federation = Federation([GUEST, HOST])
    federation.run("Intersection", inputs={party: make_table(["warm"], {"x": [0.0]}) for party in (GUEST, HOST)})
    for rows in (20_000, 100_000):
        intersection(report, federation, rows)
    evaluation(report, federation, 1_000_000)
    report.print()


def intersection(report: Report, federation: Federation, rows: int) -> None:
    """Both parties have ``rows`` ids, half of them common."""
    tables = {
        party: make_table([f"id-{number:012d}" for number in range(first, first + rows)], {"x": np.zeros(rows)})
        for party, first in ((GUEST, 0), (HOST, rows // 2))
    }
    took = seconds(lambda: federation.run("Intersection", {"intersect_method": "ecdh"}, tables), repeats=1)
    report.add(f"intersection {rows:,} x {rows:,}, half common", took, "s", bare_group_arithmetic(rows))


def bare_group_arithmetic(rows: int, sample: int = 2000) -> float:
    """Seconds that hashing 2 x rows ids into the group and 4 x rows scalar multiplications take on all cores."""
    scalar = random_scalar()
    digests = [hashlib.sha512(str(number).encode()).digest() for number in range(sample)]
    elements = [rbcl.crypto_core_ristretto255_from_hash(digest) for digest in digests]
    hashing = seconds(lambda: [rbcl.crypto_core_ristretto255_from_hash(digest) for digest in digests])
    multiplying = seconds(lambda: [rbcl.crypto_scalarmult_ristretto255(scalar, element) for element in elements])
    return (2 * hashing + 4 * multiplying) * rows / sample / (os.cpu_count() or 1)


def evaluation(report: Report, federation: Federation, rows: int) -> None:
    """Every binary metric and curve of predictions for ``rows`` rows."""
    rng = np.random.default_rng(0)
    label = (rng.random(rows) < 0.3).astype(np.int64)
    score = np.clip(0.2 * label + rng.normal(0.4, 0.2, rows), 0, 1)
    table = make_table(
        np.arange(rows), {"predict_score": score, "predict_result": score > 0.5}, label, label_column="label"
    )
    inputs = {GUEST: Inputs(data={"data": [table]}, sources={"data": ["hetero_lr_0"]})}

    def scikit_learn() -> None:
        roc_auc_score(label, score)
        roc_curve(label, score)

    took = seconds(lambda: federation.run("Evaluation", inputs=inputs))
    report.add(f"evaluation of {rows:,} rows, all metrics", took, "s", seconds(scikit_learn))


if __name__ == "__main__":
    main()
