"""Putting a gateway together."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import grpc
import grpc.aio

from fate_federated.errors import SiteError
from fate_federated.gateway.access import Access
from fate_federated.gateway.airflow_api import Airflow
from fate_federated.gateway.attempts import AttemptBoard
from fate_federated.gateway.attendances import Attendances
from fate_federated.gateway.background import Background
from fate_federated.gateway.coordinator import Coordinator
from fate_federated.gateway.database import Database, open_database
from fate_federated.gateway.exchange import Exchange
from fate_federated.gateway.job_start import JobStart
from fate_federated.gateway.jobs import Jobs
from fate_federated.gateway.ledger import Ledger
from fate_federated.gateway.links import Links, RemoteSite
from fate_federated.gateway.local_site import LocalSite
from fate_federated.gateway.locks import JobLocks
from fate_federated.gateway.mailbox import Mailbox
from fate_federated.gateway.model_archives import ModelArchives
from fate_federated.gateway.model_check import ModelCheck
from fate_federated.gateway.model_coordinator import ModelCoordinator
from fate_federated.gateway.model_events import ModelEvents
from fate_federated.gateway.model_faces import ModelFederationFace, ModelsFace
from fate_federated.gateway.model_jobs import ModelJobs
from fate_federated.gateway.model_links import ModelLinks
from fate_federated.gateway.model_local import LocalModels
from fate_federated.gateway.model_parts import ModelFiles, ModelParts
from fate_federated.gateway.model_progress import ModelProgress
from fate_federated.gateway.model_site import ModelSite
from fate_federated.gateway.models import Models
from fate_federated.gateway.reruns import Reruns
from fate_federated.gateway.roster import Roster
from fate_federated.gateway.runs import Runs
from fate_federated.gateway.servicers import (
    AttemptsFace,
    ExchangeFace,
    FederationFace,
    JobsFace,
    SiteFace,
    TablesFace,
    TrackingFace,
)
from fate_federated.gateway.silence import SilenceWatch
from fate_federated.gateway.snapshots import Snapshots
from fate_federated.gateway.tables import Tables
from fate_federated.gateway.tracker import Tracker
from fate_federated.party import Party
from fate_federated.pb import federation_pb2
from fate_federated.pb.attempts_pb2_grpc import add_AttemptsServicer_to_server
from fate_federated.pb.exchange_pb2_grpc import add_ExchangeServicer_to_server
from fate_federated.pb.federation_pb2_grpc import add_FederationServicer_to_server
from fate_federated.pb.jobs_pb2_grpc import add_JobsServicer_to_server
from fate_federated.pb.models_pb2_grpc import add_ModelFederationServicer_to_server, add_ModelsServicer_to_server
from fate_federated.pb.site_pb2_grpc import add_SiteServicer_to_server
from fate_federated.pb.tables_pb2_grpc import add_TablesServicer_to_server
from fate_federated.pb.tracking_pb2_grpc import add_TrackingServicer_to_server
from fate_federated.registry.new_repository import import_tools
from fate_federated.registry.repository import ModelRepository
from fate_federated.settings import SiteSettings, TlsSettings
from fate_federated.transport.certificate import check_names_parties
from fate_federated.transport.rpc import SIZE_OPTIONS, ClientTls, open_aio_channel
from fate_federated.wire.convert import party_out
from fate_federated.wire.records import Peer, SiteDescription

log = logging.getLogger(__name__)

GRACE_SECONDS = 0.5
"""What calls in progress have to end by themselves when the gateway stops."""

WARM_UP_SECONDS = 10.0

SERVER_OPTIONS = (
    *SIZE_OPTIONS,
    # A second gateway on the same port is a mistake.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_concurrent_streams", 10_000),
)


@dataclass(frozen=True, slots=True)
class ModelService:
    """What stands behind the model registry."""

    models: Models
    local: LocalModels
    jobs: ModelJobs
    coordinator: ModelCoordinator
    files: ModelFiles
    events: ModelEvents

    async def resume(self) -> None:
        """Go on with what a former run left."""
        await self.coordinator.resume()
        await self.jobs.resume()

    async def warm_up(self) -> None:
        """Have what is slow to import ready for the first version, once the gateway has settled."""
        await asyncio.sleep(WARM_UP_SECONDS)
        await self.files.run(import_tools)

    async def close(self) -> None:
        """Leave off; what is open is taken up by the next run."""
        await self.jobs.close()
        await self.coordinator.close()
        await self.events.close()
        await asyncio.to_thread(self.files.close)


@dataclass(slots=True)
class Gateway:
    """A site's gateway.

    Attributes:
        port: where it listens, once it has been started.
    """

    site: SiteSettings
    server: grpc.aio.Server
    database: Database
    links: Links
    board: AttemptBoard
    mailbox: Mailbox
    airflow: Airflow
    job_start: JobStart
    jobs: Jobs
    coordinator: Coordinator
    attendances: Attendances
    reruns: Reruns
    watch: SilenceWatch
    models: ModelService
    port: int = 0
    background: Background = field(default_factory=Background)

    async def start(self) -> None:
        """Take up what a former run of the gateway left, then listen.

        Raises:
            SiteError: the address is in use.
        """
        # First, since a second gateway ends here and must not have touched anything.
        self.port = _listen(self.server, self.site)
        await asyncio.to_thread(self.mailbox.remove_unfinished)
        await self.coordinator.resume()
        await self.job_start.resume()
        await self.jobs.resume()
        await self.server.start()
        await self.attendances.resume()
        await self.models.resume()
        self.background.spawn(self.watch.run())
        self.background.spawn(self.models.local.watch())
        self.background.spawn(self.models.warm_up())
        log.info("gateway of %s listens at %s", self.site.name, self.site.gateway.listen)

    async def stop(self) -> None:
        """End all streams and close everything. Nobody is given up because of it."""
        await self.attendances.close()
        await self.server.stop(GRACE_SECONDS)
        await self.background.close()
        await self.models.close()
        await self.reruns.close()
        await self.job_start.close()
        await self.jobs.close()
        await self.links.close()
        await self.airflow.close()
        await asyncio.to_thread(self.database.close)
        log.info("gateway of %s has stopped", self.site.name)


def build_gateway(site: SiteSettings) -> Gateway:
    """A gateway that is not started yet. Opens its database and brings the schema up to date.

    Raises:
        SiteError: a file of the tls section cannot be read, or the certificate does not name the site's parties.
    """
    hosted = site.hosted
    if site.tls is not None:
        check_names_parties(site.path(site.tls.certificate), hosted)
    database = open_database(site.database_url)
    links = Links(_remotes(site))
    board = AttemptBoard(database)
    roster = Roster(database)
    locks = JobLocks()
    mailbox = Mailbox(site.spool)
    airflow = Airflow(site.airflow.url, site.airflow.username, site.path(site.airflow.password_file))
    coordinator = Coordinator(database, links, board, locks)
    runs = Runs(site, airflow)
    jobs = Jobs(hosted, database, roster, links, board, mailbox, runs, coordinator)
    tables = Tables(database)
    start = JobStart(site, database, roster, links, runs, jobs, tables)
    local = LocalSite(hosted, start, jobs, coordinator, board, mailbox)
    links.add_local(local)
    attendances = Attendances(database, roster, links, board, site.gateway.lease_seconds)
    ledger = Ledger(database)
    exchange = Exchange(links, board, roster, mailbox, ledger, site.gateway.max_message_bytes)
    reruns = Reruns(board, jobs, airflow, hosted)
    board.listen(jobs.tidy)
    watch = SilenceWatch(links, board, roster, coordinator, attendances, hosted, site.gateway.peer_silence_seconds)

    tracker = Tracker(database)
    model_links = ModelLinks(links)
    model_service = _models(site, database, tracker, tables, model_links, airflow)
    jobs.on_end(model_service.jobs.ended)

    access = Access(hosted, (remote.parties for remote in links.remotes), tls=site.tls is not None)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_SiteServicer_to_server(SiteFace(access, describe(site)), server)
    add_JobsServicer_to_server(JobsFace(access, start, jobs), server)
    add_AttemptsServicer_to_server(AttemptsFace(access, attendances), server)
    add_ExchangeServicer_to_server(ExchangeFace(access, exchange, ledger), server)
    add_TablesServicer_to_server(TablesFace(access, tables), server)
    add_TrackingServicer_to_server(TrackingFace(access, tracker), server)
    ping = federation_pb2.PingReply(parties=map(party_out, hosted), version=version("fate-federated"))
    add_FederationServicer_to_server(FederationFace(access, local, jobs, exchange, links, ping), server)
    add_ModelsServicer_to_server(ModelsFace(access, model_service.models), server)
    add_ModelFederationServicer_to_server(ModelFederationFace(access, model_service.local, links), server)
    return Gateway(
        site, server, database, links, board, mailbox, airflow, start, jobs, coordinator, attendances, reruns, watch,
        model_service,
    )  # fmt: skip


def _models(
    site: SiteSettings, database: Database, tracker: Tracker, tables: Tables, links: ModelLinks, airflow: Airflow
) -> ModelService:
    files = ModelFiles(ModelRepository(site.model_repository, site.model_remote))
    events = ModelEvents(airflow)
    here = ModelSite(site, database, ModelParts(site, database, tracker, tables, files), files, events)
    coordinator = ModelCoordinator(site, database, links)
    local = LocalModels(site.hosted, database, here, coordinator, links)
    links.add_local(local)
    jobs = ModelJobs(site, database, coordinator)
    models = Models(
        hosted=site.hosted,
        database=database,
        links=links,
        jobs=jobs,
        here=here,
        files=files,
        check=ModelCheck(site.hosted, database, links, files),
        archives=ModelArchives(site, database, files),
        snapshots=Snapshots(tables, files),
        progress=ModelProgress(site, database),
    )
    return ModelService(models, local, jobs, coordinator, files, events)


def describe(site: SiteSettings) -> SiteDescription:
    """What the site's tasks and tools need to know."""
    return SiteDescription(
        name=site.name,
        parties=site.hosted,
        storage_url=site.storage_url,
        version=version("fate-federated"),
        peers=tuple(Peer(peer.address, tuple(map(Party.parse, peer.parties))) for peer in site.peers),
    )


def _remotes(site: SiteSettings) -> list[RemoteSite]:
    remotes = []
    for peer in site.peers:
        tls = _client_tls(site, site.tls, peer.server_name) if site.tls is not None else None
        parties = tuple(map(Party.parse, peer.parties))
        remotes.append(RemoteSite(open_aio_channel(peer.address, tls), peer.address, parties))
    return remotes


def _client_tls(site: SiteSettings, tls: TlsSettings, server_name: str) -> ClientTls:
    certificate, key, authority = (_read(site, path) for path in (tls.certificate, tls.private_key, tls.authority))
    return ClientTls(certificate, key, authority, server_name)


def _listen(server: grpc.aio.Server, site: SiteSettings) -> int:
    listen = site.gateway.listen
    try:
        if site.tls is None:
            return server.add_insecure_port(listen)
        tls = _client_tls(site, site.tls, "")
        credentials = grpc.ssl_server_credentials(
            [(tls.private_key, tls.certificate)], tls.authority, require_client_auth=True
        )
        return server.add_secure_port(listen, credentials)
    except RuntimeError as error:
        raise SiteError(f"The gateway cannot listen at {listen}: is the address in use? ({error})") from error


def _read(site: SiteSettings, path: Path) -> bytes:
    try:
        return site.path(path).read_bytes()
    except OSError as error:
        raise SiteError(f"A file named under tls in site.yaml cannot be read: {error}.") from error
