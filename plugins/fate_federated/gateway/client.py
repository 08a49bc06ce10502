"""How a site's tasks and tools call their gateway."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
import grpc.aio

from fate_federated.gateway.attendance import Attendance
from fate_federated.gateway.model_client import ModelClient
from fate_federated.party import Party
from fate_federated.pb import attempts_pb2, exchange_pb2, jobs_pb2, site_pb2, tables_pb2, tracking_pb2
from fate_federated.pb.attempts_pb2_grpc import AttemptsStub
from fate_federated.pb.exchange_pb2_grpc import ExchangeStub
from fate_federated.pb.jobs_pb2_grpc import JobsStub
from fate_federated.pb.site_pb2_grpc import SiteStub
from fate_federated.pb.tables_pb2_grpc import TablesStub
from fate_federated.pb.tracking_pb2_grpc import TrackingStub
from fate_federated.status import JobStatus
from fate_federated.transport.gateway import SILENCE_SECONDS, GatewayTransport
from fate_federated.transport.rpc import (
    ClientTls,
    Patience,
    call_with_patience,
    error_of,
    is_transient,
    open_aio_channel,
    open_channel,
)
from fate_federated.wire.convert import (
    attempt_in,
    egress_in,
    files_out,
    job_in,
    metric_out,
    output_in,
    output_out,
    party_out,
    site_in,
    summary_out,
    table_in,
    table_out,
    task_metrics_in,
    task_out,
)
from fate_federated.wire.records import (
    Attempt,
    EgressRecord,
    Job,
    JobFiles,
    Metric,
    Output,
    SiteDescription,
    TableRecord,
    TaskMetrics,
    TaskRef,
)

if TYPE_CHECKING:
    from fate_federated.pb.attempts_pb2_grpc import AttemptsAsyncStub

Q = TypeVar("Q")
A = TypeVar("A")

__all__ = ["AsyncGatewayClient", "Attendance", "ClientTls", "GatewayClient", "open_aio_channel", "open_channel"]

CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
"""An attempt to connect does not take longer, so a longer call was connected."""

START_SECONDS = 180.0
"""A job starts when the slowest site has created its run."""


class GatewayClient:
    """Calls of a site's own gateway.

    Any of them raises GatewayUnavailable when the gateway does not answer, and AccessDenied when it does not know the
    caller's certificate as its own site's.

    Args:
        channel: from :func:`open_channel`; closed with the client.
        address: for messages to people.
        patience_seconds: how long a call waits for a gateway that is not there. Calls that only a running task makes
            wait a minute, so that a gateway may be restarted under it.
    """

    def __init__(self, channel: grpc.Channel, address: str, *, patience_seconds: float = 5.0) -> None:
        self._channel, self._address, self._patience = channel, address, patience_seconds
        self._site = SiteStub(channel)
        self._jobs = JobsStub(channel)
        self._attempts = AttemptsStub(channel)
        self._exchange = ExchangeStub(channel)
        self._tables = TablesStub(channel)
        self._tracking = TrackingStub(channel)
        self.models = ModelClient(channel, address, patience_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; what still uses it ends."""
        self._channel.close()

    def site(self, *, timeout_seconds: float = CALL_SECONDS) -> SiteDescription:
        """Which parties the site hosts, and where its storage is."""
        return site_in(self._call(self._site.Describe, site_pb2.DescribeRequest(), timeout=timeout_seconds))

    def start_job(self, party: Party, dag_id: str, run_id: str, files: JobFiles) -> Job:
        """The job of a run: at the initiator it is created at every party, elsewhere it must be there.

        Idempotent per (dag_id, run_id).

        Raises:
            JobError: a party refused it or could not be reached, or it was not started by its initiator.
        """
        request = jobs_pb2.StartJobRequest(party=party_out(party), dag_id=dag_id, run_id=run_id, files=files_out(files))
        return job_in(self._call(self._jobs.StartJob, request, timeout=START_SECONDS))

    def finish_job(self, job_id: str, party: Party, status: JobStatus, detail: str = "") -> Job:
        """The last word of one party's run.

        Raises:
            JobNotFound: there is no such job here.
        """
        request = jobs_pb2.FinishJobRequest(job_id=job_id, party=party_out(party), status=status, detail=detail)
        return job_in(self._call(self._jobs.FinishJob, request, patience=SILENCE_SECONDS))

    def get_job(self, job_id: str) -> Job:
        """A job with its tasks and files.

        Raises:
            JobNotFound: there is none.
        """
        return job_in(self._call(self._jobs.GetJob, jobs_pb2.JobRequest(job_id=job_id)))

    def list_jobs(self, limit: int = 20, status: JobStatus | None = None) -> tuple[Job, ...]:
        """The newest jobs, newest first."""
        request = jobs_pb2.ListJobsRequest(limit=limit, status=status or "")
        return tuple(map(job_in, self._call(self._jobs.ListJobs, request).jobs))

    def stop_job(self, job_id: str, detail: str) -> Job:
        """Stop a job at all parties.

        Args:
            detail: who stopped it and why; every party is told.

        Raises:
            JobNotFound: there is none.
            PartyUnreachable: the initiator's gateway, which coordinates the job, did not answer.
        """
        return job_in(self._call(self._jobs.StopJob, jobs_pb2.StopJobRequest(job_id=job_id, detail=detail)))

    def trained_version(self, job_id: str, text: str) -> str:
        """The version that a job predicts with: a branch or tag stands for where it pointed when the job started.

        Args:
            text: of the conf or the run; empty for none.
        """
        if not text or text.isdecimal():
            return text
        files = self.get_job(job_id).files
        overrides = json.loads(files.overrides or "{}") if files is not None else {}
        return str(overrides.get("model_version", text))

    def attend(
        self, task: TaskRef, party: Party, *, participants: Iterable[Party], instance: str, attempt: int = 0
    ) -> Attendance:
        """Take part in the next attempt of a component, or follow it.

        Args:
            participants: the parties for which the component has a part; ``party`` follows if it is not among them.
            instance: names the Airflow task instance and its try; no other process may use it at the same time.
            attempt: the attempt that the task was woken for, when it comes back from being parked: if that one is
                decided by now, it is not taken for a new one.

        Raises (from the attendance's waiting methods):
            JobNotFound: there is no such job here.
            AttemptFailed: the job has ended.
        """
        return Attendance(
            self._attempts, self._address, task, party, tuple(participants), instance=instance, attempt=attempt
        )

    def transport(self, task: TaskRef, attempt: int, party: Party) -> GatewayTransport:
        """Messages to and from the other parties of a running attempt."""
        return GatewayTransport(self._channel, self._address, task, attempt, party)

    def put_table(self, record: TableRecord, *, replace: bool = False) -> TableRecord:
        """Add a table to the catalogue; ``created_at`` is the gateway's to set.

        Raises:
            DataError: there is one of that name, and ``replace`` is not set.
        """
        request = tables_pb2.PutTableRequest(table=table_out(record), replace=replace)
        return table_in(self._call(self._tables.PutTable, request))

    def get_table(self, namespace: str, name: str) -> TableRecord:
        """An entry of the catalogue.

        Raises:
            TableNotFound: there is none.
        """
        request = tables_pb2.TableKey(namespace=namespace, name=name)
        return table_in(self._call(self._tables.GetTable, request, patience=SILENCE_SECONDS))

    def list_tables(self, namespace: str = "") -> tuple[TableRecord, ...]:
        """The catalogue, by namespace and name; all namespaces if none is given."""
        reply = self._call(self._tables.ListTables, tables_pb2.ListTablesRequest(namespace=namespace))
        return tuple(map(table_in, reply.tables))

    def delete_table(self, namespace: str, name: str) -> TableRecord:
        """Forget a table; the caller removes its file.

        Raises:
            TableNotFound: there is none.
        """
        request = tables_pb2.TableKey(namespace=namespace, name=name)
        return table_in(self._call(self._tables.DeleteTable, request).table)

    def log_metrics(self, task: TaskRef, attempt: int, party: Party, metrics: Sequence[Metric]) -> None:
        """Add points to metrics, and replace their meta."""
        request = tracking_pb2.LogMetricsRequest(
            task=task_out(task),
            attempt=attempt,
            party=party_out(party),
            metrics=map(metric_out, metrics),
            request_id=uuid.uuid4().hex,
        )
        self._call(self._tracking.LogMetrics, request, patience=SILENCE_SECONDS)

    def set_summary(self, task: TaskRef, attempt: int, party: Party, summary: dict[str, Any]) -> None:
        """The task's summary in this attempt; replaces an earlier one."""
        request = tracking_pb2.SetSummaryRequest(
            task=task_out(task), attempt=attempt, party=party_out(party), summary=summary_out(summary)
        )
        self._call(self._tracking.SetSummary, request, patience=SILENCE_SECONDS)

    def record_output(self, output: Output) -> None:
        """Tell where an output is. It is found by ``get_output`` once the attempt has succeeded."""
        self._call(self._tracking.RecordOutput, output_out(output), patience=SILENCE_SECONDS)

    def get_output(self, task: TaskRef, party: Party, kind: str, name: str) -> Output | None:
        """An output of the newest attempt that succeeded; None where it made none."""
        request = tracking_pb2.OutputQuery(task=task_out(task), party=party_out(party), kind=kind, name=name)
        reply = self._call(self._tracking.GetOutput, request, patience=SILENCE_SECONDS)
        return output_in(reply.output) if reply.HasField("output") else None

    def list_outputs(self, job_id: str, component: str = "", party: Party | None = None) -> tuple[Output, ...]:
        """The outputs of a job's newest successful attempts at this site."""
        reply = self._call(self._tracking.ListOutputs, _query(job_id, component, party))
        return tuple(map(output_in, reply.outputs))

    def get_metrics(self, job_id: str, component: str = "", party: Party | None = None) -> tuple[TaskMetrics, ...]:
        """What the tasks of a job have told, each in its newest attempt, at this site."""
        reply = self._call(self._tracking.GetMetrics, _query(job_id, component, party))
        return tuple(map(task_metrics_in, reply.tasks))

    def egress(self, job_id: str = "", component: str = "", limit: int = 1000) -> tuple[EgressRecord, ...]:
        """What left the parties of this site: the newest ``limit`` messages, oldest first."""
        request = exchange_pb2.EgressQuery(job_id=job_id, component=component, limit=limit)
        return tuple(map(egress_in, self._call(self._exchange.ListEgress, request).records))

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, A],
        request: Q,
        *,
        timeout: float = CALL_SECONDS,
        patience: float | None = None,
    ) -> A:
        seconds = self._patience if patience is None else patience
        return call_with_patience(lambda: method(request, timeout=timeout), self._address, seconds)


def _query(job_id: str, component: str, party: Party | None) -> tracking_pb2.TrackingQuery:
    return tracking_pb2.TrackingQuery(
        job_id=job_id, component=component, party=None if party is None else party_out(party)
    )


class AsyncGatewayClient:
    """For the trigger: waits for attempts without a thread each."""

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self._channel, self._address = channel, address
        self._stub: AttemptsAsyncStub = AttemptsStub(channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def await_attempt(self, task: TaskRef, party: Party, *, until_decided: bool) -> Attempt:
        """The party's attempt once it assembles or is decided, or only once it is decided.

        Raises:
            GatewayUnavailable: the gateway was silent for a minute.
            JobNotFound: there is no such job here.
        """
        request = attempts_pb2.AwaitRequest(task=task_out(task), party=party_out(party), until_decided=until_decided)
        patience = Patience(SILENCE_SECONDS)
        while True:
            called = time.monotonic()
            try:
                return attempt_in(await self._stub.Await(request))
            except grpc.RpcError as error:
                ours = error_of(error, self._address)
            if time.monotonic() - called > CONNECT_SECONDS:
                # It was there until now.
                patience = Patience(SILENCE_SECONDS)
            pause = patience.next_pause() if is_transient(ours) else None
            if pause is None:
                raise ours
            await asyncio.sleep(pause)
