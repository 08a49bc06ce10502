"""Records to protobuf and back. ``<name>_out(record)`` makes the message, ``<name>_in(message)`` reads and checks one.

Every ``_in`` raises MessageRejected for a message that no record can be made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from fate_federated.errors import InvalidParty, MessageRejected
from fate_federated.party import Party, Role
from fate_federated.pb import (
    attempts_pb2,
    exchange_pb2,
    federation_pb2,
    jobs_pb2,
    party_pb2,
    site_pb2,
    tables_pb2,
    tracking_pb2,
)
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.records import (
    Address,
    Attempt,
    Column,
    EgressRecord,
    Header,
    Job,
    JobEnd,
    JobFiles,
    JobOrder,
    JobParty,
    JobReport,
    JobVerdict,
    Metric,
    Output,
    PartyPresence,
    Peer,
    PresenceUpdate,
    SiteDescription,
    TableRecord,
    TaskMetrics,
    TaskRef,
    TaskState,
)

E = TypeVar("E", bound=StrEnum)

MAX_DETAIL = 4096
"""Characters of a reason that parties tell each other."""


def _word(kind: type[E], text: str) -> E:
    try:
        return kind(text)
    except ValueError:
        raise MessageRejected(f"{text!r} is no {kind.__name__}; known: {', '.join(kind)}.") from None


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MessageRejected(f"The {what} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise MessageRejected(f"The {what} is not a JSON object.")
    return value


def _text(text: str, what: str, longest: int) -> str:
    if not 1 <= len(text) <= longest:
        raise MessageRejected(f"The {what} has {len(text)} characters; it may have 1 to {longest}.")
    if not text.isprintable():
        raise MessageRejected(f"The {what} holds a character that cannot be printed.")
    return text


def detail_in(text: str) -> str:
    """A reason that another party gave: cut, and without characters that would disturb a log or a database."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text[:MAX_DETAIL])


def instance_in(text: str) -> str:
    """What names a task instance and its try."""
    return _text(text, "instance", 512)


def job_status_in(text: str) -> JobStatus:
    return _word(JobStatus, text)


def presence_word_in(text: str) -> Presence:
    return _word(Presence, text)


def party_out(party: Party) -> party_pb2.Party:
    return party_pb2.Party(role=party.role, party_id=party.party_id)


def party_in(message: party_pb2.Party) -> Party:
    try:
        return Party(_word(Role, message.role), message.party_id)
    except InvalidParty as error:
        raise MessageRejected(str(error)) from None


def parties_in(messages: Iterable[party_pb2.Party]) -> tuple[Party, ...]:
    return tuple(map(party_in, messages))


def task_out(task: TaskRef) -> party_pb2.TaskRef:
    return party_pb2.TaskRef(job_id=task.job_id, component=task.component)


def task_in(message: party_pb2.TaskRef) -> TaskRef:
    return TaskRef(_text(message.job_id, "job_id", 32), _text(message.component, "component's name", 128))


def files_out(files: JobFiles) -> jobs_pb2.JobFiles:
    return jobs_pb2.JobFiles(name=files.name, dsl=files.dsl, conf=files.conf, overrides=files.overrides)


def files_in(message: jobs_pb2.JobFiles) -> JobFiles:
    return JobFiles(message.name, message.dsl, message.conf, message.overrides)


def job_out(job: Job) -> jobs_pb2.Job:
    return jobs_pb2.Job(
        job_id=job.job_id,
        name=job.name,
        run_id=job.run_id,
        initiator=party_out(job.initiator),
        parties=[
            jobs_pb2.JobParty(party=party_out(at.party), dag_id=at.dag_id, status=at.status) for at in job.parties
        ],
        status=job.status,
        detail=job.detail,
        created_at=job.created_at,
        ended_at=job.ended_at,
        tasks=[
            jobs_pb2.TaskState(
                component=task.component,
                attempt=task.attempt,
                state=task.state,
                detail=task.detail,
                opened_at=task.opened_at,
                started_at=task.started_at,
                decided_at=task.decided_at,
            )
            for task in job.tasks
        ],
        files=None if job.files is None else files_out(job.files),
    )


def job_in(message: jobs_pb2.Job) -> Job:
    return Job(
        job_id=message.job_id,
        name=message.name,
        run_id=message.run_id,
        initiator=party_in(message.initiator),
        parties=tuple(JobParty(party_in(at.party), at.dag_id, _word(JobStatus, at.status)) for at in message.parties),
        status=_word(JobStatus, message.status),
        detail=message.detail,
        created_at=message.created_at,
        ended_at=message.ended_at,
        tasks=tuple(
            TaskState(
                component=task.component,
                attempt=task.attempt,
                state=_word(AttemptState, task.state),
                detail=task.detail,
                opened_at=task.opened_at,
                started_at=task.started_at,
                decided_at=task.decided_at,
            )
            for task in message.tasks
        ),
        files=files_in(message.files) if message.HasField("files") else None,
    )


def presence_out(presence: PartyPresence) -> attempts_pb2.PartyPresence:
    """Without the instance, which is nobody else's business."""
    return attempts_pb2.PartyPresence(
        party=party_out(presence.party),
        participates=presence.participates,
        presence=presence.presence,
        detail=presence.detail,
    )


def presence_in(message: attempts_pb2.PartyPresence) -> PartyPresence:
    return PartyPresence(
        party_in(message.party), message.participates, _word(Presence, message.presence), detail_in(message.detail)
    )


def attempt_out(attempt: Attempt) -> attempts_pb2.Attempt:
    return attempts_pb2.Attempt(
        task=task_out(attempt.task),
        number=attempt.number,
        state=attempt.state,
        detail=attempt.detail,
        parties=map(presence_out, attempt.parties),
        revision=attempt.revision,
        opened_at=attempt.opened_at,
        started_at=attempt.started_at,
        decided_at=attempt.decided_at,
        rerun=attempt.rerun,
    )


def attempt_in(message: attempts_pb2.Attempt) -> Attempt:
    if message.number < 1:
        raise MessageRejected("Attempts are counted from 1.")
    return Attempt(
        task=task_in(message.task),
        number=message.number,
        state=_word(AttemptState, message.state),
        detail=detail_in(message.detail),
        parties=tuple(map(presence_in, message.parties)),
        revision=message.revision,
        opened_at=message.opened_at,
        started_at=message.started_at,
        decided_at=message.decided_at,
        rerun=message.rerun,
    )


def table_out(table: TableRecord) -> tables_pb2.Table:
    return tables_pb2.Table(
        namespace=table.namespace,
        name=table.name,
        location=table.location,
        rows=table.rows,
        id_column=table.id_column,
        columns=[tables_pb2.Column(name=column.name, type=column.type) for column in table.columns],
        bytes=table.bytes,
        created_at=table.created_at,
    )


def table_in(message: tables_pb2.Table) -> TableRecord:
    return TableRecord(
        namespace=_text(message.namespace, "namespace", 128),
        name=_text(message.name, "table's name", 128),
        location=message.location,
        rows=message.rows,
        id_column=message.id_column,
        columns=tuple(Column(column.name, column.type) for column in message.columns),
        bytes=message.bytes,
        created_at=message.created_at,
    )


def metric_out(metric: Metric) -> tracking_pb2.Metric:
    return tracking_pb2.Metric(
        namespace=metric.namespace,
        name=metric.name,
        meta=json.dumps(dict(metric.meta)),
        points=[tracking_pb2.Point(x=x, y=y) for x, y in metric.points],
    )


def metric_in(message: tracking_pb2.Metric) -> Metric:
    return Metric(
        namespace=_text(message.namespace, "metric's namespace", 128),
        name=_text(message.name, "metric's name", 256),
        meta=_object(message.meta or "{}", "metric's meta"),
        points=tuple((point.x, point.y) for point in message.points),
    )


def summary_out(summary: dict[str, Any] | None) -> str:
    return "" if summary is None else json.dumps(summary)


def summary_in(text: str) -> dict[str, Any] | None:
    return _object(text, "summary") if text else None


def task_metrics_out(told: TaskMetrics) -> tracking_pb2.TaskMetrics:
    return tracking_pb2.TaskMetrics(
        task=task_out(told.task),
        attempt=told.attempt,
        party=party_out(told.party),
        metrics=map(metric_out, told.metrics),
        summary=summary_out(told.summary),
    )


def task_metrics_in(message: tracking_pb2.TaskMetrics) -> TaskMetrics:
    return TaskMetrics(
        task=task_in(message.task),
        attempt=message.attempt,
        party=party_in(message.party),
        metrics=tuple(map(metric_in, message.metrics)),
        summary=summary_in(message.summary),
    )


def output_out(output: Output) -> tracking_pb2.Output:
    return tracking_pb2.Output(
        task=task_out(output.task),
        attempt=output.attempt,
        party=party_out(output.party),
        kind=output.kind,
        name=output.name,
        location=output.location,
        rows=output.rows,
        columns=output.columns,
        module=output.module,
    )


def output_in(message: tracking_pb2.Output) -> Output:
    if message.kind not in ("data", "model", "cache", "checkpoint"):
        raise MessageRejected(f"An output is data, model, cache or checkpoint, not {message.kind!r}.")
    return Output(
        task=task_in(message.task),
        attempt=message.attempt,
        party=party_in(message.party),
        kind=message.kind,
        name=_text(message.name, "output's name", 128),
        location=message.location,
        rows=message.rows,
        columns=tuple(message.columns),
        module=message.module,
    )


def header_out(header: Header) -> exchange_pb2.MessageHeader:
    return exchange_pb2.MessageHeader(
        task=task_out(header.task),
        attempt=header.attempt,
        sender=party_out(header.sender),
        receiver=party_out(header.receiver),
        tag=header.tag,
        kind=header.kind,
        shape=header.shape,
        structure=header.structure,
        body_bytes=header.body_bytes,
        digest=header.digest,
    )


def header_in(message: exchange_pb2.MessageHeader) -> Header:
    if len(message.digest) != 32:
        raise MessageRejected("A message's digest is not a SHA-256.")
    return Header(
        task=task_in(message.task),
        attempt=message.attempt,
        sender=party_in(message.sender),
        receiver=party_in(message.receiver),
        tag=_text(message.tag, "tag", 256),
        kind=_text(message.kind, "message's kind", 32),
        shape=message.shape,
        structure=message.structure,
        body_bytes=message.body_bytes,
        digest=message.digest,
    )


def address_out(address: Address) -> exchange_pb2.PullRequest:
    return exchange_pb2.PullRequest(
        task=task_out(address.task),
        attempt=address.attempt,
        sender=party_out(address.sender),
        receiver=party_out(address.receiver),
        tag=address.tag,
    )


def address_in(message: exchange_pb2.PullRequest) -> Address:
    return Address(
        task=task_in(message.task),
        attempt=message.attempt,
        sender=party_in(message.sender),
        receiver=party_in(message.receiver),
        tag=_text(message.tag, "tag", 256),
    )


def egress_out(record: EgressRecord) -> exchange_pb2.EgressRecord:
    return exchange_pb2.EgressRecord(
        number=record.number,
        task=task_out(record.task),
        attempt=record.attempt,
        sender=party_out(record.sender),
        receiver=party_out(record.receiver),
        tag=record.tag,
        kind=record.kind,
        shape=record.shape,
        bytes=record.bytes,
        digest=record.digest,
        sent_at=record.sent_at,
        left_site=record.left_site,
    )


def egress_in(message: exchange_pb2.EgressRecord) -> EgressRecord:
    return EgressRecord(
        number=message.number,
        task=task_in(message.task),
        attempt=message.attempt,
        sender=party_in(message.sender),
        receiver=party_in(message.receiver),
        tag=message.tag,
        kind=message.kind,
        shape=message.shape,
        bytes=message.bytes,
        digest=message.digest,
        sent_at=message.sent_at,
        left_site=message.left_site,
    )


def order_out(order: JobOrder) -> federation_pb2.CreateJobRequest:
    return federation_pb2.CreateJobRequest(
        job_id=order.job_id,
        run_id=order.run_id,
        initiator=party_out(order.initiator),
        files=files_out(order.files),
    )


def _new_job_id(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 32):
        raise MessageRejected("A job id consists of 1 to 32 digits.")
    return text


def order_in(message: federation_pb2.CreateJobRequest) -> JobOrder:
    return JobOrder(
        job_id=_new_job_id(message.job_id),
        run_id=_text(message.run_id, "run_id", 250),
        initiator=party_in(message.initiator),
        files=files_in(message.files),
    )


def report_out(report: JobReport) -> federation_pb2.JobStatusUpdate:
    return federation_pb2.JobStatusUpdate(
        job_id=report.job_id, party=party_out(report.party), status=report.status, detail=report.detail
    )


def report_in(message: federation_pb2.JobStatusUpdate) -> JobReport:
    return JobReport(
        message.job_id, party_in(message.party), _word(JobStatus, message.status), detail_in(message.detail)
    )


def verdict_out(verdict: JobVerdict) -> federation_pb2.JobVerdict:
    return federation_pb2.JobVerdict(status=verdict.status, detail=verdict.detail)


def verdict_in(message: federation_pb2.JobVerdict) -> JobVerdict:
    return JobVerdict(_word(JobStatus, message.status), detail_in(message.detail))


def end_out(end: JobEnd) -> federation_pb2.EndJobRequest:
    return federation_pb2.EndJobRequest(
        job_id=end.job_id, initiator=party_out(end.initiator), status=end.status, detail=end.detail, stop=end.stop
    )


def end_in(message: federation_pb2.EndJobRequest) -> JobEnd:
    return JobEnd(
        message.job_id,
        party_in(message.initiator),
        _word(JobStatus, message.status),
        detail_in(message.detail),
        message.stop,
    )


def update_out(update: PresenceUpdate) -> federation_pb2.PresenceUpdate:
    return federation_pb2.PresenceUpdate(
        task=task_out(update.task),
        attempt=update.attempt,
        presence=presence_out(update.presence),
        instance=update.presence.instance,
        initiator=party_out(update.initiator),
        participants=map(party_out, update.participants),
    )


def update_in(message: federation_pb2.PresenceUpdate) -> PresenceUpdate:
    told = presence_in(message.presence)
    return PresenceUpdate(
        task=task_in(message.task),
        attempt=message.attempt,
        presence=PartyPresence(
            told.party,
            told.participates,
            told.presence,
            told.detail,
            instance_in(message.instance),
        ),
        participants=parties_in(message.participants),
        initiator=party_in(message.initiator),
    )


def site_out(site: SiteDescription) -> site_pb2.SiteDescription:
    return site_pb2.SiteDescription(
        name=site.name,
        parties=map(party_out, site.parties),
        storage_url=site.storage_url,
        version=site.version,
        peers=[site_pb2.Peer(address=peer.address, parties=map(party_out, peer.parties)) for peer in site.peers],
    )


def site_in(message: site_pb2.SiteDescription) -> SiteDescription:
    return SiteDescription(
        name=message.name,
        parties=parties_in(message.parties),
        storage_url=message.storage_url,
        version=message.version,
        peers=tuple(Peer(peer.address, parties_in(peer.parties)) for peer in message.peers),
    )
