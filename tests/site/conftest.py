"""One real site for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest
from tests.site.new_site import new_site
from tests.site.site_processes import alive, site_processes

from fate_federated.site.health import HEALTHY
from fate_federated.site.site import Site
from fate_federated.site.supervision import Part


@pytest.fixture(scope="session")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Up for the whole session, in a folder whose name has a space. Nothing is left of it in the end."""
    site = new_site(tmp_path_factory.mktemp("up") / "a bank")
    told: list[dict[Part, str]] = []
    site.up(report=lambda health: told.append(dict(health)))
    seen: set[psutil.Process] = set()
    try:
        # It has no serving.yaml.
        assert told[-1] == dict.fromkeys(set(Part) - {Part.SERVING}, HEALTHY)
        # Before any job has run.
        assert site.status().memory.pss_bytes < 900e6
        yield site
    finally:
        seen |= site_processes(site)
        # More processes than parts: some have workers.
        assert len(seen) > len(told[-1])
        assert site.down() is True
        assert alive(seen) == set()
        assert site.down() is False
        # The scheduler and its workers ended by themselves.
        assert "killing 'scheduler'" not in site.layout.supervisor_log.read_text()
