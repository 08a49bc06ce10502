"""From what somebody asks for to a change that says everything."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from fate_federated.errors import AccessDenied, RegistryError
from fate_federated.gateway.model_store import find_model, model_row, resolve
from fate_federated.gateway.schema import ModelRefRow, ModelRow, ModelVersionRow
from fate_federated.party import Party
from fate_federated.registry.archive import ArchiveAbout
from fate_federated.registry.names import DEFAULT_BRANCH, DEPLOY_BRANCH, check_ref_name, model_key
from fate_federated.wire.model_records import (
    Action,
    Mark,
    MarkChange,
    ModelChange,
    ModelRequest,
    NewVersion,
    RefKind,
    RefMove,
    VersionKind,
)

_MARKS = {
    Action.PIN: (Mark.PINNED, True),
    Action.UNPIN: (Mark.PINNED, False),
    Action.RETIRE: (Mark.RETIRED, True),
    Action.UNRETIRE: (Mark.RETIRED, False),
}


def plan_change(
    session: Session,
    request: ModelRequest,
    change_id: str,
    version: str,
    now: float,
    imported: ArchiveAbout | None = None,
) -> ModelChange:
    """The change that a request means, as the model is now.

    Args:
        version: for the version that it makes, if it makes one.
        imported: what the parts say that were unpacked here, for an import.

    Raises:
        AccessDenied: who asks is no party of the model.
        ModelNotFound, RegistryError: it means nothing, or cannot be.
    """
    if request.action is Action.IMPORT:
        return _import(session, request, change_id, imported, now)
    row = model_row(session, request.model)
    parties = tuple(map(Party.parse, row.parties))
    if request.by not in parties:
        raise AccessDenied(f"{request.by} is no party of {row.name}: only its parties may change it.")
    change = ModelChange(
        change_id=change_id,
        action=request.action,
        model_id=row.model_id,
        name=row.name,
        initiator=Party.parse(row.initiator),
        parties=parties,
        by=request.by,
        author=request.author or str(request.by),
        message=request.message,
        created_at=now,
    )
    match request.action:
        case Action.BRANCH | Action.TAG:
            return _point(session, request, change, row)
        case Action.DELETE_BRANCH | Action.DELETE_TAG:
            return _unpoint(session, request, change)
        case Action.DEPLOY:
            return _deploy(session, request, change, row, version)
        case Action.ROLLBACK:
            return _roll_back(session, request, change, row, version)
        case Action.PIN | Action.UNPIN | Action.RETIRE | Action.UNRETIRE:
            mark, value = _MARKS[request.action]
            meant = resolve(session, row.model_id, request.ref).version
            return replace(change, marks=(MarkChange(meant, mark, value),))
    raise RegistryError(f"{request.action} is not asked for in this way.")


def rebase(session: Session, change: ModelChange) -> ModelChange:
    """A change that adds a version to a branch, on top of where that is now."""
    about = change.version
    if about is None:
        return change
    moves = tuple(replace(move, old=head(session, change.model_id, move.name)) for move in change.moves)
    parent = moves[0].old if moves else about.parent
    return replace(change, version=replace(about, parent=parent), moves=moves)


def head(session: Session, model_id: str, name: str) -> str:
    """What a branch or tag points to; empty for nothing."""
    row = session.get(ModelRefRow, (model_id, name))
    return row.version if row is not None else ""


def _point(session: Session, request: ModelRequest, change: ModelChange, row: ModelRow) -> ModelChange:
    kind = RefKind.BRANCH if request.action is Action.BRANCH else RefKind.TAG
    name = check_ref_name(request.name)
    meant = resolve(session, row.model_id, request.ref)
    old = _expected(session, request, row, name)
    pointer = session.get(ModelRefRow, (row.model_id, name))
    if kind is RefKind.BRANCH and pointer is not None and pointer.kind == kind and old == meant.version:
        raise RegistryError(f"The {kind} {name} of {row.name} is at version {old} already.")
    return replace(change, moves=(RefMove(kind, name, old, meant.version),))


def _unpoint(session: Session, request: ModelRequest, change: ModelChange) -> ModelChange:
    kind = RefKind.BRANCH if request.action is Action.DELETE_BRANCH else RefKind.TAG
    there = session.get(ModelRefRow, (change.model_id, request.name))
    if there is None or there.kind != kind:
        raise RegistryError(f"{change.name} has no {kind} {request.name[:80]!r}.")
    return replace(change, moves=(RefMove(kind, request.name, there.version, ""),))


def _deploy(session: Session, request: ModelRequest, change: ModelChange, row: ModelRow, version: str) -> ModelChange:
    source = resolve(session, row.model_id, request.ref)
    branch = check_ref_name(request.branch or DEPLOY_BRANCH)
    old = _expected(session, request, row, branch)
    about = NewVersion(
        version, old or source.version, source.version, VersionKind.DEPLOYED, source.job_id, request.components
    )
    message = request.message or f"Deploy {', '.join(request.components) or 'all components'} of {source.version}"
    return replace(change, version=about, message=message, moves=(RefMove(RefKind.BRANCH, branch, old, version),))


def _roll_back(
    session: Session, request: ModelRequest, change: ModelChange, row: ModelRow, version: str
) -> ModelChange:
    branch = check_ref_name(request.branch)
    old = _expected(session, request, row, branch)
    if not old:
        raise RegistryError(f"{row.name} has no branch {branch} to roll back.")
    if request.ref:
        source = resolve(session, row.model_id, request.ref)
    else:
        current = session.get(ModelVersionRow, old)
        if current is None or not current.parent:
            raise RegistryError(f"The branch {branch} of {row.name} has no version before {old} to go back to.")
        source = resolve(session, row.model_id, current.parent)
    if source.version == old:
        raise RegistryError(f"The branch {branch} of {row.name} is at version {old} already.")
    about = NewVersion(version, old, source.version, VersionKind.RESTORED, source.job_id, tuple(source.components))
    message = request.message or f"Roll {branch} back to {source.version}"
    return replace(change, version=about, message=message, moves=(RefMove(RefKind.BRANCH, branch, old, version),))


def _import(
    session: Session, request: ModelRequest, change_id: str, about: ArchiveAbout | None, now: float
) -> ModelChange:
    if about is None:
        raise RegistryError(
            f"The initiator has no part of version {request.ref} yet: `fate model import FILE` at its site."
        )
    parties = tuple(map(Party.parse, about.parties))
    if request.by not in parties:
        raise AccessDenied(f"{request.by} is no party of {about.model_id}: only its parties may change it.")
    known = find_model(session, about.model_id)
    key = model_key(about.model_id)
    branch = check_ref_name(request.branch or DEFAULT_BRANCH)
    parent = head(session, about.model_id, branch)
    return ModelChange(
        change_id=change_id,
        action=Action.IMPORT,
        model_id=about.model_id,
        name=known.name if known is not None else key if key != "model" else "imported",
        initiator=Party.parse(about.initiator),
        parties=parties,
        by=request.by,
        author=request.author or str(request.by),
        message=request.message or about.message or f"Import {about.version}",
        created_at=now,
        version=NewVersion(about.version, parent, "", VersionKind.IMPORTED, about.job_id),
        moves=(RefMove(RefKind.BRANCH, branch, parent, about.version),),
    )


def _expected(session: Session, request: ModelRequest, row: ModelRow, name: str) -> str:
    """Where a branch is.

    Raises:
        RegistryError: the request was made when it was somewhere else.
    """
    now = head(session, row.model_id, name)
    if request.expected and request.expected != now:
        raise RegistryError(
            f"The branch {name} of {row.name} has moved meanwhile: it is at {now or 'no version'}, not at "
            f"{request.expected}. Look at `fate model log {row.name}` and ask again."
        )
    return now
