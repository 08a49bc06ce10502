"""How much passes in a second, counted, and limited where a rule says so: what FATE-Serving calls flow control.

What is counted has the name ``I_<call>`` for a call of applications and ``M_<version>_<namespace>`` for a model, at its
guest and at its hosts. A batch counts as many as it has rows.
"""

from __future__ import annotations

import json
import math
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from fate_serving.codes import Code, ServingError

SECONDS_KEPT = 300
FILE = "flow_rules.json"
LONGEST_SOURCE = 1000


@dataclass(slots=True)
class _Second:
    """Rows of one second. ``seconds`` is what those that ended took, each call counted once."""

    second: int
    passed: int = 0
    blocked: int = 0
    succeeded: int = 0
    failed: int = 0
    calls: int = 0
    seconds: float = 0.0


class Flow:
    """Counts of one process, and rules that all of a site have in common.

    Args:
        folder: of the rules' file.
        processes: that share a port; each lets pass its part of what a rule allows.
    """

    def __init__(self, folder: Path, processes: int, clock: Callable[[], float] = time.time) -> None:
        self._file, self._processes, self._clock = folder / FILE, processes, clock
        self._counts: dict[str, deque[_Second]] = {}
        self._rules: Mapping[str, float] = {}
        self._stamp = (0, 0)
        self._looked = 0

    def counted(self, source: str, rows: int) -> AbstractContextManager[None]:
        """Let rows pass, and count how they end when the context is left.

        Raises:
            ServingError: OVERLOAD; a rule allows no more.
        """
        now = self._clock()
        second = int(now)
        kept = self._kept(source, second)
        allowed = self._allowed(source, second)
        if allowed is not None and _recent(kept, now) + rows > allowed:
            kept[-1].blocked += rows
            raise ServingError(Code.OVERLOAD, f"More than the {allowed * self._processes:g} a second of {source}.")
        kept[-1].passed += rows
        return _Counted(self, source, rows)

    def ended(self, source: str, rows: int, seconds: float, *, failed: bool) -> None:
        """Count how rows ended, in the second in which they did."""
        now = self._kept(source, int(self._clock()))[-1]
        now.calls += 1
        now.seconds += seconds
        if failed:
            now.failed += rows
        else:
            now.succeeded += rows

    def numbers(self, begin_ms: int, end_ms: int, chosen: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Counts of this process by second, as FATE-Serving's metric nodes have them; ``rt`` is in milliseconds."""
        return [
            {
                "resource": source, "timestamp": each.second * 1000, "passQps": each.passed, "blockQps": each.blocked,
                "successQps": each.succeeded, "exceptionQps": each.failed,
                "rt": 1000 * each.seconds / each.calls if each.calls else 0.0,
            }
            for source, kept in self._counts.items() if chosen(source)
            for each in kept if begin_ms <= each.second * 1000 <= end_ms
        ]  # fmt: skip

    def limit(self, source: str, rows: float) -> None:
        """Allow a source so many rows a second; less than 0 takes the limit away.

        Raises:
            ServingError: PARAMETER.
        """
        if not source.startswith(("I_", "M_")) or len(source) > LONGEST_SOURCE:
            raise ServingError(
                Code.PARAMETER, f"source {source[:100]!r} is neither I_<call> nor M_<version>_<namespace>."
            )
        if not math.isfinite(rows):
            raise ServingError(Code.PARAMETER, "allowQps is no number.")
        rules = {**self._read(), source: rows}
        said = [{"source": each, "allow_qps": allowed} for each, allowed in rules.items() if allowed >= 0]
        new = self._file.with_suffix(f".{uuid.uuid4().hex}")
        new.write_text(json.dumps(said, indent=1))
        new.replace(self._file)
        self._looked = 0

    def _kept(self, source: str, second: int) -> deque[_Second]:
        kept = self._counts.get(source)
        if kept is None:
            for old in [each for each, known in self._counts.items() if known[-1].second < second - SECONDS_KEPT]:
                del self._counts[old]
            kept = self._counts[source] = deque([_Second(second)], SECONDS_KEPT)
        elif kept[-1].second < second:
            kept.append(_Second(second))
        return kept

    def _allowed(self, source: str, second: int) -> float | None:
        """What this process may let pass in a second; the file is looked at once in each."""
        if self._looked != second:
            self._looked = second
            try:
                found = os.stat(self._file)  # noqa: PTH116 - as on the shelf
                stamp = (found.st_mtime_ns, found.st_ino)
            except FileNotFoundError:
                stamp = (0, 0)
            if stamp != self._stamp:
                self._rules, self._stamp = self._read(), stamp
        allowed = self._rules.get(source)
        return None if allowed is None else allowed / self._processes

    def _read(self) -> Mapping[str, float]:
        try:
            return {each["source"]: float(each["allow_qps"]) for each in json.loads(self._file.read_text())}
        except FileNotFoundError:
            return {}


class _Counted(AbstractContextManager[None]):
    """A class, as a generator takes thrice the time and this is entered twice for each request."""

    __slots__ = ("_flow", "_rows", "_source", "_start")

    def __init__(self, flow: Flow, source: str, rows: int) -> None:
        self._flow, self._source, self._rows = flow, source, rows
        self._start = time.perf_counter()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flow.ended(self._source, self._rows, time.perf_counter() - self._start, failed=kind is not None)


def _recent(kept: deque[_Second], now: float) -> float:
    """Rows of the last second: of those in the one before the part that lies in it."""
    current = kept[-1]
    before = kept[-2] if len(kept) > 1 else None
    passed = float(current.passed)
    if before is not None and before.second == current.second - 1:
        passed += before.passed * (1 - (now - current.second))
    return passed


def model_source(key: tuple[str, str]) -> str:
    """What a model's rows are counted as."""
    return f"M_{key[1]}_{key[0]}"
