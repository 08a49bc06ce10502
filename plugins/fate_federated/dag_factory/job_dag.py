"""The DAG of one party in a job: the same tasks in the same graph at every party."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from fate_federated.dag_factory.assets import airflow_schedule, models_are, published_models
from fate_federated.dag_factory.describe import description, documentation, tags
from fate_federated.dag_factory.form import trigger_form
from fate_federated.dsl.pipeline import Mode, Pipeline
from fate_federated.operators import (
    FINISH_TASK,
    START_TASK,
    FederatedTaskOperator,
    FinishJobOperator,
    StartJobOperator,
)
from fate_federated.party import Party

MAX_ACTIVE_RUNS = 4
"""Runs of one job at once: a site that has not consented for a month is not flooded when it does."""


def dag_id(name: str, party: Party) -> str:
    """``<name>.<role>-<party_id>``."""
    return f"{name}.{party}"


def build_dag(
    pipeline: Pipeline,
    *,
    name: str,
    party: Party,
    dsl_text: str,
    conf_text: str,
    paused: bool = False,
    kept: bool = False,
) -> DAG:
    """The DAG of one party.

    Args:
        name: of the job.
        dsl_text, conf_text: the job's files, which the initiator's first task sends to the other sites.
        paused: whether the DAG waits to be unpaused when Airflow sees it for the first time.
        kept: whether its files are gone or others by now, and it is only there for the runs that have begun.
    """
    schedule = airflow_schedule(pipeline.airflow.schedule, party) if party == pipeline.initiator else None
    limits: dict[str, Any] = {"max_active_runs": 1 if schedule == "@continuous" else MAX_ACTIVE_RUNS}
    job = pipeline.job_parameters.at(party)
    if job.task_parallelism is not None:
        limits["max_active_tasks"] = job.task_parallelism
    dag = DAG(
        dag_id(name, party),
        description=description(pipeline, dsl_text, conf_text, kept=kept),
        doc_md=documentation(pipeline, party, dsl_text, conf_text),
        schedule=schedule,
        catchup=False,
        params=trigger_form(pipeline),
        tags=tags(pipeline, party),
        is_paused_upon_creation=paused,
        # A run keeps the dsl that it started with, also when one of its tasks is cleared after an edit.
        rerun_with_latest_version=False,
        # A file that keeps a DAG makes it anew in the place of another one.
        auto_register=False,
        default_args=_default_args(pipeline, party),
        **limits,
    )
    with dag:
        _add_tasks(pipeline, name, party, dsl_text, conf_text)
    return dag


def _default_args(pipeline: Pipeline, party: Party) -> dict[str, Any]:
    options, job = pipeline.airflow, pipeline.job_parameters.at(party)
    delay = job.auto_retry_delay if options.retry_delay_seconds is None else options.retry_delay_seconds
    given = {
        "owner": str(pipeline.initiator),
        "retries": job.auto_retries if options.retries is None else options.retries,
        "retry_delay": None if delay is None else timedelta(seconds=delay),
        "executor_config": dict(options.executor_config),
        "pool": options.pool,
        "weight_rule": "absolute",
    }
    # Of what the conf leaves open, the site's airflow.cfg decides.
    return {key: value for key, value in given.items() if value is not None}


def _add_tasks(pipeline: Pipeline, name: str, party: Party, dsl_text: str, conf_text: str) -> None:
    start = StartJobOperator(
        task_id=START_TASK,
        job_name=name,
        party=party,
        dsl_text=dsl_text,
        conf_text=conf_text,
        priority_weight=len(pipeline.nodes) + 1,
    )
    # The run's state is that of its end, which fails if anything before it did.
    finish = FinishJobOperator(
        task_id=FINISH_TASK,
        party=party,
        models=published_models(pipeline, name, party),
        models_are=models_are(pipeline, party),
    ).as_teardown(setups=start, on_failure_fail_dagrun=True)
    timeout = pipeline.job_parameters.at(party).timeout
    limit = None if timeout is None else timedelta(seconds=timeout)
    trained = pipeline.job_parameters.model_version or "" if pipeline.mode is Mode.PREDICT else ""
    tasks: dict[str, FederatedTaskOperator] = {}
    for position, node in enumerate(pipeline.nodes):
        task = FederatedTaskOperator(
            task_id=node.name,
            node=node,
            party=party,
            form=pipeline.airflow.params,
            trained=trained,
            execution_timeout=limit,
            # Where only some of the tasks may run at once, every party starts with the same.
            priority_weight=len(pipeline.nodes) - position,
        )
        task.set_upstream([tasks[source] for source in node.upstream] or start)
        tasks[node.name] = task
    sources = {source for node in pipeline.nodes for source in node.upstream}
    finish.set_upstream([task for name, task in tasks.items() if name not in sources])
