"""The three operators of a job's DAG: one that starts the job, one per component, one that ends the job.

They translate between Airflow and the gateway's client. Importing them is cheap, since every parse of a DAG does.
"""

from __future__ import annotations

import json
import math
import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRuntimeError,
    AirflowTaskTerminated,
    AirflowTaskTimeout,
)

from fate_federated.connection import DEFAULT_CONNECTION
from fate_federated.dsl.airflow_block import FormParam
from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Node
from fate_federated.dsl.run_conf import MODEL_VERSION, check_run_conf, resolve_run_conf, run_parameters
from fate_federated.errors import (
    AccessDenied,
    AttemptCanceled,
    AttemptEnded,
    DslError,
    FateFederatedError,
    public_text,
)
from fate_federated.party import Party
from fate_federated.status import AttemptState, JobStatus, Presence
from fate_federated.wire.model_records import OperationState

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from fate_federated.gateway.client import Attendance, GatewayClient
    from fate_federated.task.run import TaskResult
    from fate_federated.triggers import AttemptEvent
    from fate_federated.wire.records import Attempt, TaskRef

START_TASK = "start_job"
FINISH_TASK = "finish_job"
JOIN_GRACE_SECONDS = 10.0
FIRST_LOOK_SECONDS = 0.5
LAST_WORD_SECONDS = 3.0
VERSION_SECONDS = 60.0
"""How long the end of a run waits for its version to be at all parties."""
MAX_XCOM_BYTES = 32 << 10

PERMANENT = (AttemptCanceled, AccessDenied, DslError)
"""What a retry of the same task cannot mend."""


@contextmanager
def _as_airflow_errors() -> Iterator[None]:
    """Our errors as Airflow's: those that a retry may mend fail the try, the others the task."""
    try:
        yield
    except FateFederatedError as error:
        kind = AirflowFailException if isinstance(error, PERMANENT) else AirflowException
        # What others decided has no cause in this process that a traceback could show.
        raise kind(str(error)) from (None if isinstance(error, AttemptEnded) else error)


def _gateway(conn_id: str) -> GatewayClient:
    from fate_federated.hooks import FateGatewayHook

    return FateGatewayHook(conn_id).client()


class _FederatedOperator(BaseOperator):
    """What the three have in common: a party, a gateway, and fields that are shown but never evaluated.

    The texts of a job may come from another organisation. As Jinja templates they could read this site's variables
    and connections, so nothing in them is one.
    """

    def __init__(self, *, party: Party, gateway_conn_id: str = DEFAULT_CONNECTION, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.party = party
        self.gateway_conn_id = gateway_conn_id

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Leave every field as it is."""


class StartJobOperator(_FederatedOperator):
    """Start the job at the initiator, or at another party take up the job that the initiator started.

    Args:
        job_name: the common stem of the job's files.
        party: whose DAG this is.
        dsl_text, conf_text: the job's files as they were when the DAG was compiled.

    Returns:
        the job id, for every other task of the run.
    """

    template_fields: Sequence[str] = ("job_name", "party", "overrides")
    template_fields_renderers: ClassVar[dict[str, str]] = {"overrides": "json"}
    ui_color = "#e8f0e4"

    def __init__(self, *, job_name: str, party: Party, dsl_text: str, conf_text: str, **kwargs: Any) -> None:
        super().__init__(party=party, **kwargs)
        self.job_name = job_name
        self.dsl_text = dsl_text
        self.conf_text = conf_text
        self.overrides: dict[str, Any] = {}

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Show what the run was triggered with."""
        self.overrides = dict(context["dag_run"].conf or {})

    def execute(self, context: Context) -> str:
        """Idempotent per run, so a retry finds the job that an earlier try started."""
        from fate_federated.wire.records import JobFiles

        with _as_airflow_errors():
            overrides = self._check(dict(context["dag_run"].conf or {}))
        files = JobFiles(self.job_name, self.dsl_text, self.conf_text, json.dumps(overrides) if overrides else "")
        with _as_airflow_errors(), _gateway(self.gateway_conn_id) as client:
            job = client.start_job(self.party, self.dag_id, context["run_id"], files)
        self.log.info(
            "job %s of %s: %s", job.job_id, job.initiator, ", ".join(str(member.party) for member in job.parties)
        )
        return job.job_id

    def _check(self, run_conf: Mapping[str, Any]) -> dict[str, Any]:
        """At the initiator: whether every party can run the job with what the run was triggered with.

        Returns:
            what the others are to run it with: the same, the form's params where they count.
        """
        pipeline = parse_job(
            self.dsl_text,
            self.conf_text,
            dsl_file=f"{self.job_name}_dsl.json",
            conf_file=f"{self.job_name}_conf.json",
        )
        resolved = resolve_run_conf(pipeline.airflow.params, run_conf)
        if self.party == pipeline.initiator:
            check_run_conf(pipeline, resolved)
        return resolved


class FederatedTaskOperator(_FederatedOperator):
    """Run one component at one party, together with the other parties.

    The task joins the component's next attempt at its gateway, waits for the others (a short grace in its worker slot,
    then deferred), computes, reports, and ends as the attempt is decided for all. At a party that has no part in the
    component it computes nothing and ends as the others do.

    Args:
        node: the component, with its parameters at every party.
        party: whose DAG this is.
        form: params of the conf's airflow block, which may set some of the component's.
        trained: id of the job whose models this one predicts with, where the conf names it.
        join_grace_seconds: how long to wait in the worker slot before deferring, which costs some seconds itself.

    Returns:
        a small summary: attempt, rows, seconds, messages, bytes and what the component itself says.
    """

    template_fields: Sequence[str] = ("component", "module", "party", "participants", "parameters", "trained")
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json"}
    shallow_copy_attrs = ("node", "form")
    ui_color = "#e3ecf7"

    def __init__(
        self,
        *,
        node: Node,
        party: Party,
        form: Mapping[str, FormParam] | None = None,
        trained: str = "",
        join_grace_seconds: float = JOIN_GRACE_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(party=party, **kwargs)
        self.node = node
        self.form = form or {}
        self.trained = trained
        self.join_grace_seconds = join_grace_seconds
        self.component = node.name
        self.module = node.module
        self.participants = [str(participant) for participant in node.participants]
        self.parameters = run_parameters(node, party, resolve_run_conf(self.form, {}))
        self._attendance: Attendance | None = None

    @property
    def participates(self) -> bool:
        """Whether the component has a part for this party."""
        return self.party in self.node.participants

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Show, and use, the parameters of this run."""
        run_conf = context["dag_run"].conf or {}
        with _as_airflow_errors():
            self.parameters = run_parameters(self.node, self.party, resolve_run_conf(self.form, run_conf))
        self.trained = str(run_conf.get(MODEL_VERSION, self.trained))

    def execute(self, context: Context) -> dict[str, Any]:
        """Take part in the component's next attempt."""
        return self._take_part(context)

    def rejoin(self, context: Context, event: AttemptEvent) -> dict[str, Any]:
        """Come back from the triggerer: the attempt assembles, or is decided."""
        if event["error"]:
            raise AirflowException(event["error"])
        return self._take_part(context, event["attempt"])

    def on_kill(self) -> None:
        """Airflow's signal to stop: a person ended the task, or its worker is shut down.

        It arrives in the main thread, wherever that waits; the exception leads it out of there. After an execution
        timeout it is called once more, when there is nothing left to stop.
        """
        if self._attendance is not None:
            raise AirflowTaskTerminated(f"{self.component} was stopped at {self.party}")

    def _take_part(self, context: Context, attempt: int = 0) -> dict[str, Any]:
        from fate_federated.wire.records import TaskRef

        job_id = context["ti"].xcom_pull(task_ids=START_TASK)
        if not isinstance(job_id, str):
            raise AirflowFailException(f"{START_TASK} of this run left no job id. Clear it to run it again.")
        with _as_airflow_errors(), _gateway(self.gateway_conn_id) as client:
            task = TaskRef(job_id, self.component)
            attendance = client.attend(
                task, self.party, participants=self.node.participants, instance=_instance(context), attempt=attempt
            )
            self._attendance = attendance
            try:
                if self.participates:
                    return self._compute(client, attendance, self._wait_for_others(attendance, task))
                return self._follow(attendance, task)
            except (AirflowTaskTerminated, AirflowTaskTimeout, KeyboardInterrupt) as stop:
                self._attendance = None
                self._tell(attendance, *_reason(stop, context))
                raise
            finally:
                self._attendance = None
                attendance.close()

    def _wait_for_others(self, attendance: Attendance, task: TaskRef) -> Attempt:
        """The attempt once it runs; defers when a party is not ready within the grace."""
        attempt = attendance.wait_running(FIRST_LOOK_SECONDS)
        self._log_joined(attendance.attempt)
        if attempt is None:
            attempt = attendance.wait_running(max(0.0, self.join_grace_seconds - FIRST_LOOK_SECONDS))
        while attempt is None:
            self._park(attendance, task)
            # Not parked: the last of the others came just now.
            attempt = attendance.wait_running(self.join_grace_seconds)
        self.log.info("attempt %d of %s started: %s", attempt.number, self.component, ", ".join(self.participants))
        return attempt

    def _follow(self, attendance: Attendance, task: TaskRef) -> dict[str, Any]:
        """The outcome for a party that computes nothing; defers when it does not come within the grace."""
        self.log.info(
            "%s has no part in %s and follows its outcome: %s", self.party, self.component, ", ".join(self.participants)
        )
        attempt = attendance.wait_decided(self.join_grace_seconds)
        while attempt is None:
            self._park(attendance, task)
            attempt = attendance.wait_decided(self.join_grace_seconds)
        return self._end(attempt, {})

    def _park(self, attendance: Attendance, task: TaskRef) -> None:
        """Go on waiting in the triggerer; comes back only when that is not needed any more."""
        from fate_federated.triggers import AttemptTrigger

        if not attendance.park():
            return
        trigger = AttemptTrigger(
            job_id=task.job_id,
            component=task.component,
            party=str(self.party),
            participants=self.participants,
            attempt=0 if attendance.attempt is None else attendance.attempt.number,
            gateway_conn_id=self.gateway_conn_id,
        )
        self.defer(trigger=trigger, method_name="rejoin")

    def _compute(self, client: GatewayClient, attendance: Attendance, attempt: Attempt) -> dict[str, Any]:
        try:
            summary = self._run_component(client, attendance, attempt)
        except AttemptEnded:
            raise
        except Exception as error:
            self._tell(attendance, Presence.FAILED, public_text(error))
            raise
        attendance.report(Presence.SUCCEEDED)
        return self._end(attendance.wait_decided(), summary)

    def _run_component(self, client: GatewayClient, attendance: Attendance, attempt: Attempt) -> dict[str, Any]:
        from fate_federated.attended_run import run_attended
        from fate_federated.task.context import TaskContext
        from fate_federated.task.run import run_task
        from fate_federated.task_store import GatewayOutputStore
        from fate_federated.task_tracker import GatewayTracker

        job_id = attempt.task.job_id
        tracker = GatewayTracker(client, attempt.task, attempt.number, self.party)
        store = GatewayOutputStore(
            client,
            job_id,
            attempt.number,
            self.party,
            client.site().storage_url,
            trained=client.trained_version(job_id, self.trained),
        )
        ctx = TaskContext(
            party=self.party,
            participants=self.node.participants,
            job_id=job_id,
            component=self.component,
            attempt=attempt.number,
            transport=client.transport(attempt.task, attempt.number, self.party),
            tracker=tracker,
        )
        supervisor = os.getppid()

        def tick() -> None:
            tracker.try_flush()
            if os.getppid() != supervisor:
                raise AirflowException("Airflow's supervisor of this task is gone, so nobody would hear how it ends.")

        result = run_attended(lambda: run_task(self.node, self.parameters, ctx, store), attendance, tick)
        tracker.flush()
        return _summary(result, tracker.summary)

    def _end(self, attempt: Attempt, summary: dict[str, Any]) -> dict[str, Any]:
        """End as the attempt was decided for all."""
        from fate_federated.gateway.attendance import attempt_ended

        if attempt.state is not AttemptState.SUCCESS:
            raise attempt_ended(attempt)
        self.log.info("attempt %d of %s succeeded at all parties", attempt.number, self.component)
        return {"attempt": attempt.number, **summary}

    def _tell(self, attendance: Attendance, outcome: Presence, detail: str) -> None:
        """Tell the others why this party stops, and give the word time to arrive."""
        try:
            attendance.report(outcome, detail)
            attendance.wait_decided(LAST_WORD_SECONDS)
        except FateFederatedError as error:
            self.log.warning("the other parties could not be told: %s", error)

    def _log_joined(self, attempt: Attempt | None) -> None:
        if attempt is None:
            self.log.info("joining %s", self.component)
            return
        absent = [str(member.party) for member in attempt.parties if member.participates and member.presence in _AWAY]
        awaited = f", waiting for {', '.join(absent)}" if absent else ""
        self.log.info("%s joined attempt %d of %s%s", self.party, attempt.number, self.component, awaited)


class FinishJobOperator(_FederatedOperator):
    """Tell the gateway how the run ended at this party. A teardown: it runs whatever happened before.

    It fails when the run did, and the run's state is its state: Airflow by itself would call a run a success whose
    last tasks were skipped because a person had marked it as failed.

    Args:
        party: whose DAG this is.
        models: assets of the models that a run which succeeds leaves at this party.
        models_are: what their events say beside the job's id.
    """

    template_fields: Sequence[str] = ("party",)
    ui_color = "#e8f0e4"

    def __init__(
        self,
        *,
        party: Party,
        models: Sequence[Asset] = (),
        models_are: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(party=party, outlets=list(models), **kwargs)
        self.models = tuple(models)
        self.models_are = dict(models_are or {})

    def execute(self, context: Context) -> str:
        """Returns the job's status."""
        ti = context["ti"]
        job_id = ti.xcom_pull(task_ids=START_TASK)
        if not isinstance(job_id, str):
            raise AirflowFailException(f"{START_TASK} of this run left no job id: there is no job to finish.")
        states = ti.get_task_states(self.dag_id, run_ids=[context["run_id"]])[context["run_id"]]
        status, detail = _end_of_run({name: state for name, state in states.items() if name != self.task_id})
        with _as_airflow_errors(), _gateway(self.gateway_conn_id) as client:
            job = client.finish_job(job_id, self.party, status, detail)
            published = self._published(client, job_id) if status is JobStatus.SUCCESS and self.models else {}
        self.log.info("job %s ended at %s: %s. The job is %s", job_id, self.party, detail or status, job.status)
        if status is not JobStatus.SUCCESS:
            raise AirflowFailException(f"The run failed: {detail}.")
        for asset in self.models:
            context["outlet_events"][asset].extra = {**self.models_are, "model_version": job_id, **published}
        return status.value

    def _published(self, client: GatewayClient, job_id: str) -> dict[str, Any]:
        """What the registry says of the version that the job made, once every party has it."""
        version, operation = client.models.of_job(job_id, VERSION_SECONDS)
        if operation is None or operation.state is not OperationState.DONE or version is None:
            why = "it is not known here yet" if operation is None else operation.detail or operation.state.value
            self.log.warning("the version of job %s is not at all parties: %s. See `fate model pending`", job_id, why)
            return {"committed": False}
        branches = [move.name for move in operation.change.moves]
        self.log.info("version %s of %s is committed at all parties", version.version, operation.change.name)
        return {
            "model_id": version.model_id,
            "model_version": version.version,
            "model": operation.change.name,
            "branches": branches,
            "commit": version.commit,
            "committed": True,
        }


_AWAY = (Presence.ABSENT, Presence.PARKED)


def _end_of_run(states: Mapping[str, str | None]) -> tuple[JobStatus, str]:
    """How a run ended, from the states of its tasks.

    A skipped task counts as failed: nothing in a job's DAG skips by itself, so a person ended the run.
    """
    bad = {name: state for name, state in states.items() if state != "success"}
    # What failed by itself says more than what was not tried because of it.
    telling = {name: state for name, state in bad.items() if state == "failed"} or bad
    detail = ", ".join(f"{name} {state or 'not run'}" for name, state in sorted(telling.items()))
    return JobStatus.FAILED if bad else JobStatus.SUCCESS, detail


def _instance(context: Context) -> str:
    """Names this process as the one that attends, uniquely; the gateway and a person who looks can tell whose it is."""
    ti = context["ti"]
    name = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.try_number}/{socket.gethostname()}/{os.getpid()}/{uuid.uuid4()}"
    return name[-512:]


def _reason(stop: BaseException, context: Context) -> tuple[Presence, str]:
    """What the other parties are told, beside this party's name, when Airflow ends the task."""
    if isinstance(stop, AirflowTaskTimeout):
        return Presence.FAILED, "the task's execution_timeout passed"
    if isinstance(stop, KeyboardInterrupt) or _ended_by_a_person(context):
        return Presence.CANCELED, "stopped by a person"
    return Presence.FAILED, "the task's worker was shut down"


def _ended_by_a_person(context: Context) -> bool:
    """Whether Airflow itself no longer counts the task as running: it was marked or cleared."""
    ti = context["ti"]
    try:
        states = ti.get_task_states(ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except AirflowRuntimeError:
        return False
    return bool(states.get(ti.run_id, {}).get(ti.task_id) != "running")


def _summary(result: TaskResult, of_component: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": result.rows,
        "seconds": round(result.seconds, 3),
        "messages": result.traffic.sent,
        "bytes": result.traffic.sent_bytes,
        "summary": _bounded(of_component),
    }


def _bounded(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary as strict JSON of a bounded size: a larger one loses its largest fields, which the gateway keeps."""
    kept = {key: _finite(value) for key, value in summary.items()}
    sizes = {key: len(json.dumps(value)) for key, value in kept.items()}
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= MAX_XCOM_BYTES:
            break
        kept[key] = f"{sizes.pop(key)} bytes, see `fate job metrics`"
    return kept


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value
