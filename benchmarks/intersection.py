"""Intersection of two parties' ids, half of them common: time and peak memory, by rows and by method.

    python benchmarks/intersection.py [--rows 100000] [--method ecdh] [--gateways] [--scale] [--json]

Both parties are threads of this process, over the in-process transport, or with ``--gateways`` over those of two sites.
The baseline is the bare arithmetic of the same protocol, spread evenly over all cores. ``--scale`` runs 10,000 to
1,000,000 rows, each in a process of its own. The methods of the library spu are there if it is installed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rbcl

import gateway
from fate_components.crypto.ristretto import Ristretto255
from fate_components.crypto.safe_prime import SafePrimeGroup
from fate_components.intersection.component import Intersection
from fate_components.intersection.spec import IntersectionParams
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.table import Table
from report import Report, arguments, seconds
from usage import peak_megabytes, processor_seconds

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
METHODS = ("ecdh", "dh", "rsa", "raw", "spu_rr22", "spu_kkrt", "spu_ecdh")
SCALE = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of each party")
    parser.add_argument("--method", choices=METHODS, default="ecdh")
    parser.add_argument("--gateways", action="store_true", help="over two sites' gateways")
    parser.add_argument("--scale", action="store_true", help="also with 10,000 to 1,000,000 rows")
    options = parser.parse_args()
    report = Report(f"Intersection, {os.cpu_count()} cores", options.json)
    if options.scale:
        smallest = 0.0
        for rows in SCALE:
            took, computed, peak = map(float, _alone(rows, options.method))
            smallest = smallest or computed / rows
            linear = smallest * rows if rows > SCALE[0] else None
            report.add(f"{options.method}, {rows:,} x {rows:,}", took, "s")
            report.add(
                f"{options.method}, {rows:,} x {rows:,}, processors; baseline linear growth", computed, "s", linear
            )
            report.add(f"{options.method}, {rows:,} x {rows:,}, peak memory of both parties", peak, "MB")
    else:
        took, computed, peak = (run_over_gateways if options.gateways else run)(options.rows, options.method)
        bare = {"ecdh": bare_ristretto, "dh": bare_safe_prime}.get(options.method)
        name = f"{options.method}, {options.rows:,} x {options.rows:,}, half common"
        report.add(name, took, "s", bare(options.rows) if bare else None)
        report.add(f"{name}, processors", computed, "s")
        report.add(f"{name}, peak memory of both parties", peak, "MB")
    report.print()


def _alone(rows: int, method: str) -> list[str]:
    code = f"from intersection import run; print(*run({rows}, {method!r}))"
    folder = Path(__file__).parent
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()


def tables_of(rows: int) -> dict[Party, Table]:
    """Half of the ids are common."""
    return {
        party: make_table([f"id-{number:012d}" for number in range(first, first + rows)], {"x": np.zeros(rows)})
        for party, first in ((GUEST, 0), (HOST, rows // 2))
    }


def run(rows: int, method: str) -> tuple[float, float, float]:
    """Seconds, seconds of all processors and peak megabytes, those of the helper processes with them."""
    federation = Federation([GUEST, HOST])
    parameters = {"intersect_method": method}
    federation.run("Intersection", parameters, tables_of(5000 if method == "ecdh" else 2))
    tables, before = tables_of(rows), processor_seconds()
    took = seconds(lambda: federation.run("Intersection", parameters, tables), repeats=1)
    return took, processor_seconds() - before, peak_megabytes()


def run_over_gateways(rows: int, method: str) -> tuple[float, float, float]:
    """The same between two sites with a gateway each: mTLS, SQLite, every message spooled and in the ledger.

    Of what the processors do, the gateways' part is not in it.
    """
    tables, warm = tables_of(rows), tables_of(5000 if method == "ecdh" else 2)
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        sites = gateway.make_sites(Path(name), (GUEST, HOST))
        for site in sites.values():
            gateway.add_the_job(site)
            running.enter_context(
                gateway.process("-m", "fate_federated.gateway", "--site", str(site.home / "site.yaml"))
            )
        clients = {party: running.enter_context(gateway.client(sites[party])) for party in sites}
        gateway.wait_for_gateways(clients)
        threads = running.enter_context(ThreadPoolExecutor(2))

        def intersect(of: dict[Party, Table], component: str) -> None:
            def part(party: Party) -> None:
                ctx = TaskContext(
                    party=party, participants=(GUEST, HOST), job_id=task.job_id, component=component, attempt=1,
                    transport=clients[party].transport(task, 1, party), tracker=MemoryTracker(),
                )  # fmt: skip
                params = IntersectionParams.model_validate({"intersect_method": method})
                Intersection(params).run(ctx, Inputs(data={"data": [of[party]]}))

            with gateway.running_attempt(clients, component) as task:
                began = time.perf_counter()
                list(threads.map(part, (GUEST, HOST)))
                took.append(time.perf_counter() - began)

        took: list[float] = []
        intersect(warm, "warm")
        before = processor_seconds()
        intersect(tables, "intersection_0")
        return took[-1], processor_seconds() - before, peak_megabytes()


def bare_ristretto(rows: int, sample: int = 2000) -> float:
    """Seconds that hashing 2 x rows ids into the group and 4 x rows scalar multiplications take on all cores."""
    scalar = Ristretto255().random_scalar()
    digests = [hashlib.sha512(str(number).encode()).digest() for number in range(sample)]
    elements = [rbcl.crypto_core_ristretto255_from_hash(digest) for digest in digests]
    hashing = seconds(lambda: [rbcl.crypto_core_ristretto255_from_hash(digest) for digest in digests])
    multiplying = seconds(lambda: [rbcl.crypto_scalarmult_ristretto255(scalar, element) for element in elements])
    return (2 * hashing + 4 * multiplying) * rows / sample / (os.cpu_count() or 1)


def bare_safe_prime(rows: int, sample: int = 200) -> float:
    """The same for 4 x rows powers modulo the safe prime of 2048 bits."""
    group = SafePrimeGroup(2048)
    scalar, keys = group.random_scalar(), [secrets.token_bytes(32) for _ in range(sample)]
    return 4 * seconds(lambda: group.blind(keys, scalar)) * rows / sample / (os.cpu_count() or 1)


if __name__ == "__main__":
    main()
