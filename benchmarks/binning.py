"""HeteroFeatureBinning: a host's columns binned and weighed by a guest's encrypted labels, both in one process.

    python benchmarks/binning.py [--bits 2048] [--json]

Rows and columns as of default_credit: 30,000 x (13 + 10), 10 bins, a tenth of one column missing. The baseline is the
most seconds that this may take on two cores; that of method optimal, which is counted in 1,000 initial bins for each
column, and of five classes, which are counted one by one, is the same. Linear growth is that of the smallest size times
the rows; peak memory is of both parties and of what helps them.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.table import Table
from report import Report, arguments, seconds
from usage import peak_megabytes

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
MOST_SECONDS = 15.0
SIZES = (10_000, 30_000, 100_000, 300_000)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    options = parser.parse_args()
    report = Report(f"HeteroFeatureBinning, {options.bits}-bit key, {os.cpu_count()} cores", options.json)
    encryption = {"encrypt_param": {"key_length": options.bits}}
    smallest = 0.0
    for rows in SIZES:
        took = measure(rows, 2, encryption)
        smallest = smallest or took / rows
        linear = smallest * rows if rows > SIZES[0] else None
        report.add(f"{rows:,} rows, 10 quantiles; baseline linear growth", took, "s", linear)
        if rows == 30_000:
            report.add("30,000 rows, 10 quantiles", took, "s", MOST_SECONDS)
            report.add(
                "30,000 rows, optimal by iv", measure(rows, 2, encryption | {"method": "optimal"}), "s", MOST_SECONDS
            )
            report.add("30,000 rows, five classes", measure(rows, 5, encryption), "s", MOST_SECONDS)
        report.add(f"{rows:,} rows: peak memory", peak_megabytes(), "MB")
    report.print()


def measure(rows: int, classes: int, params: dict[str, Any]) -> float:
    """Seconds of one fit."""
    tables = {GUEST: table(rows, 13, classes), HOST: table(rows, 10, 0)}
    return seconds(lambda: Federation([GUEST, HOST]).run("HeteroFeatureBinning", params, tables), repeats=1)


def table(rows: int, columns: int, classes: int) -> Table:
    """Numbers, a tenth of the first column missing; labels where there are classes."""
    rng = np.random.default_rng(columns)
    values = {f"x{index}": rng.normal(size=rows) for index in range(columns)}
    values["x0"][: rows // 10] = np.nan
    return make_table(range(rows), values, rng.integers(0, classes, rows) if classes else None)


if __name__ == "__main__":
    main()
