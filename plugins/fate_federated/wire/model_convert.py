"""Records of the model registry to protobuf and back, as in :mod:`fate_federated.wire.convert`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fate_federated.errors import MessageRejected
from fate_federated.pb import models_pb2
from fate_federated.wire.convert import _text, _word, detail_in, job_status_in, parties_in, party_in, party_out
from fate_federated.wire.model_records import (
    Action,
    Checkpoint,
    CheckReport,
    DiffLine,
    Finding,
    Mark,
    MarkChange,
    Model,
    ModelChange,
    ModelComponent,
    ModelDecision,
    ModelOperation,
    ModelPart,
    ModelRef,
    ModelRequest,
    ModelVersion,
    NewVersion,
    OperationState,
    Outcome,
    RefKind,
    RefMove,
    SiteProgress,
    Snapshot,
    VersionInProgress,
    VersionKind,
)

VERSION = re.compile(r"[0-9]{1,32}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_MODEL_ID = 512
MAX_MESSAGE = 4096
MAX_PARTIES = 1000
MAX_COMPONENTS = 10_000


def version_in(text: str) -> str:
    """A version: digits, as job ids are."""
    if not VERSION.fullmatch(text):
        raise MessageRejected(f"{text[:50]!r} is not a version: those are 1 to 32 digits.")
    return text


def _optional_version(text: str) -> str:
    return version_in(text) if text else ""


def model_id_in(text: str) -> str:
    return _text(text, "model_id", MAX_MODEL_ID)


def message_in(text: str) -> str:
    """A commit's message: of several lines, and without characters that would disturb a log or a commit."""
    return detail_in(text)[:MAX_MESSAGE]


def ref_out(ref: ModelRef) -> models_pb2.ModelRef:
    return models_pb2.ModelRef(kind=ref.kind, name=ref.name, version=ref.version, moved_at=ref.moved_at)


def ref_in(message: models_pb2.ModelRef) -> ModelRef:
    return ModelRef(_word(RefKind, message.kind), message.name, message.version, message.moved_at)


def model_out(model: Model) -> models_pb2.Model:
    return models_pb2.Model(
        model_id=model.model_id,
        name=model.name,
        initiator=party_out(model.initiator),
        parties=map(party_out, model.parties),
        created_at=model.created_at,
        refs=map(ref_out, model.refs),
        versions=model.versions,
    )


def model_in(message: models_pb2.Model) -> Model:
    return Model(
        model_id=model_id_in(message.model_id),
        name=message.name,
        initiator=party_in(message.initiator),
        parties=parties_in(message.parties),
        created_at=message.created_at,
        refs=tuple(map(ref_in, message.refs)),
        versions=message.versions,
    )


def part_out(part: ModelPart) -> models_pb2.ModelPart:
    return models_pb2.ModelPart(party=party_out(part.party), digest=part.digest, bytes=part.bytes)


def part_in(message: models_pb2.ModelPart) -> ModelPart:
    if not DIGEST.fullmatch(message.digest):
        raise MessageRejected("A part's digest is not a SHA-256.")
    return ModelPart(party_in(message.party), message.digest, message.bytes)


def parts_in(messages: Iterable[models_pb2.ModelPart]) -> tuple[ModelPart, ...]:
    parts = tuple(map(part_in, messages))
    if len(parts) > MAX_PARTIES or len({part.party for part in parts}) < len(parts):
        raise MessageRejected("The parts of a version name a party twice, or too many.")
    return parts


def new_version_out(about: NewVersion) -> models_pb2.NewVersion:
    return models_pb2.NewVersion(
        version=about.version,
        parent=about.parent,
        source=about.source,
        kind=about.kind,
        job_id=about.job_id,
        components=about.components,
    )


def new_version_in(message: models_pb2.NewVersion) -> NewVersion:
    if len(message.components) > MAX_COMPONENTS:
        raise MessageRejected("A version has too many components.")
    return NewVersion(
        version=version_in(message.version),
        parent=_optional_version(message.parent),
        source=_optional_version(message.source),
        kind=_word(VersionKind, message.kind),
        job_id=_optional_version(message.job_id),
        components=tuple(_text(name, "component's name", 128) for name in message.components),
    )


def model_version_out(version: ModelVersion) -> models_pb2.ModelVersion:
    return models_pb2.ModelVersion(
        model_id=version.model_id,
        about=new_version_out(version.about),
        message=version.message,
        author=version.author,
        by=party_out(version.by),
        created_at=version.created_at,
        components=[
            models_pb2.ModelComponent(component=each.component, alias=each.alias, module=each.module)
            for each in version.components
        ],
        parts=map(part_out, version.parts),
        metrics=json.dumps(version.metrics),
        data=json.dumps(version.data),
        code_version=version.code_version,
        pinned=version.pinned,
        retired=version.retired,
        commit=version.commit,
        job_name=version.job_name,
    )


def _json(text: str, empty: Any) -> Any:
    try:
        return json.loads(text) if text else empty
    except ValueError as error:
        raise MessageRejected(f"What is said of a version is not JSON: {error}.") from None


def in_progress_out(version: VersionInProgress) -> models_pb2.VersionInProgress:
    return models_pb2.VersionInProgress(
        model_id=version.model_id,
        name=version.name,
        version=version.version,
        branch=version.branch,
        status=version.status,
        message=version.message,
        author=version.author,
        started_at=version.started_at,
        checkpoints=[
            models_pb2.Checkpoint(
                component=each.component,
                alias=each.alias,
                party=party_out(each.party),
                attempt=each.attempt,
                step=each.step,
            )
            for each in version.checkpoints
        ],
    )


def in_progress_in(message: models_pb2.VersionInProgress) -> VersionInProgress:
    return VersionInProgress(
        model_id=model_id_in(message.model_id),
        name=message.name,
        version=version_in(message.version),
        branch=message.branch,
        status=job_status_in(message.status),
        message=message_in(message.message),
        author=detail_in(message.author),
        started_at=message.started_at,
        checkpoints=tuple(
            Checkpoint(each.component, each.alias, party_in(each.party), each.attempt, each.step)
            for each in message.checkpoints
        ),
    )


def model_version_in(message: models_pb2.ModelVersion) -> ModelVersion:
    return ModelVersion(
        model_id=model_id_in(message.model_id),
        about=new_version_in(message.about),
        message=message_in(message.message),
        author=detail_in(message.author),
        by=party_in(message.by),
        created_at=message.created_at,
        components=tuple(ModelComponent(each.component, each.alias, each.module) for each in message.components),
        parts=parts_in(message.parts),
        metrics=_json(message.metrics, {}),
        data=_json(message.data, []),
        code_version=message.code_version,
        pinned=message.pinned,
        retired=message.retired,
        commit=message.commit,
        job_name=message.job_name,
    )


def change_out(change: ModelChange) -> models_pb2.ModelChange:
    return models_pb2.ModelChange(
        change_id=change.change_id,
        action=change.action,
        model_id=change.model_id,
        name=change.name,
        initiator=party_out(change.initiator),
        parties=map(party_out, change.parties),
        by=party_out(change.by),
        author=change.author,
        message=change.message,
        created_at=change.created_at,
        version=None if change.version is None else new_version_out(change.version),
        moves=[models_pb2.RefMove(kind=move.kind, name=move.name, old=move.old, new=move.new) for move in change.moves],
        marks=[models_pb2.MarkChange(version=mark.version, mark=mark.mark, value=mark.value) for mark in change.marks],
    )


def change_in(message: models_pb2.ModelChange) -> ModelChange:
    if len(message.parties) > MAX_PARTIES or len(message.moves) > 10 or len(message.marks) > 1000:
        raise MessageRejected("The change of a model is too large.")
    return ModelChange(
        change_id=_text(message.change_id, "change's id", 64),
        action=_word(Action, message.action),
        model_id=model_id_in(message.model_id),
        name=_text(message.name, "model's name", 160),
        initiator=party_in(message.initiator),
        parties=parties_in(message.parties),
        by=party_in(message.by),
        author=detail_in(message.author)[:200],
        message=message_in(message.message),
        created_at=message.created_at,
        version=new_version_in(message.version) if message.HasField("version") else None,
        moves=tuple(
            RefMove(
                _word(RefKind, move.kind),
                _text(move.name, "branch or tag", 64),
                _optional_version(move.old),
                _optional_version(move.new),
            )
            for move in message.moves
        ),
        marks=tuple(MarkChange(version_in(mark.version), _word(Mark, mark.mark), mark.value) for mark in message.marks),
    )


def request_out(request: ModelRequest) -> models_pb2.ModelRequest:
    return models_pb2.ModelRequest(
        action=request.action,
        model=request.model,
        ref=request.ref,
        name=request.name,
        branch=request.branch,
        message=request.message,
        author=request.author,
        by=party_out(request.by),
        components=request.components,
        expected=request.expected,
        request_id=request.request_id,
        wait_seconds=request.wait_seconds,
    )


def request_in(message: models_pb2.ModelRequest) -> ModelRequest:
    return ModelRequest(
        action=_word(Action, message.action),
        model=message.model[:MAX_MODEL_ID],
        by=party_in(message.by),
        ref=message.ref[:MAX_MODEL_ID],
        name=message.name[:256],
        branch=message.branch[:256],
        message=message_in(message.message),
        author=detail_in(message.author)[:200],
        components=tuple(message.components[:MAX_COMPONENTS]),
        expected=message.expected[:MAX_MODEL_ID],
        request_id=message.request_id[:64],
        wait_seconds=min(max(message.wait_seconds, 0.0), 600.0),
    )


def operation_out(operation: ModelOperation) -> models_pb2.ModelOperation:
    return models_pb2.ModelOperation(
        change=change_out(operation.change),
        state=operation.state,
        detail=operation.detail,
        sites=[
            models_pb2.SiteProgress(parties=map(party_out, site.parties), state=site.state, detail=site.detail)
            for site in operation.sites
        ],
        ended_at=operation.ended_at,
    )


def operation_in(message: models_pb2.ModelOperation) -> ModelOperation:
    return ModelOperation(
        change=change_in(message.change),
        state=_word(OperationState, message.state),
        detail=detail_in(message.detail),
        sites=tuple(
            SiteProgress(parties_in(site.parties), site.state[:32], detail_in(site.detail)) for site in message.sites
        ),
        ended_at=message.ended_at,
    )


def decision_out(decision: ModelDecision) -> models_pb2.ModelDecision:
    return models_pb2.ModelDecision(
        change_id=decision.change_id,
        outcome=decision.outcome,
        initiator=party_out(decision.initiator),
        parts=map(part_out, decision.parts),
    )


def decision_in(message: models_pb2.ModelDecision) -> ModelDecision:
    return ModelDecision(
        change_id=_text(message.change_id, "change's id", 64),
        outcome=_word(Outcome, message.outcome),
        initiator=party_in(message.initiator),
        parts=parts_in(message.parts),
    )


def line_out(line: DiffLine) -> models_pb2.DiffLine:
    return models_pb2.DiffLine(part=line.part, path=line.path, old=line.old, new=line.new)


def line_in(message: models_pb2.DiffLine) -> DiffLine:
    return DiffLine(message.part, message.path, message.old, message.new)


def report_out(report: CheckReport) -> models_pb2.CheckReply:
    return models_pb2.CheckReply(
        findings=[
            models_pb2.Finding(
                model=found.model,
                version=found.version,
                what=found.what,
                remedy=found.remedy,
                repaired=found.repaired,
            )
            for found in report.findings
        ],
        versions=report.versions,
        files=report.files,
        bytes=report.bytes,
    )


def report_in(message: models_pb2.CheckReply) -> CheckReport:
    findings = tuple(
        Finding(found.model, found.version, found.what, found.remedy, found.repaired) for found in message.findings
    )
    return CheckReport(findings, message.versions, message.files, message.bytes)


def snapshot_out(snapshot: Snapshot) -> models_pb2.Snapshot:
    return models_pb2.Snapshot(
        digest=snapshot.digest, commit=snapshot.commit, bytes=snapshot.bytes, unchanged=snapshot.unchanged
    )


def snapshot_in(message: models_pb2.Snapshot) -> Snapshot:
    return Snapshot(message.digest, message.commit, message.bytes, message.unchanged)
