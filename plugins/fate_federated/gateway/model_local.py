"""This site, as the other sites and its own coordinator see it when it comes to models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy.orm import Session

from fate_federated.errors import AccessDenied, FateFederatedError, RegistryError
from fate_federated.gateway.background import Background
from fate_federated.gateway.database import Database
from fate_federated.gateway.model_coordinator import ModelCoordinator
from fate_federated.gateway.model_links import ModelLinks
from fate_federated.gateway.model_site import ModelSite
from fate_federated.gateway.model_store import change_of, list_versions, load_model, model_row, operation_row
from fate_federated.party import Party
from fate_federated.wire.model_records import (
    Model,
    ModelChange,
    ModelDecision,
    ModelOperation,
    ModelPart,
    ModelRequest,
    ModelVersion,
    Outcome,
)

log = logging.getLogger(__name__)

ASK_SECONDS = 20.0
"""How often a site asks what became of a change that it has prepared."""
MOST_COMPARED = 100_000


class LocalModels:
    """A :class:`~fate_federated.gateway.model_links.ModelLink` to where one is already."""

    def __init__(
        self,
        parties: tuple[Party, ...],
        database: Database,
        here: ModelSite,
        coordinator: ModelCoordinator,
        links: ModelLinks,
    ) -> None:
        self.parties = parties
        self._database, self._here, self._coordinator, self._links = database, here, coordinator, links
        self._background = Background()

    async def prepare(self, change: ModelChange) -> tuple[ModelPart, ...]:
        return await self._here.prepare(change)

    async def decide(self, decision: ModelDecision) -> None:
        await self._must_be_of(decision.change_id, decision.initiator)
        await self._here.decide(decision)

    async def ask(self, request: ModelRequest) -> ModelOperation:
        return await self._coordinator.ask(request)

    async def cancel(self, change_id: str, initiator: Party, callers: Iterable[Party] | None = None) -> ModelOperation:
        """Give up a change; only parties of the model may ask for that.

        Args:
            callers: None for this site's own people.
        """
        row = await self._database.run(lambda session: operation_row(session, change_id))
        if row is None:
            raise RegistryError(f"There is no change {change_id!r} at the site of {initiator}.")
        if callers is not None and not set(callers) & set(change_of(row).parties):
            raise AccessDenied(f"The caller is no party of {change_of(row).name}.")
        return await self._coordinator.cancel(change_id)

    async def outcome(self, change_id: str, initiator: Party) -> ModelDecision:
        return await self._coordinator.outcome(change_id, initiator)

    async def compare(self, model_id: str) -> tuple[Model, list[ModelVersion]]:
        """A model without what stays at this site: metrics and data."""

        def work(session: Session) -> tuple[Model, list[ModelVersion]]:
            row = model_row(session, model_id)
            return load_model(session, row), list_versions(session, row.model_id, MOST_COMPARED)

        model, versions = await self._database.run(work)
        return model, [replace(version, metrics={}, data=(), components=()) for version in versions]

    async def watch(self) -> None:
        """Ask again and again what became of changes that were prepared here, for as long as there are any."""
        while True:
            for change in await self._here.undecided():
                if not self._links.is_local(change.initiator):
                    await self._ask_for(change)
            await asyncio.sleep(ASK_SECONDS)

    async def _ask_for(self, change: ModelChange) -> None:
        try:
            decision = await self._links.of(change.initiator).outcome(change.change_id, change.initiator)
            if decision.outcome is not Outcome.UNDECIDED:
                await self._here.decide(decision)
        except FateFederatedError as error:
            log.info("what became of %s of %s is not known: %s", change.action, change.name, error)

    async def _must_be_of(self, change_id: str, initiator: Party) -> None:
        row = await self._database.run(lambda session: operation_row(session, change_id))
        if row is not None and change_of(row).initiator != initiator:
            raise AccessDenied(f"{initiator} does not coordinate the change {change_id}.")
