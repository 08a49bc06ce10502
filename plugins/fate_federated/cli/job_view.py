"""How a job and its metrics look: in a terminal, and as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table
from rich.text import Text

from fate_federated.cli.times import duration
from fate_federated.cli.where import output
from fate_federated.dsl.parse import parse_job
from fate_federated.errors import DslError
from fate_federated.status import AttemptState, JobStatus

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.wire.records import Job, Metric, TaskMetrics, TaskState

POLL_SECONDS = 0.5
_STYLES = {"success": "green", "running": "cyan", "failed": "bold red", "canceled": "yellow"}


def styled(state: JobStatus | AttemptState | str) -> Text:
    """A state in its colour."""
    return Text(str(state), style=_STYLES.get(str(state), "dim"))


def job_table(job: Job) -> Table:
    """A job's components in the pipeline's order, each with its latest attempt."""
    title = Text.assemble(f"Job {job.job_id} ({job.name}) is ", styled(job.status))
    parties = ", ".join(f"{party.party} {party.status}" for party in job.parties)
    caption = parties + (f"\n{job.detail}" if job.detail else "")
    table = Table(title=title, title_justify="left", caption=Text(caption), caption_justify="left")
    table.add_column("component")
    table.add_column("state")
    table.add_column("attempt", justify="right")
    table.add_column("waited", justify="right")
    table.add_column("ran", justify="right")
    table.add_column("detail")
    for component, task in _tasks(job):
        if task is None:
            table.add_row(component, styled("not started"), "", "", "", "")
            continue
        waited, ran = _times(task)
        table.add_row(component, styled(task.state), str(task.attempt), waited, ran, Text(task.detail))
    return table


def _tasks(job: Job) -> Iterator[tuple[str, TaskState | None]]:
    known = {task.component: task for task in job.tasks}
    for component in dict.fromkeys((*_components(job), *known)):
        yield component, known.get(component)


def _components(job: Job) -> tuple[str, ...]:
    """In the pipeline's order; none where this machine cannot compile what another site's could."""
    if job.files is None:
        return ()
    try:
        return tuple(node.name for node in parse_job(job.files.dsl, job.files.conf).nodes)
    except DslError:
        return ()


def _times(task: TaskState) -> tuple[str, str]:
    """How long the attempt waited for its parties, and how long it ran."""
    now = time.time()
    end = task.decided_at or now
    waited = duration((task.started_at or end) - task.opened_at)
    return waited, duration(end - task.started_at) if task.started_at else ""


def follow_job(gateway: GatewayClient, job_id: str) -> Job:
    """Show a job until it has ended: a live table in a terminal, a line per change elsewhere.

    Raises:
        JobNotFound: there is no such job.
        GatewayUnavailable: the gateway went away for longer than the client's patience.
    """
    console = output()
    if not sys.stdout.isatty():
        seen: set[tuple[str, int, str]] = set()
        while True:
            job = gateway.get_job(job_id)
            for task in job.tasks:
                state = (task.component, task.attempt, str(task.state))
                if state not in seen and task.state is not AttemptState.ASSEMBLING:
                    seen.add(state)
                    _, ran = _times(task)
                    console.print(
                        f"{task.component} {task.state}"
                        + (f" after {ran}" if task.state.decided else "")
                        + (f" (attempt {task.attempt})" if task.attempt > 1 else "")
                        + (f": {task.detail}" if task.detail else ""),
                        markup=False,
                        highlight=False,
                    )
            if job.status.ended:
                break
            time.sleep(POLL_SECONDS)
        took = duration(job.ended_at - job.created_at)
        console.print(
            f"Job {job.job_id} {job.status} after {took}. {job.detail}".strip(), markup=False, highlight=False
        )
        return job
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            job = gateway.get_job(job_id)
            live.update(job_table(job))
            if job.status.ended:
                return job
            time.sleep(POLL_SECONDS)


def as_json(job: Job) -> dict[str, Any]:
    """A job without the texts of its files."""
    content = asdict(job)
    del content["files"]
    content["initiator"] = str(job.initiator)
    content["parties"] = [{**asdict(party), "party": str(party.party)} for party in job.parties]
    return content


def metrics_table(found: Sequence[TaskMetrics]) -> Table:
    """One line per figure: the last value of a series, the values of a summary. Curves are left out."""
    table = Table(title="Metrics", title_justify="left")
    for column in ("party", "component", "of", "metric"):
        table.add_column(column)
    table.add_column("value", justify="right")
    for each in found:
        for metric in each.metrics:
            for name, value in _figures(metric):
                table.add_row(str(each.party), each.task.component, metric.namespace, name, value)
    return table


def _figures(metric: Metric) -> Iterator[tuple[str, str]]:
    values = metric.meta.get("values")
    if isinstance(values, Mapping):
        yield from ((f"{metric.name} {name}", _number(value)) for name, value in values.items() if _is_figure(value))
    elif metric.points and metric.meta.get("metric_type") == "LOSS":
        first, last = metric.points[0][1], metric.points[-1][1]
        yield f"{metric.name}, {len(metric.points)} iterations", f"{_number(first)} to {_number(last)}"


def _is_figure(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def metrics_json(found: TaskMetrics) -> dict[str, Any]:
    """Everything that one task told."""
    return {
        "job_id": found.task.job_id,
        "component": found.task.component,
        "attempt": found.attempt,
        "party": str(found.party),
        "metrics": [asdict(metric) for metric in found.metrics],
        "summary": found.summary,
    }
