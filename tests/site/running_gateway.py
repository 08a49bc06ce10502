"""A real gateway in a process of its own, without an Airflow, for what needs no more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.site.new_site import new_site

from fate_federated.site.site import Site

START_SECONDS = 60.0


@contextmanager
def running_gateway(home: Path) -> Iterator[Site]:
    """A loopback site of three parties whose gateway answers."""
    site = new_site(home)
    log = (home / "gateway.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "fate_federated.gateway", "--site", str(home)], stdout=log, stderr=log
    )
    try:
        with site.gateway(patience_seconds=START_SECONDS) as gateway:
            gateway.site()
        yield site
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()
