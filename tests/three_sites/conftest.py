"""Three organisations on one machine: three Airflows, three gateways, mutual TLS, and a recorder on every way."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from demo.data import write_csv
from organisations import GUEST, HOST, NAMES, ThreeSites
from recorder import Identity, Recorder

from fate_federated.party import Party
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_federated.site.create import PeerPlan, SitePlan, create_site
from fate_federated.site.site import Site
from fate_federated.site.upload import upload_table
from fate_federated.site.upload_conf import UploadPlan


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _identities(folder: Path) -> dict[Party, Identity]:
    folder.mkdir()
    authority_cert, authority_key = make_authority("test authority")
    (folder / "authority.pem").write_bytes(authority_cert)
    identities = {}
    for party, name in NAMES.items():
        certificate, key = issue_certificate(authority_cert, authority_key, name, [party], ["localhost", "127.0.0.1"])
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
        identities[party] = Identity(folder / f"{name}.pem", folder / f"{name}.key", folder / "authority.pem")
    return identities


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeSites]:
    """Started once, stopped at the end; both tables are uploaded."""
    folder = tmp_path_factory.mktemp("three")
    identities = _identities(folder / "certificates")
    gateway_ports = dict(zip(NAMES, _free_ports(len(NAMES)), strict=True))
    recorders = {
        (caller, callee): Recorder(identities[caller], identities[callee], gateway_ports[callee])
        for caller in NAMES
        for callee in NAMES
        if caller != callee
    }
    sites = {}
    for party, name in NAMES.items():
        peers = tuple(
            PeerPlan(f"localhost:{recorder.port}", (callee,))
            for (caller, callee), recorder in recorders.items()
            if caller == party
        )
        create_site(
            SitePlan(
                home=folder / name,
                name=name,
                parties=(party,),
                peers=peers,
                certificates=folder / "certificates",
                gateway_port=gateway_ports[party],
                consent="automatic",
            )
        )
        sites[party] = Site(folder / name)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda site: site.up(deadline_seconds=300), sites.values()))
        _upload(folder, sites)
        yield ThreeSites(sites, recorders)
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda site: site.down(), sites.values()))
        for recorder in recorders.values():
            recorder.close()


def _upload(folder: Path, sites: Mapping[Party, Site]) -> None:
    for party, file in zip((GUEST, HOST), write_csv(folder / "data"), strict=True):
        upload_table(sites[party], UploadPlan(file, namespace="experiment", name=file.stem))
