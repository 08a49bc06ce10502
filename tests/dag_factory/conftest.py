"""Airflow with a home of its own, and a site to drop jobs into."""

from __future__ import annotations

import os
import tempfile

# Before anything imports airflow, which reads them then.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="fate-dag-factory-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from pathlib import Path

import pytest
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.session import create_session
from dropped_jobs import Site


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Airflow's tables, in which a bundle looks for runs; and the bundle is known there."""
    import_all_models()
    Base.metadata.create_all(settings.get_engine())
    with create_session() as session:
        session.merge(DagBundleModel(name="fate"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that hosts guest-9999 and host-10000, with an empty dags folder."""
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    monkeypatch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS", "False")
    site = Site(tmp_path / "site")
    site.configure()
    return site
