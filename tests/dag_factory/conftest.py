"""Airflow with a home of its own, and a site to drop jobs into."""

from __future__ import annotations

import os
import tempfile

# Before anything imports airflow, which reads them then.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="fate-dag-factory-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from pathlib import Path

import pytest
from dropped_jobs import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that hosts guest-9999 and host-10000, with an empty dags folder."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS", "False")
    site = Site(tmp_path / "site")
    site.configure()
    return site
