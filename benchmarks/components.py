"""Evaluation of many predictions; the baseline is scikit-learn's AUC and ROC curve. See intersection.py for that one.

python benchmarks/components.py [--json]
"""

from __future__ import annotations

import os

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from report import Report, arguments, seconds

GUEST = Party.parse("guest-9999")


def main() -> None:
    options = arguments(__doc__).parse_args()
    report = Report(f"Data components, {os.cpu_count()} cores", options.json)
    federation = Federation([GUEST])
    evaluation(report, federation, 1_000_000)
    report.print()


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
