"""Changes of the models that this site's parties initiated: at all parties or at none.

Two phases, the first presumed to fail. The change is written here, then every site makes it ready and promises to be
able to make it; when all have promised, the decision is written here, and told to each until it has heard it. What a
crash leaves is taken up again from what is written: a change that is not decided is prepared anew, a decided one is
told anew, and a site that has promised and hears nothing asks. A site that does not answer leaves the change open and
visible, and until it is decided anybody may cancel it. The changes of a model are made one after the other.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.errors import AccessDenied, FateFederatedError, JobError, RegistryError
from fate_federated.gateway.background import Background
from fate_federated.gateway.database import Database
from fate_federated.gateway.imports import staged_about
from fate_federated.gateway.locks import JobLocks
from fate_federated.gateway.model_links import ModelLink, ModelLinks
from fate_federated.gateway.model_requests import plan_change, rebase
from fate_federated.gateway.model_store import (
    OPEN,
    add_operation,
    change_of,
    load_operation,
    open_operation,
    operation_row,
    parts_of,
    parts_out,
)
from fate_federated.gateway.schema import ModelOperationRow
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.transport.rpc import is_transient
from fate_federated.wire.model_convert import VERSION, change_out
from fate_federated.wire.model_records import (
    Action,
    ModelChange,
    ModelDecision,
    ModelOperation,
    ModelPart,
    ModelRequest,
    OperationState,
    Outcome,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class ModelCoordinator:
    """Takes requests, and drives changes to their end."""

    def __init__(self, site: SiteSettings, database: Database, links: ModelLinks) -> None:
        self._site, self._database, self._links = site, database, links
        self._locks = JobLocks()
        self._background = Background()
        self._driven: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Condition()
        self._last_version = 0

    async def ask(self, request: ModelRequest) -> ModelOperation:
        """Make a change of a request, and wait a while for its end.

        Raises:
            AccessDenied, ModelNotFound, RegistryError: it cannot be made; nothing has changed.
        """
        change_id = request.request_id or uuid.uuid4().hex
        imports = request.action is Action.IMPORT and VERSION.fullmatch(request.ref)
        imported = staged_about(self._site, request.ref) if imports else None

        def work(session: Session) -> ModelChange:
            row = operation_row(session, change_id)
            if row is not None:
                return change_of(row)
            change = plan_change(session, request, change_id, self.new_version(), time.time(), imported)
            if not self._links.is_local(change.initiator):
                raise AccessDenied(f"{change.name} is coordinated by {change.initiator}, not by this site.")
            waits = open_operation(session, change.model_id)
            if waits is not None:
                raise RegistryError(_busy(change, load_operation(waits)))
            add_operation(session, change, OperationState.PREPARING, "")
            return change

        change = await self._database.run(work)
        self._drive(change.model_id)
        return await self.wait(change.change_id, request.wait_seconds)

    async def commit(self, change: ModelChange) -> bool:
        """Queue the version of a job that has ended. Repeating it is harmless.

        Returns:
            whether it is new.
        """

        def work(session: Session) -> bool:
            if operation_row(session, change.change_id) is not None:
                return False
            add_operation(session, change, OperationState.PREPARING, "")
            return True

        new = await self._database.run(work)
        self._drive(change.model_id)
        return new

    async def cancel(self, change_id: str) -> ModelOperation:
        """Give up a change that is not decided.

        Raises:
            RegistryError: it is decided, or not known here.
        """

        def work(session: Session) -> str:
            row = operation_row(session, change_id)
            if row is None or not row.state:
                raise RegistryError(f"This site coordinates no change {change_id}. See `fate model pending`.")
            if row.state == OperationState.PREPARING:
                row.state, row.detail = OperationState.ABORTING, "It was cancelled."
            elif row.state in (OperationState.COMMITTED, OperationState.DONE):
                raise RegistryError(f"The change {change_id} is decided and cannot be cancelled.")
            return row.model_id

        self._drive(await self._database.run(work))
        return await self.wait(change_id, 5.0)

    async def outcome(self, change_id: str, initiator: Party) -> ModelDecision:
        """What became of a change; one that is not known was never decided."""
        row = await self._database.run(lambda session: operation_row(session, change_id))
        if row is None or row.state in (OperationState.ABORTING, OperationState.ABORTED, ""):
            return ModelDecision(change_id, Outcome.ABORT, initiator)
        if row.state == OperationState.PREPARING:
            return ModelDecision(change_id, Outcome.UNDECIDED, initiator)
        return ModelDecision(change_id, Outcome.COMMIT, initiator, parts_of(row))

    async def wait(self, change_id: str, seconds: float) -> ModelOperation:
        """An operation as it is when it ends, or after so long."""
        deadline = time.monotonic() + seconds
        while True:
            async with self._moved:
                row = await self._database.run(lambda session: operation_row(session, change_id))
                if row is None:
                    raise RegistryError(f"There is no change {change_id} at this site.")
                left = deadline - time.monotonic()
                operation = load_operation(row)
                if operation.state.ended or left <= 0:
                    return operation
                try:
                    await asyncio.wait_for(self._moved.wait(), left)
                except TimeoutError:
                    continue

    async def resume(self) -> None:
        """After a restart: go on with what is open."""

        def work(session: Session) -> list[str]:
            query = select(ModelOperationRow.model_id).where(ModelOperationRow.state.in_(OPEN))
            return list(session.scalars(query.distinct()))

        for model_id in await self._database.run(work):
            self._drive(model_id)

    async def close(self) -> None:
        """Leave off; what is open is gone on with after the next start."""
        await self._background.close()

    def new_version(self) -> str:
        """Digits of the time, as job ids; each is later than the last."""
        now = int(datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")) * 10 + 1
        self._last_version = max(now, self._last_version + 1)
        return str(self._last_version)

    # --- driving ------------------------------------------------------------------------------------------------------

    def _drive(self, model_id: str) -> None:
        wake = self._driven.get(model_id)
        if wake is not None:
            wake.set()
            return
        self._driven[model_id] = asyncio.Event()
        self._background.spawn(self._drive_all(model_id))

    async def _drive_all(self, model_id: str) -> None:
        """Bring the open changes of a model to their end, the oldest first."""
        pause = FIRST_PAUSE_SECONDS
        wake = self._driven[model_id]
        try:
            while True:
                wake.clear()
                row = await self._database.run(lambda session: open_operation(session, model_id))
                if row is None:
                    if wake.is_set():
                        continue
                    break
                moved = await self._step(row)
                async with self._moved:
                    self._moved.notify_all()
                if moved:
                    pause = FIRST_PAUSE_SECONDS
                    continue
                try:
                    await asyncio.wait_for(wake.wait(), pause)
                except TimeoutError:
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            # No await between the last look and this: who comes later starts anew.
            del self._driven[model_id]

    async def _step(self, row: ModelOperationRow) -> bool:
        """One try of one phase; returns whether the operation got on."""
        change = change_of(row)
        try:
            sites = self._links.sites(change.parties)
        except JobError as error:
            if row.state != OperationState.PREPARING:
                log.error("%s of %s cannot be told to all parties: %s", change.action, change.name, error)
                return False
            await self._abort(change, str(error))
            return True
        if row.state == OperationState.PREPARING:
            return await self._prepare(change, sites)
        commits = row.state == OperationState.COMMITTED
        decision = ModelDecision(
            change.change_id,
            Outcome.COMMIT if commits else Outcome.ABORT,
            change.initiator,
            parts_of(row) if commits else (),
        )
        return await self._tell(row, sites, decision)

    async def _prepare(self, change: ModelChange, sites: Sequence[ModelLink]) -> bool:
        if change.action is Action.COMMIT:
            change = await self._rebased(change)
        answers = await asyncio.gather(*(_answer(site.prepare(change)) for site in sites))
        progress, parts, refused, missing = [], list[ModelPart](), [], False
        for site, answer in zip(sites, answers, strict=True):
            names = list(map(str, site.parties))
            if isinstance(answer, FateFederatedError):
                unreachable = is_transient(answer)
                missing = missing or unreachable
                progress.append([names, "unreachable" if unreachable else "refused", str(answer)])
                refused += [] if unreachable else [f"{', '.join(names)}: {answer}"]
            else:
                progress.append([names, "prepared", ""])
                parts += [part for part in answer if part.party in site.parties]
        if refused:
            await self._abort(change, " ".join(refused), progress)
            return True
        if not missing and change.version is not None:
            lacking = set(change.parties) - {part.party for part in parts}
            if lacking:
                await self._abort(change, f"{', '.join(map(str, lacking))} made no part of the version.", progress)
                return True

        def work(session: Session) -> bool:
            row = operation_row(session, change.change_id)
            if row is None or row.state != OperationState.PREPARING:
                return True  # cancelled meanwhile
            row.sites = progress
            if missing:
                away = [name for names, state, _ in progress if state == "unreachable" for name in names]
                row.detail = f"Waits for {', '.join(away)}"
                return False
            row.state, row.detail, row.parts = OperationState.COMMITTED, "", parts_out(parts)
            return True

        return await self._database.run(work)

    async def _rebased(self, change: ModelChange) -> ModelChange:
        """A training's version goes on top of its branch, wherever that is when its turn comes."""

        def work(session: Session) -> ModelChange:
            row = operation_row(session, change.change_id)
            based = rebase(session, change)
            if row is not None and based != change and not row.sites:
                row.change = change_out(based).SerializeToString()
            return based if row is not None and not row.sites else change

        return await self._database.run(work)

    async def _abort(self, change: ModelChange, detail: str, progress: Sequence[object] = ()) -> None:
        log.warning("%s of %s is given up: %s", change.action, change.name, detail)

        def work(session: Session) -> None:
            row = operation_row(session, change.change_id)
            if row is not None and row.state == OperationState.PREPARING:
                row.state, row.detail, row.sites = OperationState.ABORTING, detail, list(progress)

        await self._database.run(work)

    async def _tell(self, row: ModelOperationRow, sites: Sequence[ModelLink], decision: ModelDecision) -> bool:
        told = {name for names, state, _ in row.sites if state == "told" for name in names}
        waiting = [site for site in sites if not set(map(str, site.parties)) <= told]
        answers = await asyncio.gather(*(_answer(site.decide(decision)) for site in waiting))
        progress = [[list(map(str, site.parties)), "told", ""] for site in sites if site not in waiting]
        for site, answer in zip(waiting, answers, strict=True):
            failed = isinstance(answer, FateFederatedError)
            progress.append([list(map(str, site.parties)), "unreachable" if failed else "told", str(answer or "")])
            if failed:
                log.warning("%s of a change could not be told to %s: %s", decision.outcome, site.parties, answer)
        done = all(state == "told" for _, state, _ in progress)

        def work(session: Session) -> None:
            now = operation_row(session, decision.change_id)
            if now is None:
                return
            now.sites = progress
            if done:
                commits = decision.outcome is Outcome.COMMIT
                now.state, now.ended_at = (OperationState.DONE if commits else OperationState.ABORTED), time.time()

        await self._database.run(work)
        return done


async def _answer(call: Awaitable[T]) -> T | FateFederatedError:
    """What a site answers, an error among it."""
    try:
        return await call
    except FateFederatedError as error:
        return error


def _busy(change: ModelChange, waits: ModelOperation) -> str:
    return (
        f"Another change of {change.name} is not done yet ({waits.change.action}, {waits.change.change_id}: "
        f"{waits.detail or waits.state}). `fate model pending` shows it, and `fate model cancel "
        f"{waits.change.change_id}` gives it up."
    )
