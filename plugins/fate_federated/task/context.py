"""What a running component sees of the world: its party, its peers, its tracker, its randomness."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fate_federated.party import Party, Role
from fate_federated.task.model import Model
from fate_federated.transport.base import Transport
from fate_federated.wire.payload import Wire

log = logging.getLogger(__name__)

Point = tuple[float, float]


class Tracker(Protocol):
    """Where a component's metrics and summary go. They stay at the party's own site."""

    def log_metric(self, namespace: str, name: str, points: Sequence[Point], meta: Mapping[str, Any]) -> None:
        """Add points (x, y) to a metric. ``meta`` holds FATE's ``metric_type`` and what belongs to it."""
        ...

    def set_summary(self, summary: Mapping[str, Any]) -> None:
        """The component's summary, a JSON object; replaces an earlier one."""
        ...


@dataclass(slots=True)
class Traffic:
    """Messages and bytes that a task has sent and received."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0


def step_tag(tag: str, step: int | tuple[int, ...] | None) -> str:
    """``residual`` at step (3, 0) is ``residual.3.0``."""
    if step is None:
        return tag
    steps = (step,) if isinstance(step, int) else step
    return ".".join((tag, *map(str, steps)))


@dataclass(frozen=True, slots=True)
class Peer:
    """One other party of the task."""

    party: Party
    transport: Transport = field(repr=False)
    traffic: Traffic = field(repr=False)

    def push(self, tag: str, value: Wire, step: int | tuple[int, ...] | None = None) -> None:
        """Send a value under a tag; ``step`` tells iterations apart."""
        size = self.transport.push(self.party, step_tag(tag, step), value)
        self.traffic.sent += 1
        self.traffic.sent_bytes += size

    def pull(self, tag: str, step: int | tuple[int, ...] | None = None) -> Any:
        """Wait for the value that this peer sends under a tag."""
        value = self.transport.pull(self.party, step_tag(tag, step))
        self.traffic.received += 1
        return value


@dataclass(frozen=True, slots=True)
class Peers:
    """The other parties of one role, in the conf's order."""

    members: tuple[Peer, ...]

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def push(self, tag: str, value: Wire, step: int | tuple[int, ...] | None = None) -> None:
        """Send the same value to each."""
        for peer in self.members:
            peer.push(tag, value, step)

    def pull(self, tag: str, step: int | tuple[int, ...] | None = None) -> list[Any]:
        """Wait for each one's value, in order."""
        return [peer.pull(tag, step) for peer in self.members]


class TaskContext:
    """Handed to a component's ``run_*`` method.

    Attributes:
        party: who this task computes for.
        guests, hosts, arbiters: the other participants, by role; this party itself is not among them.
        rng: for shuffles and initial weights. Keys and blinding come from ``secrets``, never from here.
        traffic: what was sent and received so far.
        keep: told a step and the model after it, that it may outlive a task that fails.
    """

    def __init__(
        self,
        *,
        party: Party,
        participants: Sequence[Party],
        job_id: str,
        component: str,
        attempt: int,
        transport: Transport,
        tracker: Tracker,
        seed: int | None = None,
    ) -> None:
        self.party = party
        self.job_id = job_id
        self.component = component
        self.attempt = attempt
        self.tracker = tracker
        self.rng = np.random.default_rng(seed)
        self.traffic = Traffic()
        self.keep: Callable[[int, Model], None] = _not_kept
        self.participants = tuple(participants)
        others = [other for other in participants if other != party]
        self._peers = {
            role: Peers(tuple(Peer(other, transport, self.traffic) for other in others if other.role is role))
            for role in Role
        }

    @property
    def guests(self) -> Peers:
        return self._peers[Role.GUEST]

    @property
    def hosts(self) -> Peers:
        return self._peers[Role.HOST]

    @property
    def arbiters(self) -> Peers:
        return self._peers[Role.ARBITER]

    @property
    def guest(self) -> Peer:
        """The only guest; IndexError where this party is that guest."""
        return self.guests.members[0]

    @property
    def arbiter(self) -> Peer:
        """The only arbiter; IndexError where there is none."""
        return self._peers[Role.ARBITER].members[0]

    def log_loss(self, iteration: int, loss: float, unit_name: str = "iters") -> None:
        """One point of the loss curve, in the tracker and in the task's log; ``unit_name`` is FATE's name of the x."""
        log.info("iteration %d: loss %.6f", iteration, loss)
        meta = {"metric_type": "LOSS", "name": "loss", "curve_name": "loss", "unit_name": unit_name}
        self.tracker.log_metric("train", "loss", [(float(iteration), loss)], meta)


def _not_kept(step: int, model: Model) -> None:
    """For a task without a store."""


class MemoryTracker:
    """A tracker that keeps everything in memory: for notebooks and tests."""

    def __init__(self) -> None:
        self.metrics: dict[tuple[str, str], list[Point]] = {}
        self.meta: dict[tuple[str, str], dict[str, Any]] = {}
        self.summary: dict[str, Any] = {}

    def log_metric(self, namespace: str, name: str, points: Sequence[Point], meta: Mapping[str, Any]) -> None:
        self.metrics.setdefault((namespace, name), []).extend(points)
        self.meta[namespace, name] = json.loads(json.dumps(meta))

    def set_summary(self, summary: Mapping[str, Any]) -> None:
        self.summary = json.loads(json.dumps(summary))
