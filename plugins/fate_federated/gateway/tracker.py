"""What components tell: metrics, summaries, outputs. It stays at this site."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from fate_federated.gateway.database import Database
from fate_federated.gateway.job_store import load_job
from fate_federated.gateway.schema import AppliedRequestRow, AttemptRow, MetricRow, OutputRow, PointRow, SummaryRow
from fate_federated.party import Party
from fate_federated.status import AttemptState
from fate_federated.wire.records import Metric, Output, TaskMetrics, TaskRef


class Tracker:
    """Keeps and finds it.

    Raises (every method that writes):
        JobNotFound: there is no such job here.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def log_metrics(
        self, task: TaskRef, attempt: int, party: Party, metrics: Sequence[Metric], request_id: str
    ) -> None:
        """Add points to metrics and replace their meta, unless this request was applied before."""

        def work(session: Session) -> None:
            load_job(session, task.job_id)
            if request_id:
                if session.get(AppliedRequestRow, (task.job_id, request_id)) is not None:
                    return
                session.add(AppliedRequestRow(job_id=task.job_id, request_id=request_id))
            for metric in metrics:
                _add_points(session, _metric_row(session, task, attempt, party, metric), metric.points)

        await self._database.run(work)

    async def set_summary(self, task: TaskRef, attempt: int, party: Party, summary: dict[str, Any]) -> None:
        """Keep a summary; replaces an earlier one of the attempt."""

        def work(session: Session) -> None:
            load_job(session, task.job_id)
            session.merge(
                SummaryRow(
                    job_id=task.job_id,
                    component=task.component,
                    party=str(party),
                    attempt=attempt,
                    summary=json.dumps(summary),
                )
            )

        await self._database.run(work)

    async def record_output(self, output: Output) -> None:
        """Keep where an output is; replaces an earlier one of the attempt."""

        def work(session: Session) -> None:
            load_job(session, output.task.job_id)
            session.merge(
                OutputRow(
                    job_id=output.task.job_id,
                    component=output.task.component,
                    party=str(output.party),
                    attempt=output.attempt,
                    kind=output.kind,
                    name=output.name,
                    location=output.location,
                    rows=output.rows,
                    columns=list(output.columns),
                    module=output.module,
                )
            )

        await self._database.run(work)

    async def get_output(self, task: TaskRef, party: Party, kind: str, name: str) -> Output | None:
        """An output of the newest attempt that succeeded; None where it made none."""
        outputs = await self.list_outputs(task.job_id, task.component, party)
        return next((output for output in outputs if (output.kind, output.name) == (kind, name)), None)

    async def list_outputs(self, job_id: str, component: str, party: Party | None) -> list[Output]:
        """The outputs of each task's newest successful attempt."""

        def work(session: Session) -> list[Output]:
            succeeded = select(AttemptRow.component, AttemptRow.number).where(
                AttemptRow.job_id == job_id, AttemptRow.state == AttemptState.SUCCESS
            )
            newest: dict[str, int] = {}
            for name, number in session.execute(succeeded):
                newest[name] = max(number, newest.get(name, 0))
            query = select(OutputRow).where(OutputRow.job_id == job_id)
            if component:
                query = query.where(OutputRow.component == component)
            if party is not None:
                query = query.where(OutputRow.party == str(party))
            return [_output(row) for row in session.scalars(query) if row.attempt == newest.get(row.component)]

        return await self._database.run(work)

    async def get_metrics(self, job_id: str, component: str, party: Party | None) -> list[TaskMetrics]:
        """What each task told in the newest attempt in which it told anything."""

        def work(session: Session) -> list[TaskMetrics]:
            metrics = select(MetricRow).where(MetricRow.job_id == job_id).order_by(MetricRow.number)
            summaries = select(SummaryRow).where(SummaryRow.job_id == job_id)
            if component:
                metrics = metrics.where(MetricRow.component == component)
                summaries = summaries.where(SummaryRow.component == component)
            if party is not None:
                metrics = metrics.where(MetricRow.party == str(party))
                summaries = summaries.where(SummaryRow.party == str(party))
            return _gather(session, list(session.scalars(metrics)), list(session.scalars(summaries)))

        return await self._database.run(work)


def _metric_row(session: Session, task: TaskRef, attempt: int, party: Party, metric: Metric) -> int:
    """The number of the metric's row, which is made if need be."""
    row = session.scalar(
        select(MetricRow).where(
            MetricRow.job_id == task.job_id,
            MetricRow.component == task.component,
            MetricRow.party == str(party),
            MetricRow.attempt == attempt,
            MetricRow.namespace == metric.namespace,
            MetricRow.name == metric.name,
        )
    )
    if row is None:
        row = MetricRow(
            job_id=task.job_id,
            component=task.component,
            party=str(party),
            attempt=attempt,
            namespace=metric.namespace,
            name=metric.name,
        )
        session.add(row)
    row.meta = json.dumps(dict(metric.meta))
    session.flush()
    return row.number


def _add_points(session: Session, metric: int, points: Sequence[tuple[float, float]]) -> None:
    if points:
        session.execute(insert(PointRow), [{"metric": metric, "x": _or_null(x), "y": _or_null(y)} for x, y in points])


def _gather(session: Session, metrics: list[MetricRow], summaries: list[SummaryRow]) -> list[TaskMetrics]:
    everything: list[MetricRow | SummaryRow] = [*metrics, *summaries]
    newest: dict[tuple[str, str], int] = {}
    for row in everything:
        key = (row.component, row.party)
        newest[key] = max(row.attempt, newest.get(key, 0))

    def current(row: MetricRow | SummaryRow) -> bool:
        return row.attempt == newest[row.component, row.party]

    points: dict[int, list[tuple[float, float]]] = {row.number: [] for row in metrics if current(row)}
    query = select(PointRow.metric, PointRow.x, PointRow.y).where(PointRow.metric.in_(points))
    for metric, x, y in session.execute(query.order_by(PointRow.number)):
        points[metric].append((_or_nan(x), _or_nan(y)))
    told: dict[tuple[str, str], list[Metric]] = {key: [] for key in newest}
    for row in metrics:
        if current(row):
            told[row.component, row.party].append(
                Metric(row.namespace, row.name, json.loads(row.meta), tuple(points[row.number]))
            )
    said = {(row.component, row.party): row.summary for row in summaries if current(row)}
    return [
        TaskMetrics(
            task=TaskRef(everything[0].job_id, component),
            attempt=newest[component, party],
            party=Party.parse(party),
            metrics=tuple(series),
            summary=json.loads(said[component, party]) if (component, party) in said else None,
        )
        for (component, party), series in told.items()
    ]


def _output(row: OutputRow) -> Output:
    return Output(
        task=TaskRef(row.job_id, row.component),
        attempt=row.attempt,
        party=Party.parse(row.party),
        kind=row.kind,
        name=row.name,
        location=row.location,
        rows=row.rows,
        columns=tuple(row.columns),
        module=row.module,
    )


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
