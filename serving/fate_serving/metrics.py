"""What Prometheus is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.035, 0.06, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0)
SERVICES = 200
"""Services with series of their own; those after it share one, as their names may be anybody's."""
MOST_KEPT = 10_000
SEVERAL_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder where processes of one site keep their numbers, for any of them to add up."""


class Metrics:
    """Counts and times of one process, or of all that share a port."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "fate_serving_request_seconds", "Requests of applications, from arrival to answer",
            ("service", "call"), buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._codes = Counter(
            "fate_serving_answers_total", "Requests answered, by return code",
            ("service", "call", "code"), registry=self._registry,
        )  # fmt: skip
        self._hosts = Histogram(
            "fate_serving_host_seconds", "Calls of hosts", ("host",), buckets=BUCKETS, registry=self._registry
        )
        self._phases = Histogram(
            "fate_serving_phase_seconds", "Phases of an answer", ("phase",), buckets=BUCKETS, registry=self._registry
        )
        self._merged = Histogram(
            "fate_serving_merged_rows", "Rows computed together", (),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512), registry=self._registry,
        )  # fmt: skip
        self._cached = Counter(
            "fate_serving_cache_rows_total", "Rows looked for in the cache of host answers",
            ("found",), registry=self._registry,
        )  # fmt: skip
        self._models = Gauge(
            "fate_serving_models", "Models loaded", (), registry=self._registry, multiprocess_mode="max"
        )
        self._known: set[str] = set()
        self._by_answer: dict[tuple[str, str, int], tuple[Callable[[float], None], Callable[[], None]]] = {}
        self._by_phase: dict[str, Callable[[float], None]] = {}
        self._by_found: dict[str, Callable[[float], None]] = {}

    def answered(self, service: str, call: str, code: int, seconds: float) -> None:
        """A request of an application was answered with a code."""
        found = self._by_answer.get((service, call, code))
        if found is None:
            named = self._named(service)
            observe, count = self._requests.labels(named, call).observe, self._codes.labels(named, call, str(code)).inc
            found = self._by_answer[service, call, code] = (observe, count)
            if len(self._by_answer) > MOST_KEPT:
                self._by_answer.clear()
        found[0](seconds)
        found[1]()

    def asked(self, host: str, seconds: float) -> None:
        """A host was asked."""
        self._hosts.labels(host).observe(seconds)

    def merged(self, rows: int) -> None:
        """Rows were computed together."""
        self._merged.observe(rows)

    def looked_up(self, found: str, rows: int) -> None:
        """Rows were looked for in the cache: local, shared, waiting, or missing."""
        if rows:
            count = self._by_found.get(found)
            if count is None:
                count = self._by_found[found] = self._cached.labels(found).inc
            count(rows)

    def models(self, count: int) -> None:
        """So many models are loaded."""
        self._models.set(count)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times a phase."""
        observe = self._by_phase.get(name)
        if observe is None:
            observe = self._by_phase[name] = self._phases.labels(name).observe
        start = time.perf_counter()
        try:
            yield
        finally:
            observe(time.perf_counter() - start)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if SEVERAL_PROCESSES not in os.environ:
            return generate_latest(self._registry)
        everything = CollectorRegistry()
        multiprocess.MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        return generate_latest(everything)

    def _named(self, service: str) -> str:
        if service in self._known:
            return service
        if len(self._known) < SERVICES:
            self._known.add(service)
            return service
        return "other"
