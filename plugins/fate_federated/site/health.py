"""Whether a site's parts do their work, asked of the parts themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from fate_federated.errors import FateFederatedError
from fate_federated.site.supervision import Part, PartState

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.site.airflow_api import AirflowApi

HEALTHY = "healthy"
STARTING = "starting"
NO_ANSWER = "no answer"
CALL_SECONDS = 3.0
"""A part that is busy for longer than this is said to give no answer."""

T = TypeVar("T")

_AIRFLOWS_NAMES = {Part.SCHEDULER: "scheduler", Part.DAG_PROCESSOR: "dag_processor", Part.TRIGGERER: "triggerer"}


def part_health(states: Mapping[Part, PartState], gateway: GatewayClient, api: AirflowApi) -> dict[Part, str]:
    """A word per part: ``healthy``, ``starting``, or ``no answer`` of a busy one, or what supervisord says of one that
    does not run. Airflow's other parts are known from its API server only. Online serving is named where it is one of
    the site's processes, and is healthy as soon as it stays up.
    """
    health = {part: _without_answer(states.get(part)) for part in Part if part in states or part is not Part.SERVING}
    if health.get(Part.SERVING) == STARTING and states[Part.SERVING].state == "RUNNING":
        health[Part.SERVING] = HEALTHY
    if health[Part.GATEWAY] == STARTING:
        description = _asked(lambda: gateway.site(timeout_seconds=CALL_SECONDS))
        health[Part.GATEWAY] = description if isinstance(description, str) else HEALTHY
    if health[Part.API_SERVER] != STARTING:
        return health
    beats = _asked(lambda: api.health(CALL_SECONDS))
    if isinstance(beats, str):
        for part in (Part.API_SERVER, *_AIRFLOWS_NAMES):
            health[part] = beats if health[part] == STARTING else health[part]
        return health
    health[Part.API_SERVER] = HEALTHY
    for part, name in _AIRFLOWS_NAMES.items():
        state = states.get(part)
        # For half a minute Airflow calls a part healthy whose process ended: only a beat of this process counts.
        if state is not None and health[part] == STARTING and beats.get(name, 0.0) >= state.started_at:
            health[part] = HEALTHY
    return health


def _without_answer(state: PartState | None) -> str:
    if state is None:
        return "stopped"
    return STARTING if state.pid else state.state.lower()


def _asked(question: Callable[[], T]) -> T | str:
    """The answer, or the word for a part that gives none: one that starts refuses at once, a busy one lets us wait."""
    began = time.monotonic()
    try:
        return question()
    except FateFederatedError:
        return NO_ANSWER if time.monotonic() - began > CALL_SECONDS / 2 else STARTING
