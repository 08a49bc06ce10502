"""Waiting for an attempt without holding a worker slot."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from fate_federated.connection import GatewayEndpoint, gateway_endpoint
from fate_federated.errors import FateFederatedError, GatewayUnavailable
from fate_federated.gateway.client import AsyncGatewayClient, GatewayClient, open_aio_channel, open_channel
from fate_federated.party import Party
from fate_federated.status import Presence
from fate_federated.wire.records import Attempt, TaskRef

CANCEL_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class AttemptEvent(TypedDict):
    """What the trigger tells the task that it wakes: the attempt to come back to, or what the gateway refused it with.

    How the attempt stands the task asks for itself.
    """

    attempt: int
    error: str


class AttemptTrigger(BaseTrigger):
    """Wait until an attempt assembles, or for a party without a part in it until it is decided.

    Args:
        party: who waits, as ``guest-9999``.
        participants: the parties for which the component has a part.
        attempt: the one that the party was parked in.
    """

    def __init__(
        self,
        *,
        job_id: str,
        component: str,
        party: str,
        participants: list[str],
        attempt: int,
        gateway_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.job_id = job_id
        self.component = component
        self.party = party
        self.participants = participants
        self.attempt = attempt
        self.gateway_conn_id = gateway_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, all of them JSON values."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "job_id": self.job_id,
            "component": self.component,
            "party": self.party,
            "participants": self.participants,
            "attempt": self.attempt,
            "gateway_conn_id": self.gateway_conn_id,
        }

    @property
    def participates(self) -> bool:
        """Whether the component has a part for the party."""
        return self.party in self.participants

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, however often the gateway restarts meanwhile."""
        try:
            attempt = await self._wait()
        except FateFederatedError as error:
            event = AttemptEvent(attempt=0, error=str(error))
        else:
            event = AttemptEvent(attempt=attempt.number, error="")
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """A person marked or cleared the waiting task: the attempt ends for all. A triggerer's restart ends nothing."""
        if self.participates:
            endpoint = await self._endpoint()
            await asyncio.to_thread(self._cancel, endpoint)

    async def _wait(self) -> Attempt:
        task, party = TaskRef(self.job_id, self.component), Party.parse(self.party)
        pause = FIRST_PAUSE_SECONDS
        while True:
            endpoint = await self._endpoint()
            try:
                async with AsyncGatewayClient(
                    open_aio_channel(endpoint.address, endpoint.tls), endpoint.address
                ) as gateway:
                    return await gateway.await_attempt(task, party, until_decided=not self.participates)
            except GatewayUnavailable as error:
                if pause == FIRST_PAUSE_SECONDS:
                    self.log.warning("still waiting for %s: %s", task, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _cancel(self, endpoint: GatewayEndpoint) -> None:
        """Come back in the place of the parked task, only to say that it was stopped."""
        with GatewayClient(open_channel(endpoint.address, endpoint.tls), endpoint.address) as gateway:
            attendance = gateway.attend(
                TaskRef(self.job_id, self.component),
                Party.parse(self.party),
                participants=[Party.parse(text) for text in self.participants],
                instance=f"stop/{uuid.uuid4()}",
                attempt=self.attempt,
            )
            attendance.report(Presence.CANCELED, "stopped by a person")
            attendance.wait_decided(CANCEL_SECONDS)
            attendance.close()

    async def _endpoint(self) -> GatewayEndpoint:
        connection = await BaseHook.aget_connection(self.gateway_conn_id)
        return gateway_endpoint(connection, await connection.aextra_dejson())
