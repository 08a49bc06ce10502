"""Upload of a CSV file and its DataTransform: time and peak memory as rows grow, and a table of tags.

    python benchmarks/data.py [--json] [--rows 1000000]

Each size runs in a process of its own, which reads the file, writes the table, reads it, transforms it and writes what
came out. The baseline of the time is the same work at the rate of the smallest size, so 1.0 is linear growth; that of
the memory at full size is 2 GB.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.site.csv_source import CsvFormat
from fate_federated.site.csv_table import csv_to_parquet
from fate_federated.task.component import Inputs
from fate_federated.task_store import read_parquet, write_parquet
from report import Report, arguments

COLUMNS = 50
SIZES = (10_000, 30_000, 100_000, 300_000)
GUEST = Party.parse("guest-9999")
GIGABYTE = 1e9
DENSE = {"with_label": True, "missing_fill": True, "missing_fill_method": "mean"}
TAGS = {"input_format": "tag", "tag_with_value": True, "delimitor": ";"}


@dataclass(frozen=True, slots=True)
class Measured:
    upload_seconds: float
    transform_seconds: float
    peak_bytes: float

    @property
    def seconds(self) -> float:
        return self.upload_seconds + self.transform_seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the largest table")
    options = parser.parse_args()
    report = Report(f"Upload and DataTransform, {COLUMNS} columns, {os.cpu_count()} cores", options.json)
    with tempfile.TemporaryDirectory() as folder:
        smallest: Measured | None = None
        for rows in (*(size for size in SIZES if size < options.rows), options.rows):
            file = Path(folder) / "rows.csv"
            write_dense(file, rows)
            measured = in_a_process(file, True, DENSE)
            linear = None if smallest is None else smallest.seconds * rows / SIZES[0]
            smallest = smallest or measured
            add(report, f"{rows:,} rows", measured, linear)
        file = Path(folder) / "tags.csv"
        write_tags(file, 300_000)
        add(report, f"300,000 rows of {COLUMNS} tags with values", in_a_process(file, False, TAGS), None)
    report.print()


def add(report: Report, name: str, measured: Measured, linear: float | None) -> None:
    report.add(f"{name}: upload", measured.upload_seconds, "s")
    report.add(f"{name}: DataTransform", measured.transform_seconds, "s")
    report.add(f"{name}: both", measured.seconds, "s", linear)
    report.add(f"{name}: peak memory", measured.peak_bytes / GIGABYTE, "GB", 2.0)


def write_dense(file: Path, rows: int) -> None:
    """An id, a label of two classes, and numbers of which one in a hundred is missing."""
    rng = np.random.default_rng(rows)
    with file.open("wb") as sink:
        for start in range(0, rows, 50_000):
            count = min(50_000, rows - start)
            columns: dict[str, Any] = {"id": np.arange(start, start + count), "y": rng.integers(0, 2, count)}
            for index in range(COLUMNS):
                values = rng.normal(size=count).round(6)
                columns[f"x{index}"] = pa.array(values, mask=rng.random(count) < 0.01)
            pacsv.write_csv(pa.table(columns), sink, pacsv.WriteOptions(include_header=start == 0))


def write_tags(file: Path, rows: int) -> None:
    """An id, and each tag with its value."""
    rng = np.random.default_rng(rows)
    with file.open("wb") as sink:
        for start in range(0, rows, 50_000):
            count = min(50_000, rows - start)
            items = [
                pc.binary_join_element_wise(
                    f"x{index}", pa.array(rng.normal(size=count).round(6)).cast(pa.string()), ":"
                )
                for index in range(COLUMNS)
            ]
            ids = pa.array(np.arange(start, start + count)).cast(pa.string())
            lines = pc.binary_join_element_wise(ids, pc.binary_join_element_wise(*items, ";"), ",")
            sink.write(("\n".join(lines.to_pylist()) + "\n").encode())


def in_a_process(file: Path, head: bool, params: dict[str, Any]) -> Measured:
    """Measure in a process that has done nothing else, so that its peak is this work's."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(sending, file, head, json.dumps(params)))
    process.start()
    sending.close()
    measured: Measured = receiving.recv()
    process.join()
    return measured


def work(sending: Connection, file: Path, head: bool, params: str) -> None:
    # Of what the imports cost, nothing is measured.
    Federation([GUEST]).run("DataTransform", {}, {GUEST: make_table(["warm"], {"x": [0.0]})})
    table_file, output_file = file.with_suffix(".parquet"), file.with_suffix(".output.parquet")
    began = time.perf_counter()
    csv_to_parquet(file, lambda: table_file.open("wb"), CsvFormat(head=head))
    uploaded = time.perf_counter()
    inputs = {GUEST: Inputs(data={"data": [read_parquet(table_file.as_uri())]})}
    result = Federation([GUEST]).run("DataTransform", json.loads(params), inputs)[GUEST]
    write_parquet(output_file.as_uri(), result.data)
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sending.send(Measured(uploaded - began, ended - uploaded, peak))


if __name__ == "__main__":
    main()
