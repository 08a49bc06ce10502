"""The DAG bundle that turns FATE's JSON files into DAGs, each version of them kept.

Configured in airflow.cfg::

    [dag_processor]
    dag_bundle_config_list = [{"name": "fate", "classpath": "fate_federated.bundle.FateDagBundle",
                               "kwargs": {"site": "/path/of/the/site"}}]
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

import fate_federated.dag_factory.job_file  # noqa: F401 - the processes that parse are forked from one that has it
from fate_federated.catalog.discovery import component_names, find_component
from fate_federated.dag_factory.generate import SiteJobs
from fate_federated.dag_factory.kept import Unfinished, kept_files, unfinished_runs
from fate_federated.dag_factory.versions import VersionStore
from fate_federated.errors import ConfigError
from fate_federated.settings import load_site

SETTLED_SECONDS = 2.0
"""A file that was written later than this before a look may have changed again without its time showing it."""


class FateDagBundle(BaseDagBundle):
    """The jobs of a site.

    Its version is a hash of the generated files, so it changes when a job's dsl or conf does, and a DAG run keeps the
    version that it started with.

    Args:
        site: path of site.yaml, or of the folder it is in.
        refresh_interval: seconds between two looks for dropped, edited and deleted files.
    """

    supports_versioning = True

    def __init__(self, *, site: str, refresh_interval: int = 5, **kwargs: Any) -> None:
        super().__init__(refresh_interval=refresh_interval, **kwargs)
        self._site = site
        self._current: str | None = None
        self._plain: str | None = None
        self._seen: tuple[object, ...] | None = None
        self._kept_for: Unfinished | None = None
        self._store = VersionStore(self.base_dir, self.versions_dir)

    def initialize(self) -> None:
        """Have the version's folder on disk: the one asked for, else that of the files as they are now.

        Raises:
            ConfigError: this machine does not have that version, or site.yaml is wrong.
        """
        _load_specs()
        with self.lock():
            if self.version is None:
                self._look()
            else:
                self._store.restore(self.version)
        super().initialize()

    @property
    def path(self) -> Path:
        version = self.version or self._current
        return self.versions_dir / version if version else self.versions_dir

    def get_current_version(self) -> BundleVersion | None:
        """The hash of the generated files; None before the first look."""
        version = self.version or self._current
        return BundleVersion(version) if version else None

    def refresh(self) -> None:
        """Look at the site's files, and make a new version when they changed.

        Raises:
            ConfigError: site.yaml is wrong.
        """
        if self.version is not None:
            return
        with self.lock():
            self._look()
            self._keep()

    def _look(self) -> None:
        """Make a version of the files as they are."""
        jobs = SiteJobs.find(load_site(self._site))
        changes, latest = jobs.changes()
        seen = (jobs, changes)
        if seen == self._seen and self.path.is_dir():
            return
        self._plain = self._current = self._store.save(jobs.generate(), self._current)
        self._kept_for = None
        self._seen = seen if latest < time.time() - SETTLED_SECONDS else None

    def _keep(self) -> None:
        """Add to it what runs still need that have not ended."""
        unfinished = unfinished_runs(self.name)
        if self._plain is None or unfinished == self._kept_for:
            return
        kept = kept_files(self._store, self._plain, unfinished)
        if kept or self._current != self._plain:
            plain = self._store.manifest(self._plain)
            files = {name: self._store.content(digest) for name, digest in plain.items()}
            self._current = self._store.save(files | kept, self._current)
        self._kept_for = unfinished


def _load_specs() -> None:
    """Load what every component declares, for all the processes that are forked from this one to parse one file."""
    for module in component_names():
        with contextlib.suppress(ConfigError):  # a job that names a broken component says so
            find_component(module)
