# ruff: noqa: N802 - the names are those of the services
"""The gateway's faces in gRPC: each method checks who calls, converts, and hands over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fate_federated.errors import AccessDenied, MessageRejected
from fate_federated.gateway.access import Access, Caller
from fate_federated.gateway.attendances import Attendances, Join, Park, Report
from fate_federated.gateway.exchange import Exchange
from fate_federated.gateway.job_start import JobStart
from fate_federated.gateway.jobs import Jobs
from fate_federated.gateway.ledger import Ledger
from fate_federated.gateway.links import Links
from fate_federated.gateway.local_site import LocalSite
from fate_federated.gateway.tables import Tables
from fate_federated.gateway.tracker import Tracker
from fate_federated.party import Party
from fate_federated.pb import attempts_pb2, exchange_pb2, federation_pb2, jobs_pb2, site_pb2, tables_pb2, tracking_pb2
from fate_federated.pb.attempts_pb2_grpc import AttemptsServicer
from fate_federated.pb.exchange_pb2_grpc import ExchangeServicer
from fate_federated.pb.federation_pb2_grpc import FederationServicer
from fate_federated.pb.jobs_pb2_grpc import JobsServicer
from fate_federated.pb.site_pb2_grpc import SiteServicer
from fate_federated.pb.tables_pb2_grpc import TablesServicer
from fate_federated.pb.tracking_pb2_grpc import TrackingServicer
from fate_federated.status import Presence
from fate_federated.wire.convert import (
    address_in,
    attempt_in,
    attempt_out,
    detail_in,
    egress_out,
    end_in,
    files_in,
    header_in,
    instance_in,
    job_out,
    job_status_in,
    metric_in,
    order_in,
    output_in,
    output_out,
    parties_in,
    party_in,
    presence_word_in,
    report_in,
    site_out,
    summary_in,
    table_in,
    table_out,
    task_in,
    task_metrics_out,
    update_in,
    verdict_out,
)
from fate_federated.wire.records import Header, JobReport, SiteDescription

OUTCOMES = (Presence.SUCCEEDED, Presence.FAILED, Presence.CANCELED)


class SiteFace(SiteServicer):
    """What the site is."""

    def __init__(self, access: Access, description: SiteDescription) -> None:
        self._access, self._description = access, description

    async def Describe(self, request: site_pb2.DescribeRequest, context: Any) -> site_pb2.SiteDescription:
        async with self._access.site(context):
            return site_out(self._description)


class JobsFace(JobsServicer):
    """Jobs, for the site's tasks and tools."""

    def __init__(self, access: Access, start: JobStart, jobs: Jobs) -> None:
        self._access, self._start, self._jobs = access, start, jobs

    async def StartJob(self, request: jobs_pb2.StartJobRequest, context: Any) -> jobs_pb2.Job:
        async with self._access.site(context) as caller:
            party = _speaking(caller, party_in(request.party))
            return job_out(await self._start.start(party, request.dag_id, request.run_id, files_in(request.files)))

    async def FinishJob(self, request: jobs_pb2.FinishJobRequest, context: Any) -> jobs_pb2.Job:
        async with self._access.site(context) as caller:
            party = _speaking(caller, party_in(request.party))
            report = JobReport(request.job_id, party, job_status_in(request.status), detail_in(request.detail))
            return job_out(await self._jobs.finish(report))

    async def GetJob(self, request: jobs_pb2.JobRequest, context: Any) -> jobs_pb2.Job:
        async with self._access.site(context):
            return job_out(await self._jobs.get_whole(request.job_id))

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.JobList:
        async with self._access.site(context):
            status = job_status_in(request.status) if request.status else None
            return jobs_pb2.JobList(jobs=map(job_out, await self._jobs.list(request.limit, status)))

    async def StopJob(self, request: jobs_pb2.StopJobRequest, context: Any) -> jobs_pb2.Job:
        async with self._access.site(context):
            return job_out(await self._jobs.stop(request.job_id, detail_in(request.detail)))


class AttemptsFace(AttemptsServicer):
    """Attempts, for the site's tasks and its triggerer."""

    def __init__(self, access: Access, attendances: Attendances) -> None:
        self._access, self._attendances = access, attendances

    async def Attend(
        self, request_iterator: AsyncIterator[attempts_pb2.AttendRequest], context: Any
    ) -> AsyncIterator[attempts_pb2.Attempt]:
        async with self._access.site(context) as caller:
            join = _join(await anext(request_iterator, None))
            _speaking(caller, join.party)
            async with aclosing(self._attendances.attend(join, _words(request_iterator))) as attempts:
                async for attempt in attempts:
                    yield attempt_out(attempt)

    async def Await(self, request: attempts_pb2.AwaitRequest, context: Any) -> attempts_pb2.Attempt:
        async with self._access.site(context) as caller:
            party = _speaking(caller, party_in(request.party))
            task, until_decided = task_in(request.task), request.until_decided
            return attempt_out(await self._attendances.wait_for(task, party, until_decided=until_decided))


class ExchangeFace(ExchangeServicer):
    """Messages, for the site's tasks."""

    def __init__(self, access: Access, exchange: Exchange, ledger: Ledger) -> None:
        self._access, self._exchange, self._ledger = access, exchange, ledger

    async def Push(
        self, request_iterator: AsyncIterator[exchange_pb2.MessagePart], context: Any
    ) -> exchange_pb2.Receipt:
        async with self._access.site(context) as caller:
            header, body = await _message(request_iterator)
            _speaking(caller, header.sender)
            return exchange_pb2.Receipt(repeated=await self._exchange.push(header, body))

    async def Pull(self, request: exchange_pb2.PullRequest, context: Any) -> AsyncIterator[exchange_pb2.MessagePart]:
        async with self._access.site(context) as caller:
            address = address_in(request)
            _speaking(caller, address.receiver)
            async with aclosing(self._exchange.pull(address, request.received)) as parts:
                async for part in parts:
                    yield part

    async def ListEgress(self, request: exchange_pb2.EgressQuery, context: Any) -> exchange_pb2.EgressLedger:
        async with self._access.site(context):
            records = await self._ledger.list(request.job_id, request.component, request.limit)
            return exchange_pb2.EgressLedger(records=map(egress_out, records))


class TablesFace(TablesServicer):
    """The table catalogue, for the site's tasks and tools."""

    def __init__(self, access: Access, tables: Tables) -> None:
        self._access, self._tables = access, tables

    async def PutTable(self, request: tables_pb2.PutTableRequest, context: Any) -> tables_pb2.Table:
        async with self._access.site(context):
            return table_out(await self._tables.put(table_in(request.table), replace_existing=request.replace))

    async def GetTable(self, request: tables_pb2.TableKey, context: Any) -> tables_pb2.Table:
        async with self._access.site(context):
            return table_out(await self._tables.get(request.namespace, request.name))

    async def ListTables(self, request: tables_pb2.ListTablesRequest, context: Any) -> tables_pb2.TableList:
        async with self._access.site(context):
            return tables_pb2.TableList(tables=map(table_out, await self._tables.list(request.namespace)))

    async def DeleteTable(self, request: tables_pb2.TableKey, context: Any) -> tables_pb2.DeletedTable:
        async with self._access.site(context):
            deleted = await self._tables.delete(request.namespace, request.name)
            return tables_pb2.DeletedTable(table=table_out(deleted))


class TrackingFace(TrackingServicer):
    """Metrics, summaries and outputs, for the site's tasks and tools."""

    def __init__(self, access: Access, tracker: Tracker) -> None:
        self._access, self._tracker = access, tracker

    async def LogMetrics(self, request: tracking_pb2.LogMetricsRequest, context: Any) -> tracking_pb2.Logged:
        async with self._access.site(context) as caller:
            party = _speaking(caller, party_in(request.party))
            metrics = tuple(map(metric_in, request.metrics))
            task = task_in(request.task)
            await self._tracker.log_metrics(task, request.attempt, party, metrics, request.request_id[:64])
            return tracking_pb2.Logged()

    async def SetSummary(self, request: tracking_pb2.SetSummaryRequest, context: Any) -> tracking_pb2.Logged:
        async with self._access.site(context) as caller:
            party = _speaking(caller, party_in(request.party))
            summary = summary_in(request.summary) or {}
            await self._tracker.set_summary(task_in(request.task), request.attempt, party, summary)
            return tracking_pb2.Logged()

    async def RecordOutput(self, request: tracking_pb2.Output, context: Any) -> tracking_pb2.Logged:
        async with self._access.site(context) as caller:
            output = output_in(request)
            _speaking(caller, output.party)
            await self._tracker.record_output(output)
            return tracking_pb2.Logged()

    async def GetOutput(self, request: tracking_pb2.OutputQuery, context: Any) -> tracking_pb2.OutputReply:
        async with self._access.site(context):
            task, party = task_in(request.task), party_in(request.party)
            output = await self._tracker.get_output(task, party, request.kind, request.name)
            return tracking_pb2.OutputReply(output=None if output is None else output_out(output))

    async def ListOutputs(self, request: tracking_pb2.TrackingQuery, context: Any) -> tracking_pb2.OutputList:
        async with self._access.site(context):
            outputs = await self._tracker.list_outputs(request.job_id, request.component, _party_of(request))
            return tracking_pb2.OutputList(outputs=map(output_out, outputs))

    async def GetMetrics(self, request: tracking_pb2.TrackingQuery, context: Any) -> tracking_pb2.MetricsReply:
        async with self._access.site(context):
            told = await self._tracker.get_metrics(request.job_id, request.component, _party_of(request))
            return tracking_pb2.MetricsReply(tasks=map(task_metrics_out, told))


class FederationFace(FederationServicer):
    """What the gateways of peers may ask for. A call counts as a sign of life of its site."""

    def __init__(
        self,
        access: Access,
        site: LocalSite,
        jobs: Jobs,
        exchange: Exchange,
        links: Links,
        ping: federation_pb2.PingReply,
    ) -> None:
        self._access, self._site, self._jobs, self._exchange = access, site, jobs, exchange
        self._links, self._ping = links, ping

    async def CreateJob(self, request: federation_pb2.CreateJobRequest, context: Any) -> federation_pb2.Acknowledged:
        async with self._access.peer(context) as caller:
            order = order_in(request)
            self._speaking(caller, order.initiator)
            await self._site.create_job(order)
            return federation_pb2.Acknowledged()

    async def EndJob(self, request: federation_pb2.EndJobRequest, context: Any) -> federation_pb2.Acknowledged:
        async with self._access.peer(context) as caller:
            end = end_in(request)
            await self._must_be_of_job(caller, end.job_id, end.initiator)
            await self._site.end_job(end)
            return federation_pb2.Acknowledged()

    async def ReportJob(self, request: federation_pb2.JobStatusUpdate, context: Any) -> federation_pb2.JobVerdict:
        async with self._access.peer(context) as caller:
            report = report_in(request)
            self._speaking(caller, report.party)
            return verdict_out(await self._site.report_job(report))

    async def UpdatePresence(self, request: federation_pb2.PresenceUpdate, context: Any) -> attempts_pb2.Attempt:
        async with self._access.peer(context) as caller:
            update = update_in(request)
            self._speaking(caller, update.presence.party)
            return attempt_out(await self._site.update_presence(update))

    async def PublishAttempt(self, request: attempts_pb2.Attempt, context: Any) -> federation_pb2.Acknowledged:
        async with self._access.peer(context) as caller:
            attempt = attempt_in(request)
            self._speaking(caller, (await self._jobs.get(attempt.task.job_id)).initiator)
            await self._site.hear_attempt(attempt)
            return federation_pb2.Acknowledged()

    async def Deliver(
        self, request_iterator: AsyncIterator[exchange_pb2.MessagePart], context: Any
    ) -> exchange_pb2.Receipt:
        async with self._access.peer(context) as caller:
            header, body = await _message(request_iterator)
            self._speaking(caller, header.sender)
            return exchange_pb2.Receipt(repeated=await self._exchange.accept(header, body))

    async def Ping(self, request: federation_pb2.PingRequest, context: Any) -> federation_pb2.PingReply:
        async with self._access.peer(context) as caller:
            for party in parties_in(request.parties):
                self._speaking(caller, party)
            return self._ping

    async def _must_be_of_job(self, caller: Caller, job_id: str, initiator: Party) -> None:
        """The end of a job is said by its initiator, or asked for by any party of it."""
        job = await self._jobs.get(job_id)
        if job.initiator != initiator:
            raise AccessDenied(f"{initiator} is not the initiator of job {job_id}.")
        may = {at.party for at in job.parties} if self._links.is_local(initiator) else {initiator}
        if not (caller.parties or frozenset()) & may:
            raise AccessDenied(f"The caller has no say in job {job_id}.")

    def _speaking(self, caller: Caller, party: Party) -> None:
        _speaking(caller, party)
        site = self._links.remote_of(party)
        if site is None:
            raise AccessDenied(f"{party} is no peer of this site. Add it under peers in site.yaml.")
        site.heard()


def _speaking(caller: Caller, party: Party) -> Party:
    caller.must_speak_for(party)
    return party


def _party_of(query: tracking_pb2.TrackingQuery) -> Party | None:
    return party_in(query.party) if query.HasField("party") else None


def _join(request: attempts_pb2.AttendRequest | None) -> Join:
    if request is None or not request.HasField("join"):
        raise MessageRejected("An attendance begins with a join.")
    join = request.join
    return Join(
        task=task_in(join.task),
        party=party_in(join.party),
        participants=parties_in(join.participants),
        instance=instance_in(join.instance),
        attempt=join.attempt,
    )


async def _words(requests: AsyncIterator[attempts_pb2.AttendRequest]) -> AsyncIterator[Park | Report]:
    async for request in requests:
        match request.WhichOneof("message"):
            case "park":
                yield Park()
            case "report":
                outcome = presence_word_in(request.report.outcome)
                if outcome not in OUTCOMES:
                    raise MessageRejected(f"A task does not end as {outcome}.")
                yield Report(outcome, detail_in(request.report.detail))
            case _:
                raise MessageRejected("A task joins once, then it parks or reports.")


async def _message(parts: AsyncIterator[exchange_pb2.MessagePart]) -> tuple[Header, AsyncIterator[bytes]]:
    """A message's header, and its body in pieces."""
    first = await anext(parts, None)
    if first is None or not first.HasField("header"):
        raise MessageRejected("A message begins with its header.")
    return header_in(first.header), _body(first.body, parts)


async def _body(first: bytes, parts: AsyncIterator[exchange_pb2.MessagePart]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for part in parts:
        if part.HasField("header"):
            raise MessageRejected("A message has one header.")
        yield part.body
