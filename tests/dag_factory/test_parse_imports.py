"""Parsing a job's DAG file stays cheap: it never loads what computes or talks."""

from __future__ import annotations

import subprocess
import sys

from dropped_jobs import Site, demo

from fate_federated.dag_factory.generate import SiteJobs
from fate_federated.settings import load_site

HEAVY = ("numpy", "pyarrow", "grpc", "gmpy2", "pandas", "fate_federated.gateway.client", "fate_federated.task.run")

PROGRAM = f"""
import runpy, sys
namespace = runpy.run_path(sys.argv[1])
assert "credit.guest-9999" in namespace, sorted(namespace)
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_a_generated_file_runs_without_what_is_slow_to_import(site: Site) -> None:
    site.drop("credit", *demo())
    for name, content in SiteJobs.find(load_site(site.home)).generate().items():
        (site.home / name).write_bytes(content)
    program = [sys.executable, "-c", PROGRAM, str(site.home / "credit.py")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
