"""One line for each request of an application: who asked what, what it was answered, and how long it took."""

from __future__ import annotations

import asyncio
import logging
import time

log = logging.getLogger("fate_serving.access")

PAUSE_SECONDS = 0.2
MOST_LINES = 1000


class AccessLog:
    """Collects lines and hands them to the logger together, a record for all: one for each would take longer than the
    answer's arithmetic. A line names no feature, no score, and nothing by which a row is known.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(
        self, call: str, *, caller: str, case_id: str, service_id: str, version: str, code: int, rows: int,
        faults: int, seconds: float,
    ) -> None:  # fmt: skip
        """Add a line; the first word is when, in seconds since 1970."""
        # Who asks chooses these two: neither makes columns of its own.
        case_id, service = case_id.replace("|", "%7C"), repr(service_id).replace("|", "%7C")
        self._lines.append(
            f"{time.time():.3f}|{call}|{caller}|{case_id}|{service}|{version}|{code}|{rows}|{faults}"
            f"|{seconds * 1000:.3f}"
        )
        if len(self._lines) >= MOST_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand on what was collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            log.info("%d requests\n%s", len(lines), "\n".join(lines))
