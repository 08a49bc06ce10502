"""One line for each request of an application: who asked what, what it was answered, and how long it took."""

from __future__ import annotations

import logging

log = logging.getLogger("fate_serving.access")


def write(
    call: str, *, caller: str, case_id: str, service_id: str, version: str, code: int, rows: int, faults: int,
    seconds: float,
) -> None:  # fmt: skip
    """Write a line. It names no feature, no score, and nothing by which a row is known."""
    if log.isEnabledFor(logging.INFO):
        log.info(
            "%s|%s|%s|%s|%s|%d|%d|%d|%.3f",
            call, caller, case_id, service_id, version, code, rows, faults, seconds * 1000,
        )  # fmt: skip
