"""The command line in this process, on a site whose gateway runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.site.running_gateway import running_gateway
from typer.testing import CliRunner, Result

from fate_federated.cli.main import app
from fate_federated.site.site import Site

Fate = Callable[..., Result]


@pytest.fixture(scope="session")
def gateway_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A loopback site whose gateway runs."""
    with running_gateway(tmp_path_factory.mktemp("cli") / "bank") as site:
        yield site


@pytest.fixture
def fate(gateway_site: Site, monkeypatch: pytest.MonkeyPatch) -> Fate:
    """Runs ``fate`` with these words; fails unless it exits with the expected status."""

    def run(*words: str, status: int = 0) -> Result:
        monkeypatch.setenv("FATE_SITE", str(gateway_site.layout.home))
        result = CliRunner().invoke(app, words)
        assert result.exit_code == status, result.output
        return result

    return run
