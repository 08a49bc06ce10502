"""Whether a site's parts do their work, asked of the parts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fate_federated.errors import FateFederatedError, SiteError
from fate_federated.site.supervision import Part, PartState

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.site.airflow_api import AirflowApi

HEALTHY = "healthy"
STARTING = "starting"

_AIRFLOWS_NAMES = {Part.SCHEDULER: "scheduler", Part.DAG_PROCESSOR: "dag_processor", Part.TRIGGERER: "triggerer"}


def part_health(states: Mapping[Part, PartState], gateway: GatewayClient, api: AirflowApi) -> dict[Part, str]:
    """A word per part: ``healthy``, ``starting``, or what supervisord says of one that does not run."""
    health = {part: _without_answer(states.get(part)) for part in Part}
    if health[Part.GATEWAY] == STARTING and _answers(gateway):
        health[Part.GATEWAY] = HEALTHY
    if health[Part.API_SERVER] != STARTING:
        return health
    try:
        beats = api.health()
    except SiteError:
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


def _answers(gateway: GatewayClient) -> bool:
    try:
        gateway.site()
    except FateFederatedError:
        return False
    return True
