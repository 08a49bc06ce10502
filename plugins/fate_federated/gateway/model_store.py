"""Models, versions, branches, tags and operations in the database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fate_federated.errors import ModelNotFound, suggest
from fate_federated.gateway.schema import ModelOperationRow, ModelRefRow, ModelRow, ModelVersionRow
from fate_federated.party import Party
from fate_federated.pb import models_pb2
from fate_federated.registry.history import leading_to
from fate_federated.registry.names import git_name, split_ref
from fate_federated.wire.model_convert import VERSION, change_in, change_out
from fate_federated.wire.model_records import (
    Mark,
    Model,
    ModelChange,
    ModelComponent,
    ModelOperation,
    ModelPart,
    ModelRef,
    ModelVersion,
    NewVersion,
    OperationState,
    RefKind,
    SiteProgress,
    VersionKind,
)

OPEN = (OperationState.PREPARING, OperationState.COMMITTED, OperationState.ABORTING)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a site made ready for a version, before anybody decided.

    Attributes:
        tree: of its commit in the site's git repository.
        parts, models, metrics, data: of this site's parties.
        job_name: of the job that trained.
    """

    tree: str
    parts: tuple[ModelPart, ...]
    models: tuple[ModelComponent, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    job_name: str = ""


# --- models -----------------------------------------------------------------------------------------------------------


def find_model(session: Session, name: str) -> ModelRow | None:
    """A model by its id or by its short name here."""
    return session.get(ModelRow, name) or session.scalar(select(ModelRow).where(ModelRow.name == name))


def model_row(session: Session, name: str) -> ModelRow:
    """The same.

    Raises:
        ModelNotFound: there is none; the text has a name that is near.
    """
    row = find_model(session, name)
    if row is None:
        known = session.scalars(select(ModelRow.name).order_by(ModelRow.created_at.desc()).limit(200))
        raise ModelNotFound(f"There is no model {name!r} at this site. {suggest(name, known)}".strip())
    return row


def load_model(session: Session, row: ModelRow) -> Model:
    """A model with its branches and tags."""
    return _load_models(session, [row])[0]


def list_models(session: Session) -> list[Model]:
    """All models, by name."""
    return _load_models(session, list(session.scalars(select(ModelRow).order_by(ModelRow.name))))


def _load_models(session: Session, rows: Sequence[ModelRow]) -> list[Model]:
    refs: dict[str, list[ModelRef]] = {row.model_id: [] for row in rows}
    pointers = select(ModelRefRow).order_by(ModelRefRow.kind, ModelRefRow.name)
    counts = select(ModelVersionRow.model_id, func.count()).group_by(ModelVersionRow.model_id)
    if len(rows) == 1:
        pointers = pointers.where(ModelRefRow.model_id == rows[0].model_id)
        counts = counts.where(ModelVersionRow.model_id == rows[0].model_id)
    for ref in session.scalars(pointers):
        if ref.model_id in refs:
            refs[ref.model_id].append(ModelRef(RefKind(ref.kind), ref.name, ref.version, ref.moved_at))
    number: dict[str, int] = {row[0]: row[1] for row in session.execute(counts)}
    return [
        Model(
            model_id=row.model_id,
            name=row.name,
            initiator=Party.parse(row.initiator),
            parties=tuple(map(Party.parse, row.parties)),
            created_at=row.created_at,
            refs=tuple(refs[row.model_id]),
            versions=number.get(row.model_id, 0),
        )
        for row in rows
    ]


def add_model(session: Session, change: ModelChange) -> ModelRow:
    """A model whose first version comes."""
    name = change.name
    taken = session.scalar(select(ModelRow.name).where(ModelRow.name == git_name(name, change.model_id))) is not None
    row = ModelRow(
        model_id=change.model_id,
        name=git_name(name, change.model_id, taken=taken),
        initiator=str(change.initiator),
        parties=list(map(str, change.parties)),
        created_at=change.created_at,
    )
    session.add(row)
    session.flush()
    return row


# --- versions ---------------------------------------------------------------------------------------------------------


def resolve(session: Session, model: str, ref: str) -> ModelVersionRow:
    """The version that a text means.

    Args:
        model: its id or name; empty where ``ref`` says it all.
        ref: a version, a branch, a tag, or ``<model>@<any of these>``; empty for the newest version.

    Raises:
        ModelNotFound: there is none; the text lists the branches and tags there are.
    """
    named, ref = split_ref(ref)
    if VERSION.fullmatch(ref):
        version = session.get(ModelVersionRow, ref)
        within = model or named
        if version is not None and (not within or model_row(session, within).model_id == version.model_id):
            return version
        raise ModelNotFound(f"There is no version {ref}{f' of {within}' if within else ''} at this site.")
    if named and model and model_row(session, named).model_id != model_row(session, model).model_id:
        raise ModelNotFound(f"{named}@{ref} is not a version of {model}.")
    if not (model or named) and find_model(session, ref) is not None:
        named, ref = ref, ""
    if not (model or named):
        raise ModelNotFound(f"{ref!r} names no version. Write <model>@<branch or tag>, or a version's digits.")
    row = model_row(session, model or named)
    if not ref:
        newest = session.scalar(
            select(ModelVersionRow)
            .where(ModelVersionRow.model_id == row.model_id)
            .order_by(ModelVersionRow.created_at.desc(), ModelVersionRow.version.desc())
            .limit(1)
        )
        if newest is None:
            raise ModelNotFound(f"{row.name} has no version.")
        return newest
    pointer = session.get(ModelRefRow, (row.model_id, ref))
    if pointer is None:
        known = session.scalars(select(ModelRefRow.name).where(ModelRefRow.model_id == row.model_id))
        raise ModelNotFound(f"{row.name} has no branch, tag or version {ref!r}. {suggest(ref, known)}".strip())
    version = session.get(ModelVersionRow, pointer.version)
    if version is None:
        raise ModelNotFound(f"{ref} of {row.name} points to version {pointer.version}, which is not here.")
    return version


def load_version(row: ModelVersionRow) -> ModelVersion:
    """A version of the database as a value."""
    return ModelVersion(
        model_id=row.model_id,
        about=NewVersion(row.version, row.parent, row.source, VersionKind(row.kind), row.job_id, tuple(row.components)),
        message=row.message,
        author=row.author,
        by=Party.parse(row.by),
        created_at=row.created_at,
        components=tuple(ModelComponent(*each) for each in row.models),
        parts=tuple(_part(each) for each in row.parts),
        metrics=json.loads(row.metrics),
        data=tuple(row.data),
        code_version=row.code_version,
        pinned=row.pinned,
        retired=row.retired,
        commit=row.commit,
        job_name=row.job_name,
    )


def list_versions(session: Session, model_id: str, limit: int, up_to: str = "") -> list[ModelVersion]:
    """The versions of a model, newest first.

    Args:
        up_to: a version: only it and what leads to it.
    """
    query = select(ModelVersionRow).where(ModelVersionRow.model_id == model_id)
    query = query.order_by(ModelVersionRow.created_at.desc(), ModelVersionRow.version.desc())
    if not up_to:
        return [load_version(row) for row in session.scalars(query.limit(limit))]
    wanted = leading_to(load_edges(session, model_id), up_to)
    newest = sorted(wanted, key=lambda version: (len(version), version), reverse=True)[:limit]
    rows = session.scalars(query.where(ModelVersionRow.version.in_(newest)))
    return [load_version(row) for row in rows]


def load_edges(session: Session, model_id: str) -> dict[str, tuple[str, ...]]:
    """What each version of a model comes from."""
    links = select(ModelVersionRow.version, ModelVersionRow.parent, ModelVersionRow.source)
    rows = session.execute(links.where(ModelVersionRow.model_id == model_id))
    return {version: (parent, source) for version, parent, source in rows}


def version_of_job(session: Session, job_id: str) -> ModelVersionRow | None:
    """The newest version that a job trained."""
    return session.scalar(
        select(ModelVersionRow)
        .where(ModelVersionRow.job_id == job_id, ModelVersionRow.kind == VersionKind.TRAINED)
        .order_by(ModelVersionRow.created_at.desc(), ModelVersionRow.version.desc())
        .limit(1)
    )


def apply_change(
    session: Session,
    change: ModelChange,
    prepared: Prepared | None,
    parts: Sequence[ModelPart],
    commit: str,
    code_version: str,
) -> None:
    """Write what a change says. Its conditions were checked when it was prepared."""
    if find_model(session, change.model_id) is None:
        add_model(session, change)
    about = change.version
    if about is not None and prepared is not None:
        session.add(
            ModelVersionRow(
                version=about.version,
                model_id=change.model_id,
                parent=about.parent,
                source=about.source,
                kind=about.kind,
                job_id=about.job_id,
                job_name=prepared.job_name,
                components=list(about.components),
                message=change.message,
                author=change.author,
                by=str(change.by),
                created_at=change.created_at,
                models=[[each.component, each.alias, each.module] for each in prepared.models],
                parts=[[str(part.party), part.digest, part.bytes] for part in parts],
                metrics=json.dumps(prepared.metrics),
                data=prepared.data,
                code_version=code_version,
                pinned=False,
                retired=False,
                change_id=change.change_id,
                commit=commit,
            )
        )
    for move in change.moves:
        row = session.get(ModelRefRow, (change.model_id, move.name))
        if not move.new:
            if row is not None:
                session.delete(row)
            continue
        row = row or ModelRefRow(model_id=change.model_id, name=move.name)
        session.add(row)
        row.kind, row.version, row.moved_at = move.kind, move.new, change.created_at
    for mark in change.marks:
        version = session.get(ModelVersionRow, mark.version)
        if version is None:
            raise ModelNotFound(f"There is no version {mark.version}.")
        if mark.mark is Mark.PINNED:
            version.pinned = mark.value
        else:
            version.retired = mark.value


# --- operations -------------------------------------------------------------------------------------------------------


def operation_row(session: Session, change_id: str) -> ModelOperationRow | None:
    return session.scalar(select(ModelOperationRow).where(ModelOperationRow.change_id == change_id))


def add_operation(session: Session, change: ModelChange, state: str, here: str) -> ModelOperationRow:
    """Write that a change is asked for."""
    row = ModelOperationRow(
        change_id=change.change_id,
        model_id=change.model_id,
        change=change_out(change).SerializeToString(),
        state=state,
        detail="",
        sites=[],
        here=here,
        prepared=None,
        parts=[],
        created_at=time.time(),
        ended_at=0.0,
    )
    session.add(row)
    session.flush()
    return row


def change_of(row: ModelOperationRow) -> ModelChange:
    return change_in(models_pb2.ModelChange.FromString(row.change))


def load_operation(row: ModelOperationRow) -> ModelOperation:
    """An operation that this site coordinates; of another's, how far it is here."""
    states = {"committed": OperationState.DONE, "aborted": OperationState.ABORTED}
    return ModelOperation(
        change=change_of(row),
        state=OperationState(row.state) if row.state else states.get(row.here, OperationState.PREPARING),
        detail=row.detail,
        sites=tuple(
            SiteProgress(tuple(map(Party.parse, parties)), state, detail) for parties, state, detail in row.sites
        ),
        ended_at=row.ended_at,
    )  # fmt: skip


def list_operations(session: Session, model_id: str, limit: int, *, only_open: bool) -> list[ModelOperation]:
    """The newest operations, newest first."""
    query = select(ModelOperationRow).order_by(ModelOperationRow.number.desc()).limit(limit)
    if model_id:
        query = query.where(ModelOperationRow.model_id == model_id)
    if only_open:
        query = query.where(
            ModelOperationRow.state.in_(OPEN)
            | ((ModelOperationRow.state == "") & ModelOperationRow.here.in_(("asked", "prepared")))
        )
    return [load_operation(row) for row in session.scalars(query)]


def open_operation(session: Session, model_id: str) -> ModelOperationRow | None:
    """The oldest operation of a model that this site coordinates and that has not ended."""
    return session.scalar(
        select(ModelOperationRow)
        .where(ModelOperationRow.model_id == model_id, ModelOperationRow.state.in_(OPEN))
        .order_by(ModelOperationRow.number)
        .limit(1)
    )


def prepared_out(prepared: Prepared) -> dict[str, Any]:
    """As JSON."""
    return {
        "tree": prepared.tree,
        "parts": [[str(part.party), part.digest, part.bytes] for part in prepared.parts],
        "models": [[each.component, each.alias, each.module] for each in prepared.models],
        "metrics": json.dumps(prepared.metrics),
        "data": prepared.data,
        "job_name": prepared.job_name,
    }


def prepared_in(content: dict[str, Any] | None) -> Prepared | None:
    """What :func:`prepared_out` made."""
    if content is None:
        return None
    return Prepared(
        tree=content["tree"],
        parts=tuple(_part(each) for each in content["parts"]),
        models=tuple(ModelComponent(*each) for each in content["models"]),
        metrics=json.loads(content["metrics"]),
        data=content["data"],
        job_name=content["job_name"],
    )


def parts_out(parts: Iterable[ModelPart]) -> list[list[Any]]:
    return [[str(part.party), part.digest, part.bytes] for part in parts]


def parts_of(row: ModelOperationRow) -> tuple[ModelPart, ...]:
    return tuple(_part(each) for each in row.parts)


def _part(row: Sequence[Any]) -> ModelPart:
    return ModelPart(Party.parse(row[0]), row[1], row[2])
