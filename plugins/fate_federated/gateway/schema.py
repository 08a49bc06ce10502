"""The gateway's tables. Parties are kept as ``<role>-<party_id>``, times as seconds since 1970, UTC."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Counter = BigInteger().with_variant(Integer, "sqlite")
"""Counts up by itself; SQLite does that for INTEGER only."""

JobId = String(32)
Name = String(128)
PartyName = String(80)
Word = String(32)
Time = Double


class Row(DeclarativeBase):
    """Base of all rows."""


class JobRow(Row):
    __tablename__ = "jobs"

    job_id: Mapped[str] = mapped_column(JobId, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    run_id: Mapped[str] = mapped_column(String(250))
    initiator: Mapped[str] = mapped_column(PartyName)
    status: Mapped[str] = mapped_column(Word, index=True)
    detail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Time)
    ended_at: Mapped[float] = mapped_column(Time)
    dsl: Mapped[str] = mapped_column(Text, deferred=True)
    conf: Mapped[str] = mapped_column(Text, deferred=True)
    overrides: Mapped[str] = mapped_column(Text, deferred=True)
    parties: Mapped[list[JobPartyRow]] = relationship(
        order_by="JobPartyRow.position", lazy="selectin", cascade="all, delete-orphan"
    )


class JobPartyRow(Row):
    """One party of a job. ``run_id`` is that of its own Airflow run."""

    __tablename__ = "job_parties"
    __table_args__ = (UniqueConstraint("dag_id", "run_id", name="uq_job_parties_run"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    party: Mapped[str] = mapped_column(PartyName, primary_key=True)
    position: Mapped[int]
    dag_id: Mapped[str] = mapped_column(String(250))
    run_id: Mapped[str] = mapped_column(String(250))
    status: Mapped[str] = mapped_column(Word)


class AttemptRow(Row):
    """At the coordinator's site the attempt itself, elsewhere what the coordinator told of it."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    component: Mapped[str] = mapped_column(Name, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Word, index=True)
    detail: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[float] = mapped_column(Time)
    started_at: Mapped[float] = mapped_column(Time)
    decided_at: Mapped[float] = mapped_column(Time)
    rerun: Mapped[bool]
    seats: Mapped[list[Any]] = mapped_column(JSON)
    """Per party: party, participates, presence, detail, instance. Written and read as a whole."""


class AttendanceRow(Row):
    """Where a party of this site stands in a component's attempt, as its task told; survives a restart."""

    __tablename__ = "attendances"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    component: Mapped[str] = mapped_column(Name, primary_key=True)
    party: Mapped[str] = mapped_column(PartyName, primary_key=True)
    attempt: Mapped[int]
    """0 until the coordinator has answered."""
    instance: Mapped[str] = mapped_column(String(512))
    participates: Mapped[bool]
    presence: Mapped[str] = mapped_column(Word)
    detail: Mapped[str] = mapped_column(Text)


class EgressRow(Row):
    """A message that left a party of this site. Outlives its job."""

    __tablename__ = "egress"
    __table_args__ = (
        UniqueConstraint("job_id", "component", "attempt", "sender", "receiver", "tag", name="uq_egress_message"),
    )

    number: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(JobId)
    component: Mapped[str] = mapped_column(Name)
    attempt: Mapped[int]
    sender: Mapped[str] = mapped_column(PartyName)
    receiver: Mapped[str] = mapped_column(PartyName)
    tag: Mapped[str] = mapped_column(String(256))
    kind: Mapped[str] = mapped_column(Word)
    shape: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[Any] = mapped_column(LargeBinary)
    sent_at: Mapped[float] = mapped_column(Time)
    left_site: Mapped[bool]


class TableRow(Row):
    """An entry of the table catalogue."""

    __tablename__ = "tables"

    namespace: Mapped[str] = mapped_column(Name, primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    location: Mapped[str] = mapped_column(Text)
    rows: Mapped[int] = mapped_column(BigInteger)
    id_column: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[Any]] = mapped_column(JSON)
    """Pairs of name and type."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(Time)


class MetricRow(Row):
    __tablename__ = "metrics"
    __table_args__ = (
        UniqueConstraint("job_id", "component", "party", "attempt", "namespace", "name", name="uq_metrics_series"),
    )

    number: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"))
    component: Mapped[str] = mapped_column(Name)
    party: Mapped[str] = mapped_column(PartyName)
    attempt: Mapped[int]
    namespace: Mapped[str] = mapped_column(Name)
    name: Mapped[str] = mapped_column(String(256))
    meta: Mapped[str] = mapped_column(Text)
    """JSON as text: PostgreSQL's own type takes no NaN."""


class PointRow(Row):
    """A point of a metric, in the order of ``number``. NULL stands for NaN, which not every database can keep."""

    __tablename__ = "metric_points"
    __table_args__ = (Index("ix_metric_points_metric", "metric", "number"),)

    number: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    metric: Mapped[int] = mapped_column(ForeignKey("metrics.number", ondelete="CASCADE"))
    x: Mapped[float | None] = mapped_column(Double)
    y: Mapped[float | None] = mapped_column(Double)


class AppliedRequestRow(Row):
    """A request that adds something and was applied: its repetition is not. Forgotten with the job's end."""

    __tablename__ = "applied_requests"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(64), primary_key=True)


class SummaryRow(Row):
    __tablename__ = "summaries"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    component: Mapped[str] = mapped_column(Name, primary_key=True)
    party: Mapped[str] = mapped_column(PartyName, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    summary: Mapped[str] = mapped_column(Text)
    """JSON as text."""


class OutputRow(Row):
    """Recorded while the attempt runs; it counts once the attempt has succeeded."""

    __tablename__ = "outputs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True)
    component: Mapped[str] = mapped_column(Name, primary_key=True)
    party: Mapped[str] = mapped_column(PartyName, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Word, primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    location: Mapped[str] = mapped_column(Text)
    rows: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[list[Any]] = mapped_column(JSON)
    module: Mapped[str] = mapped_column(Name)


ModelId = String(512)


class ModelRow(Row):
    """A model: all versions of what one job trains."""

    __tablename__ = "models"

    model_id: Mapped[str] = mapped_column(ModelId, primary_key=True)
    name: Mapped[str] = mapped_column(String(160), unique=True)
    initiator: Mapped[str] = mapped_column(PartyName)
    parties: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Time)


class ModelVersionRow(Row):
    """A version, never changed but for its marks."""

    __tablename__ = "model_versions"
    __table_args__ = (Index("ix_model_versions_model", "model_id", "created_at"),)

    version: Mapped[str] = mapped_column(JobId, primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"))
    parent: Mapped[str] = mapped_column(JobId)
    source: Mapped[str] = mapped_column(JobId)
    kind: Mapped[str] = mapped_column(Word)
    job_id: Mapped[str] = mapped_column(JobId, index=True)
    job_name: Mapped[str] = mapped_column(Name)
    components: Mapped[list[Any]] = mapped_column(JSON)
    """Those that a deployment keeps."""
    message: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(200))
    by: Mapped[str] = mapped_column(PartyName)
    created_at: Mapped[float] = mapped_column(Time)
    models: Mapped[list[Any]] = mapped_column(JSON)
    """Component, alias, module of each model at this site's parties."""
    parts: Mapped[list[Any]] = mapped_column(JSON)
    """Party, digest, bytes of each party's part."""
    metrics: Mapped[str] = mapped_column(Text)
    """JSON as text: PostgreSQL's own type takes no NaN."""
    data: Mapped[list[Any]] = mapped_column(JSON)
    code_version: Mapped[str] = mapped_column(String(64))
    pinned: Mapped[bool]
    retired: Mapped[bool]
    change_id: Mapped[str] = mapped_column(String(64))
    """Of the change that made it."""
    commit: Mapped[str] = mapped_column(String(64))


class ModelRefRow(Row):
    """A branch or a tag."""

    __tablename__ = "model_refs"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.model_id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(Word)
    version: Mapped[str] = mapped_column(JobId)
    moved_at: Mapped[float] = mapped_column(Time)


class ModelOperationRow(Row):
    """A change of a model: at its coordinator how far it is, at the other sites what they prepared and made."""

    __tablename__ = "model_operations"
    __table_args__ = (Index("ix_model_operations_model", "model_id", "number"),)

    number: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    change_id: Mapped[str] = mapped_column(String(64), unique=True)
    model_id: Mapped[str] = mapped_column(ModelId)
    change: Mapped[Any] = mapped_column(LargeBinary)
    """A ModelChange message."""
    state: Mapped[str] = mapped_column(Word, index=True)
    """Of the operation, where this site coordinates it; else empty."""
    detail: Mapped[str] = mapped_column(Text)
    sites: Mapped[list[Any]] = mapped_column(JSON)
    """At the coordinator: parties, state, detail of each site."""
    here: Mapped[str] = mapped_column(Word, index=True)
    """This site's own part: asked, prepared, committed, aborted; empty while nobody asked it."""
    prepared: Mapped[Any] = mapped_column(JSON)
    """What this site made ready."""
    parts: Mapped[list[Any]] = mapped_column(JSON)
    """Of all parties, once it is decided."""
    created_at: Mapped[float] = mapped_column(Time)
    ended_at: Mapped[float] = mapped_column(Time)
