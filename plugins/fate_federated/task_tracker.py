"""A component's metrics and summary, on their way to the site's gateway."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fate_federated.errors import GatewayUnavailable
from fate_federated.wire.records import Metric, TaskRef

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.party import Party
    from fate_federated.task.context import Point

log = logging.getLogger(__name__)


class GatewayTracker:
    """A :class:`~fate_federated.task.context.Tracker` that gathers points and sends them with :meth:`flush`.

    A component logs from its own thread; another flushes.
    """

    def __init__(self, client: GatewayClient, task: TaskRef, attempt: int, party: Party) -> None:
        self._client, self._task, self._attempt, self._party = client, task, attempt, party
        self._lock = threading.Lock()
        self._points: dict[tuple[str, str], list[Point]] = {}
        self._meta: dict[tuple[str, str], dict[str, Any]] = {}
        self._unsent_summary: dict[str, Any] | None = None
        self.summary: dict[str, Any] = {}

    def log_metric(self, namespace: str, name: str, points: Sequence[Point], meta: Mapping[str, Any]) -> None:
        """Keep points until the next flush."""
        with self._lock:
            self._points.setdefault((namespace, name), []).extend(points)
            self._meta[namespace, name] = json.loads(json.dumps(meta))

    def set_summary(self, summary: Mapping[str, Any]) -> None:
        """Keep the summary until the next flush."""
        with self._lock:
            self.summary = json.loads(json.dumps(summary))
            self._unsent_summary = self.summary

    def flush(self) -> None:
        """Send what has gathered.

        Raises:
            GatewayUnavailable: the gateway did not answer; what was to be sent is kept.
        """
        with self._lock:
            points, meta, summary = self._points, self._meta, self._unsent_summary
            self._points, self._meta, self._unsent_summary = {}, {}, None
        try:
            if points:
                metrics = [
                    Metric(namespace, name, meta[namespace, name], tuple(series))
                    for (namespace, name), series in points.items()
                ]
                self._client.log_metrics(self._task, self._attempt, self._party, metrics)
                points, meta = {}, {}
            if summary is not None:
                self._client.set_summary(self._task, self._attempt, self._party, summary)
        except GatewayUnavailable:
            self._restore(points, meta, summary)
            raise

    def try_flush(self) -> None:
        """The same, but a gateway that does not answer is only worth a warning: a later flush repeats it."""
        try:
            self.flush()
        except GatewayUnavailable as error:
            log.warning("metrics wait for the gateway: %s", error)

    def _restore(
        self,
        points: dict[tuple[str, str], list[Point]],
        meta: dict[tuple[str, str], dict[str, Any]],
        summary: dict[str, Any] | None,
    ) -> None:
        with self._lock:
            for key, series in self._points.items():
                points.setdefault(key, []).extend(series)
            self._points, self._meta = points, {**meta, **self._meta}
            if self._unsent_summary is None:
                self._unsent_summary = summary
