"""What a site asks of a change of a model before it says yes."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from fate_federated.errors import AccessDenied, RegistryError
from fate_federated.gateway.job_store import load_job
from fate_federated.gateway.model_store import change_of, find_model
from fate_federated.gateway.schema import ModelOperationRow, ModelRefRow, ModelRow, ModelVersionRow
from fate_federated.registry.names import check_ref_name
from fate_federated.settings import SiteSettings
from fate_federated.wire.model_records import (
    Action,
    Mark,
    MarkChange,
    ModelChange,
    NewVersion,
    RefKind,
    RefMove,
    VersionKind,
)

_MAKES = {
    Action.COMMIT: VersionKind.TRAINED,
    Action.DEPLOY: VersionKind.DEPLOYED,
    Action.ROLLBACK: VersionKind.RESTORED,
    Action.IMPORT: VersionKind.IMPORTED,
}


def check_change(session: Session, change: ModelChange, site: SiteSettings) -> None:
    """Whether this site can and may make a change.

    Raises:
        AccessDenied: who asks has no say, or the site's policy does not allow it.
        RegistryError: it does not fit what is here; the text says what is.
    """
    _check_parties(session, change, site)
    waiting = session.scalar(
        select(ModelOperationRow).where(
            ModelOperationRow.model_id == change.model_id,
            ModelOperationRow.here == "prepared",
            ModelOperationRow.change_id != change.change_id,
        )
    )
    if waiting is not None:
        other = change_of(waiting)
        raise RegistryError(
            f"{site.name} waits for the word of {other.initiator} on another change of {change.name} "
            f"({other.action}, {other.change_id})."
        )
    made = _MAKES.get(change.action)
    if (change.version.kind if change.version else None) is not made:
        raise RegistryError(f"A change that is to {change.action} makes {made or 'no version'}.")
    if change.version is not None:
        _check_version(session, change, change.version, site)
    for move in change.moves:
        _check_move(session, change, move, site)
    for mark in change.marks:
        _check_mark(session, change, mark)


def _check_parties(session: Session, change: ModelChange, site: SiteSettings) -> None:
    parties = change.parties
    if change.initiator not in parties or change.by not in parties:
        raise AccessDenied(f"{change.by} is no party of {change.name}: only its parties may change it.")
    if not set(parties) & set(site.hosted):
        raise RegistryError(f"None of the parties of {change.name} is at {site.name}.")
    row: ModelRow | None = find_model(session, change.model_id)
    if row is None:
        if change.action not in (Action.COMMIT, Action.IMPORT):
            raise RegistryError(f"{site.name} has no model {change.model_id}.")
        return
    if row.initiator != str(change.initiator) or row.parties != list(map(str, parties)):
        raise RegistryError(
            f"{change.model_id} belongs to {', '.join(row.parties)} and is coordinated by {row.initiator} "
            f"as {site.name} knows it."
        )


def _check_version(session: Session, change: ModelChange, about: NewVersion, site: SiteSettings) -> None:
    if session.get(ModelVersionRow, about.version) is not None:
        raise RegistryError(f"{site.name} has a version {about.version} already. Versions are never replaced.")
    for ancestor in (about.parent, about.source):
        row = session.get(ModelVersionRow, ancestor) if ancestor else None
        if ancestor and (row is None or (ancestor == about.parent and row.model_id != change.model_id)):
            raise RegistryError(f"{site.name} has no version {ancestor} of {change.name}: it is not complete.")
    if change.action is Action.COMMIT:
        job = load_job(session, about.job_id)
        if job.initiator != change.initiator or {at.party for at in job.parties} != set(change.parties):
            raise AccessDenied(f"Job {about.job_id} is not of {change.initiator} and the parties of {change.name}.")
    elif change.action in (Action.DEPLOY, Action.ROLLBACK):
        row = session.get(ModelVersionRow, about.source) if about.source else None
        if row is None or row.model_id != change.model_id:
            raise RegistryError(f"There is no version of {change.name} to {change.action} from.")
        if row.retired:
            raise RegistryError(f"Version {about.source} is retired. `fate model unretire` makes it usable again.")


def _check_move(session: Session, change: ModelChange, move: RefMove, site: SiteSettings) -> None:
    check_ref_name(move.name)
    there = session.get(ModelRefRow, (change.model_id, move.name))
    now = there.version if there is not None else ""
    if there is not None and there.kind != move.kind:
        raise RegistryError(f"{change.name} has a {there.kind} {move.name}: a {move.kind} cannot be called that too.")
    if move.kind is RefKind.TAG and now and move.new:
        raise RegistryError(
            f"{change.name} has a tag {move.name} already, at version {now}. Tags do not move: choose another name, or "
            f"delete it first with `fate model tag {change.name} {move.name} --delete`."
        )
    if now != move.old:
        raise RegistryError(
            f"The {move.kind} {move.name} of {change.name} has moved meanwhile: it is at {now or 'no version'}, and "
            f"this was asked for when it was at {move.old or 'none'}. See `fate model log {change.name}`: ask again."
        )
    if move.new and not (change.version and change.version.version == move.new):
        row = session.get(ModelVersionRow, move.new)
        if row is None or row.model_id != change.model_id:
            raise RegistryError(f"{site.name} has no version {move.new} of {change.name}: it is not complete.")
        if row.retired:
            raise RegistryError(f"Version {move.new} is retired. `fate model unretire` makes it usable again.")
    if move.kind is RefKind.BRANCH:
        _check_may_move(change, move, site)


def _check_may_move(change: ModelChange, move: RefMove, site: SiteSettings) -> None:
    rules = site.policy.branches
    may = rules.get(move.name, rules.get("*"))
    if may is not None and str(change.by) not in may:
        raise AccessDenied(
            f"{change.by} may not move the branch {move.name}: policy.branches of {site.name} names "
            f"{', '.join(may) or 'nobody'}."
        )


def _check_mark(session: Session, change: ModelChange, mark: MarkChange) -> None:
    row = session.get(ModelVersionRow, mark.version)
    if row is None or row.model_id != change.model_id:
        raise RegistryError(f"There is no version {mark.version} of {change.name}.")
    if mark.mark is Mark.RETIRED and mark.value:
        if row.pinned:
            raise RegistryError(f"Version {mark.version} is pinned. `fate model unpin` lets it be retired.")
        names = session.scalars(
            select(ModelRefRow.name).where(ModelRefRow.model_id == change.model_id, ModelRefRow.version == mark.version)
        ).all()
        if names:
            raise RegistryError(
                f"Version {mark.version} is in use: {', '.join(names)} of {change.name} points to it. Move that first."
            )
