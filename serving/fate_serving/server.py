"""Putting a serving process together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from fate_federated.errors import ConfigError
from fate_federated.party import Party, Role
from fate_federated.settings import SiteSettings, TlsSettings
from fate_federated.transport.certificate import check_names_parties
from fate_federated.transport.rpc import ClientTls
from fate_serving.adapters import Adapter, open_adapter
from fate_serving.applications import Applications
from fate_serving.cache import LocalCache, RedisCache
from fate_serving.faces import CommonFace, InferenceFace, ModelFace, ScoringFace
from fate_serving.flow import Flow
from fate_serving.host_answers import HostAnswers
from fate_serving.hosted_versions import HostedVersions
from fate_serving.hosting import Hosting
from fate_serving.http_front import HttpFront
from fate_serving.inference import Inference, OutcomeKey
from fate_serving.links import Link, Links, LocalLink, StreamLink
from fate_serving.management import Management
from fate_serving.metrics import Metrics
from fate_serving.model_sources import ModelSources, Versions
from fate_serving.pb.common_service_pb2_grpc import add_CommonServiceServicer_to_server
from fate_serving.pb.inference_service_pb2_grpc import add_InferenceServiceServicer_to_server
from fate_serving.pb.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from fate_serving.pb.proxy_pb2_grpc import add_DataTransferServiceServicer_to_server
from fate_serving.pb.scoring_pb2_grpc import add_ScoringServicer_to_server
from fate_serving.processors import Processors
from fate_serving.settings import PeerSettings, ServingSettings
from fate_serving.shelf import Loaded, Shelf
from fate_serving.signature import Signatures
from fate_serving.switching import Switching
from fate_serving.transfer import FateLink, TransferFace

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 32 << 20
"""FATE-Serving's."""
WAITING_REQUESTS = 10_000
"""That may wait to be begun; gRPC's own bound is 1000, beyond which it cancels requests at random, and 3000."""
FEATURE_ROWS = 100_000


@dataclass(slots=True)
class Serving:
    """A serving process.

    Attributes:
        ports: where it listens, once it has been started: ``listen``, ``federation`` and ``http``.
    """

    settings: ServingSettings
    tls: TlsSettings | None
    site: SiteSettings
    shelf: Shelf
    sources: ModelSources
    management: Management
    applications: Applications
    inference: Inference
    hosting: Hosting
    versions: HostedVersions
    answers: HostAnswers
    adapter: Adapter | None
    metrics: Metrics
    signatures: Signatures | None
    switching: Switching
    ports: dict[str, int] = field(default_factory=dict)
    _servers: list[grpc.aio.Server] = field(default_factory=list)
    _http: HttpFront | None = None

    async def start(self) -> None:
        """Load what was loaded before, and listen.

        Raises:
            ConfigError: a port cannot be had.
        """
        await self.shelf.refresh()
        inner = self._server()
        add_InferenceServiceServicer_to_server(InferenceFace(self.applications, self.settings.timeout_seconds), inner)
        add_ModelServiceServicer_to_server(ModelFace(self.management), inner)
        add_CommonServiceServicer_to_server(CommonFace(self.management), inner)
        self.ports["listen"] = _listen(inner, self.settings.listen, None)
        outer = self._server()
        tls = self.tls is not None
        add_ScoringServicer_to_server(ScoringFace(self.hosting, self.versions, tls=tls), outer)
        transfer = TransferFace(self.hosting, self.signatures, tls=tls, timeout_seconds=self.settings.timeout_seconds)
        add_DataTransferServiceServicer_to_server(transfer, outer)
        credentials = None if self.tls is None else _server_credentials(self.site, self.tls)
        self.ports["federation"] = _listen(outer, self.settings.federation, credentials)
        for server in (inner, outer):
            await server.start()
            self._servers.append(server)
        if self.settings.http:
            host, _, port = self.settings.http.rpartition(":")
            self._http = HttpFront(self.applications, self.management, self.metrics, self.settings.timeout_seconds)
            try:
                self.ports["http"] = await self._http.start(host, int(port), share_port=self.settings.workers > 1)
            except OSError as error:
                raise ConfigError(f"http: {self.settings.http} cannot be listened on: {error}") from error
        self.switching.start()
        log.info(
            "serving %d models for %d services at %s",
            len(self.shelf.everything()), len(self.shelf.bindings), self.ports,
        )  # fmt: skip

    async def stop(self) -> None:
        """Refuse new requests, let those in progress end, and hang up."""
        self.applications.close()
        await self.switching.close()
        await asyncio.gather(*(server.stop(self.settings.drain_seconds) for server in self._servers))
        if self._http is not None:
            await self._http.stop()
        self.applications.flush_log()
        await self.answers.close()
        if self.adapter is not None:
            await self.adapter.close()

    def _server(self) -> grpc.aio.Server:
        return grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", int(self.settings.workers > 1)),
                ("grpc.server.max_pending_requests", WAITING_REQUESTS),
                ("grpc.server.max_pending_requests_hard_limit", 2 * WAITING_REQUESTS),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.http2.max_ping_strikes", 0),
            )
        )


def build(
    site: SiteSettings,
    settings: ServingSettings,
    versions: Versions | None = None,
) -> Serving:
    """A process, not started.

    Args:
        versions: of the site's registry; None for none.

    Raises:
        ConfigError: an adapter or a processor is not there, or cannot be opened.
    """
    metrics = Metrics()
    inference: Inference | None = None

    def dropped(loaded: Loaded) -> None:
        if inference is not None:
            inference.forget(loaded)

    shelf = Shelf(settings.store, dropped)
    given = settings.adapter
    adapter = None if given is None else open_adapter(given.kind, given.options, settings.home)
    features: LocalCache[bytes, Mapping[str, Any]] | None = None
    if given is not None and given.cache_seconds:
        features = LocalCache(FEATURE_ROWS, given.cache_seconds)
    timeout = given.timeout_seconds if given is not None else settings.timeout_seconds
    flow = Flow(settings.store, settings.workers)
    hosting = Hosting(
        shelf, adapter, features, flow, metrics,
        timeout_seconds=timeout, batch_rows=max(settings.batch_rows, settings.merge_rows),
    )  # fmt: skip
    signatures = None
    if settings.signature is not None:
        signatures = Signatures(settings.signature, settings.store / "nonces")
    seconds = {Party.parse(text): peer.timeout_seconds for peer in settings.peers for text in peer.parties}
    sources = ModelSources(shelf, versions, site.hosted)
    hosted = HostedVersions(shelf, sources, hosting)
    links = Links(_links(site, settings, LocalLink(hosting, hosted), signatures), seconds)
    cache = settings.cache
    answers = HostAnswers(
        links,
        None if cache is None else LocalCache(cache.rows, cache.seconds),
        None if cache is None or not cache.redis else RedisCache(cache.redis, cache.redis_seconds),
        metrics,
    )
    # A processor may change an answer, which then cannot be another's too.
    outcomes: LocalCache[OutcomeKey, Mapping[str, Any]] | None = None
    if cache is not None and not settings.processors:
        outcomes = LocalCache(cache.rows, cache.seconds)
    inference = Inference(
        answers, metrics, outcomes,
        merge_rows=settings.merge_rows, merge_seconds=settings.merge_seconds, timeout_seconds=settings.timeout_seconds,
    )  # fmt: skip
    processors = Processors.named(settings.processors)
    applications = Applications(shelf, inference, processors, flow, metrics, batch_rows=settings.batch_rows)
    switching = Switching(shelf, sources, links, settings, site.hosted)
    management = Management(shelf, sources, switching, processors, flow, settings)
    return Serving(
        settings, site.tls, site, shelf, sources, management, applications, inference, hosting, hosted, answers,
        adapter, metrics, signatures, switching,
    )  # fmt: skip


def _links(
    site: SiteSettings, settings: ServingSettings, local: LocalLink, signatures: Signatures | None
) -> dict[Party, Link]:
    links: dict[Party, Link] = {party: local for party in site.hosted if party.role is Role.HOST}
    for peer in settings.peers:
        link = _link(site, peer, signatures)
        links |= {Party.parse(text): link for text in peer.parties}
    return links


def _link(site: SiteSettings, peer: PeerSettings, signatures: Signatures | None) -> Link:
    tls = None
    if site.tls is not None and peer.tls:
        tls = ClientTls(
            certificate=site.path(site.tls.certificate).read_bytes(),
            private_key=site.path(site.tls.private_key).read_bytes(),
            authority=site.path(site.tls.authority).read_bytes(),
            server_name=peer.server_name,
        )
    if peer.protocol == "fate_serving":
        return FateLink(peer.address, tls, signatures)
    return StreamLink(peer.address, tls)


def _server_credentials(site: SiteSettings, tls: TlsSettings) -> grpc.ServerCredentials:
    check_names_parties(site.path(tls.certificate), site.hosted)
    pair = (site.path(tls.private_key).read_bytes(), site.path(tls.certificate).read_bytes())
    return grpc.ssl_server_credentials(
        [pair], root_certificates=site.path(tls.authority).read_bytes(), require_client_auth=True
    )


def _listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise ConfigError(f"{address} cannot be listened on: another process has it.") from error
