"""What tests ask of a site's processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import psutil

from fate_federated.site.processes import members, recorded_daemon, tree
from fate_federated.site.site import Site


def site_processes(site: Site) -> set[psutil.Process]:
    """All of a site's processes, supervisord among them."""
    record = recorded_daemon(site.layout)
    return set() if record is None else members(record) | tree(record.pid)


def alive(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Those that still run."""
    return {process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE}


def wait_until(what: str, condition: Callable[[], bool], within_seconds: float) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within_seconds:g} s"
        time.sleep(0.1)
