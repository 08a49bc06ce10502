"""A site with a gateway, for uploads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.site.running_gateway import running_gateway

from fate_federated.site.site import Site


@pytest.fixture(scope="module")
def gateway_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A loopback site whose gateway runs."""
    with running_gateway(tmp_path_factory.mktemp("upload") / "bank") as site:
        yield site
