"""``fate job``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json
from fate_federated.status import JobStatus

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.site.airflow_api import AirflowApi
    from fate_federated.site.submit import Submission
    from fate_federated.wire.records import Job

app = typer.Typer(help="Submit jobs, watch them, stop them.", no_args_is_help=True, rich_markup_mode=None)

JOB = Annotated[str, typer.Argument(metavar="JOB_ID", help="See `fate job list`.")]
POLL_SECONDS = 0.5


@app.command()
def submit(
    conf: Annotated[Path, typer.Option("--conf", "-c", help="FATE's runtime conf.")],
    dsl: Annotated[
        Path | None, typer.Option("--dsl", "-d", help="FATE's dsl. A job that predicts can do without.")
    ] = None,
    name: Annotated[str, typer.Option(help="The job's name; taken from the conf's name if not given.")] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Follow the job to its end.")] = False,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Drop a job into the dags folder and trigger it. With --wait, exits with 1 unless the job succeeds."""
    from fate_federated.site.site import Site
    from fate_federated.site.submit import drop_job, start_job

    target = Site(site)
    submission = drop_job(target.settings, dsl, conf, name)
    for warning in submission.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    with target.airflow_api() as api:
        run_id = start_job(api, submission)
    console = output()
    console.print(f"Run {run_id} of {submission.dag_id}", highlight=False)
    console.print(f"{target.settings.airflow.url}/dags/{submission.dag_id}/runs/{run_id}", highlight=False, style="dim")
    if wait:
        with target.gateway() as gateway, target.airflow_api() as api:
            job = _job_of_run(gateway, api, submission, run_id)
            console.print(f"Job {job.job_id}", highlight=False)
            _finish(gateway, job.job_id)


@app.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 20,
    status: Annotated[JobStatus | None, typer.Option(help="Only these.")] = None,
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Show the newest jobs."""
    from rich.table import Table

    from fate_federated.cli.job_view import as_json, styled
    from fate_federated.cli.times import duration, moment
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        jobs = gateway.list_jobs(limit, status)
    if json:
        print_json([as_json(job) for job in jobs])
        return
    table = Table()
    for column in ("job", "name", "status", "started", "took", "initiator", "parties", "run"):
        table.add_column(column)
    for job in jobs:
        table.add_row(
            job.job_id,
            job.name,
            styled(job.status),
            moment(job.created_at),
            duration((job.ended_at or time.time()) - job.created_at),
            str(job.initiator),
            ", ".join(str(party.party) for party in job.parties),
            job.run_id,
        )
    output().print(table if jobs else "There are no jobs. Submit one with `fate job submit`.")


@app.command()
def status(job_id: JOB, site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show a job's components: state, attempt, time."""
    from fate_federated.cli.job_view import as_json, job_table
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        job = gateway.get_job(job_id)
    if json:
        print_json(as_json(job))
        return
    output().print(job_table(job))


@app.command()
def wait(job_id: JOB, site: SiteOption = DEFAULT_SITE) -> None:
    """Follow a job to its end. Exits with 1 unless it succeeds."""
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        _finish(gateway, job_id)


@app.command()
def metrics(
    job_id: JOB,
    component: Annotated[str, typer.Option(help="Only this component's.")] = "",
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Show what the components of this site's parties measured. Curves are in --json only."""
    from fate_federated.cli.job_view import metrics_json, metrics_table
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        gateway.get_job(job_id)
        found = gateway.get_metrics(job_id, component)
    if json:
        print_json([metrics_json(each) for each in found])
        return
    output().print(metrics_table(found) if found else "This job has no metrics at this site's parties yet.")


@app.command()
def stop(
    job_id: JOB,
    reason: Annotated[str, typer.Option(help="Why; every party is told.")] = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Stop a job at all its parties."""
    from fate_federated.site.site import Site

    target = Site(site)
    with target.gateway() as gateway:
        job = gateway.stop_job(job_id, f"stopped by a person at site {target.name}" + (f": {reason}" if reason else ""))
    output().print(f"Job {job.job_id} is {job.status}.", highlight=False)


def _job_of_run(gateway: GatewayClient, api: AirflowApi, submission: Submission, run_id: str) -> Job:
    """The job that a run becomes when its first task, start_job, has created it at every party."""
    from fate_federated.errors import JobError
    from fate_federated.site.submit import JOB_SECONDS, START_TASK, job_of_run

    deadline = time.monotonic() + JOB_SECONDS
    while True:
        # Its end first: a run that ends between the two questions has its job by the second.
        ended = api.run_state(submission.dag_id, run_id) in ("failed", "success")
        job = job_of_run(gateway.list_jobs(100), submission, run_id)
        if job is not None:
            return job
        if ended:
            reason = api.task_error(submission.dag_id, run_id, START_TASK)
            raise JobError(
                reason or f"The run {run_id} ended without a job. The log of its task {START_TASK} says why."
            )
        if time.monotonic() > deadline:
            raise JobError(
                f"The run {run_id} has no job after {JOB_SECONDS:g} s. See its task {START_TASK} in Airflow."
            )
        time.sleep(POLL_SECONDS)


def _finish(gateway: GatewayClient, job_id: str) -> None:
    from fate_federated.cli.job_view import follow_job, metrics_table

    job = follow_job(gateway, job_id)
    found = gateway.get_metrics(job_id)
    if found:
        output().print(metrics_table(found))
    raise typer.Exit(0 if job.status is JobStatus.SUCCESS else 1)
