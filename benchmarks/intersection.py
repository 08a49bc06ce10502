"""Intersection of two parties' ids, half of them common: time and peak memory, by rows and by method.

    python benchmarks/intersection.py [--rows 100000] [--method ecdh] [--scale] [--json]

Both parties are threads of this process, over the in-process transport. The baseline is the bare arithmetic of the same
protocol, spread evenly over all cores. ``--scale`` runs 10,000 to 1,000,000 rows, each in a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import resource
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import rbcl

from fate_components.crypto.ristretto import Ristretto255
from fate_components.crypto.safe_prime import SafePrimeGroup
from fate_federated.federation import Federation, make_table
from fate_federated.party import Party
from report import Report, arguments, seconds

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
SCALE = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of each party")
    parser.add_argument("--method", choices=("ecdh", "dh", "rsa", "raw"), default="ecdh")
    parser.add_argument("--scale", action="store_true", help="also with 10,000 to 1,000,000 rows")
    options = parser.parse_args()
    report = Report(f"Intersection, {os.cpu_count()} cores", options.json)
    if options.scale:
        for rows in SCALE:
            took, peak = map(float, _alone(rows, options.method))
            report.add(f"{options.method}, {rows:,} x {rows:,}", took, "s")
            report.add(f"{options.method}, {rows:,} x {rows:,}, peak memory of both parties", peak, "MB")
    else:
        took, peak = run(options.rows, options.method)
        bare = {"ecdh": bare_ristretto, "dh": bare_safe_prime}.get(options.method)
        name = f"{options.method}, {options.rows:,} x {options.rows:,}, half common"
        report.add(name, took, "s", bare(options.rows) if bare else None)
        report.add(f"{name}, peak memory of both parties", peak, "MB")
    report.print()


def _alone(rows: int, method: str) -> list[str]:
    code = f"from intersection import run; print(*run({rows}, {method!r}))"
    folder = Path(__file__).parent
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()


def run(rows: int, method: str) -> tuple[float, float]:
    """Seconds and peak megabytes, those of the helper processes with them."""
    federation = Federation([GUEST, HOST])
    parameters = {"intersect_method": method}
    warm = {party: make_table(range(5000 if method == "ecdh" else 1), {}) for party in (GUEST, HOST)}
    federation.run("Intersection", parameters, warm)
    tables = {
        party: make_table([f"id-{number:012d}" for number in range(first, first + rows)], {"x": np.zeros(rows)})
        for party, first in ((GUEST, 0), (HOST, rows // 2))
    }
    took = seconds(lambda: federation.run("Intersection", parameters, tables), repeats=1)
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1000
    return took, peak


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
