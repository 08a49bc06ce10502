"""Waiting for an attempt without holding a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from fate_federated.connection import gateway_endpoint
from fate_federated.errors import FateFederatedError, GatewayUnavailable
from fate_federated.party import Party
from fate_federated.wire.records import Attempt, TaskRef

if TYPE_CHECKING:
    from fate_federated.gateway.client import AsyncGatewayClient

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class AttemptEvent(TypedDict):
    """What the trigger tells the task that it wakes.

    ``state`` is the attempt's: assembling where the task is to join, else the decision. It is empty when the gateway
    refused to answer; ``detail`` then says why.
    """

    attempt: int
    state: str
    detail: str


class AttemptTrigger(BaseTrigger):
    """Wait until an attempt assembles, or until it is decided.

    Args:
        party: as ``guest-9999``.
        until_decided: for a party that only follows the outcome.
    """

    def __init__(
        self, *, job_id: str, component: str, party: str, until_decided: bool, gateway_conn_id: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.component = component
        self.party = party
        self.until_decided = until_decided
        self.gateway_conn_id = gateway_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, all of them JSON values."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "job_id": self.job_id,
            "component": self.component,
            "party": self.party,
            "until_decided": self.until_decided,
            "gateway_conn_id": self.gateway_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, however often the gateway restarts meanwhile."""
        try:
            attempt = await self._wait()
        except FateFederatedError as error:
            yield TriggerEvent(AttemptEvent(attempt=0, state="", detail=str(error)))
            return
        yield TriggerEvent(AttemptEvent(attempt=attempt.number, state=attempt.state.value, detail=attempt.detail))

    async def on_kill(self) -> None:
        """A person marked or cleared the waiting task: the attempt ends for all. A triggerer's restart ends nothing."""
        async with self._gateway() as gateway:
            await gateway.cancel_attempt(
                TaskRef(self.job_id, self.component), Party.parse(self.party), f"stopped by a person at {self.party}"
            )

    async def _wait(self) -> Attempt:
        task, party = TaskRef(self.job_id, self.component), Party.parse(self.party)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._gateway() as gateway:
                    return await gateway.await_attempt(task, party, until_decided=self.until_decided)
            except GatewayUnavailable as error:
                if pause == FIRST_PAUSE_SECONDS:
                    self.log.warning("still waiting for %s: %s", task, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    @asynccontextmanager
    async def _gateway(self) -> AsyncIterator[AsyncGatewayClient]:
        from fate_federated.gateway.client import AsyncGatewayClient, open_aio_channel

        connection = await BaseHook.aget_connection(self.gateway_conn_id)
        endpoint = gateway_endpoint(connection, await connection.aextra_dejson())
        channel = open_aio_channel(endpoint.address, endpoint.tls)
        async with AsyncGatewayClient(channel, endpoint.address) as gateway:
            yield gateway
