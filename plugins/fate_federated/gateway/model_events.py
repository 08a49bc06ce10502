"""Branches of models as Airflow assets: each site's own DAGs may run when one moves, whoever moved it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fate_federated.errors import FateFederatedError
from fate_federated.gateway.airflow_api import Airflow
from fate_federated.gateway.background import Background
from fate_federated.registry.names import branch_uri
from fate_federated.wire.model_records import ModelChange, RefKind

log = logging.getLogger(__name__)


class ModelEvents:
    """Tells the site's Airflow of branches that have moved, once per move. What Airflow does not take is logged."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._background = Background()

    def tell(self, change: ModelChange, name: str, commits: Mapping[str, str]) -> None:
        """Have events made of a change's moves, without waiting for it.

        Args:
            name: the model's at this site.
            commits: of the versions that branches go to, in this site's git repository.
        """
        for move in change.moves:
            if move.kind is RefKind.BRANCH and move.new:
                extra = {
                    "model_id": change.model_id,
                    "model": name,
                    "branch": move.name,
                    "model_version": move.new,
                    "before": move.old,
                    "action": change.action.value,
                    "by": str(change.by),
                    "author": change.author,
                    "message": change.message,
                    "commit": commits[move.new],
                }
                self._background.spawn(self._tell(branch_uri(name, move.name), extra))

    async def close(self) -> None:
        """Leave off."""
        await self._background.close()

    async def _tell(self, uri: str, extra: dict[str, str]) -> None:
        try:
            if await self._airflow.change_asset(uri, extra):
                log.info("Airflow is told of %s at version %s", uri, extra["model_version"])
        except FateFederatedError as error:
            log.warning("Airflow could not be told of %s at version %s: %s", uri, extra["model_version"], error)
