"""``fate site init``: a new site's folder."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from fate_federated.errors import ConfigError, SiteError
from fate_federated.party import Party
from fate_federated.registry.new_repository import create_repository
from fate_federated.settings import LOOPBACK, MAX_PORT, AirflowSettings, SiteSettings, load_site, parse_site
from fate_federated.site.airflow_config import PORTS_PER_SITE, AirflowPlan, write_airflow
from fate_federated.site.layout import SiteLayout
from fate_federated.transport.certificate import check_names_parties

FIRST_API_PORT = 8080
FIRST_GATEWAY_PORT = 9370
TRIED_PORTS = 50
LAST_API_PORT = MAX_PORT - PORTS_PER_SITE + 1

_AWKWARD = re.compile(r"[^\w./ @+=,:~-]")
"""Characters that supervisord's or Airflow's configuration, or a SQLite URL, would read as something else."""


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """Another site, as ``--peer ADDRESS=party,party`` names it."""

    address: str
    parties: tuple[Party, ...]

    @classmethod
    def parse(cls, text: str) -> PeerPlan:
        """Read ``host:port=host-10000,arbiter-10000``.

        Raises:
            SiteError: it is not of that form.
            InvalidParty: a party is not one.
        """
        address, _, parties = text.partition("=")
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not parties:
            raise SiteError(f"{text!r} is not a peer. Write ADDRESS:PORT=PARTY,PARTY such as 10.0.0.2:9370=host-10000.")
        return cls(address, tuple(Party.parse(part.strip()) for part in parties.split(",")))

    @property
    def is_on_this_machine(self) -> bool:
        return self.address.rpartition(":")[0] in LOOPBACK


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What a new site shall be.

    Attributes:
        certificates: folder that ``fate certs`` filled; None for a site without tls.
        api_port, gateway_port: None for the first free ones from 8080 and 9370 on.
        dags_folder: where users drop jobs; None for ``dags`` in the site's folder.
    """

    home: Path
    name: str
    parties: tuple[Party, ...]
    peers: tuple[PeerPlan, ...] = ()
    certificates: Path | None = None
    api_port: int | None = None
    gateway_port: int | None = None
    consent: Literal["ask", "automatic"] = "ask"
    dags_folder: Path | None = None


def create_site(plan: SitePlan) -> SiteSettings:
    """Write site.yaml, Airflow's configuration and the folders.

    Raises:
        SiteError: there is a site already, its path cannot be used, or a port cannot be used, or a
            certificate is missing or does not name the parties.
        ConfigError: what was asked for is not a valid site.
    """
    home = plan.home.resolve()
    if (home / "site.yaml").exists():
        raise SiteError(f"There is a site in {home} already. Change its site.yaml, or remove the folder first.")
    if _AWKWARD.search(str(home)):
        raise SiteError(f"{home} has characters that configuration files give a meaning to. Choose a plainer path.")
    if (home / "airflow").exists():
        raise SiteError(f"{home / 'airflow'} exists already. Choose an empty folder.")
    taken = _ports_of_neighbours(home)
    api_port, gateway_port = plan.api_port, plan.gateway_port
    if api_port is None:
        kept = (
            set(range(gateway_port - PORTS_PER_SITE + 1, gateway_port + 1)) if gateway_port is not None else set[int]()
        )
        api_port = _free_port(FIRST_API_PORT, PORTS_PER_SITE, taken | kept)
    if gateway_port is None:
        gateway_port = _free_port(FIRST_GATEWAY_PORT, 1, taken | set(range(api_port, api_port + PORTS_PER_SITE)))
    _check_ports(api_port, gateway_port)
    text = site_yaml(plan, api_port, gateway_port)
    settings = parse_site(text, home, "The new site")
    _check_certificates(settings)
    # Its owner's alone: it will hold tables.
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "site.yaml").write_text(text, encoding="utf-8")
    layout = SiteLayout(home)
    dags_folder = settings.path(settings.airflow.dags_folder).resolve()
    for folder in (dags_folder, home / "storage", home / "gateway", layout.run, layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    write_airflow(
        AirflowPlan(
            home=layout.airflow_home,
            site=home,
            dags_folder=dags_folder,
            api_port=api_port,
            gateway_user=settings.airflow.username,
            instance_name=f"{plan.name} ({', '.join(map(str, plan.parties))})",
        ),
        settings.path(settings.airflow.password_file),
    )
    create_repository(settings.model_repository, settings.model_remote)
    return settings


def _check_certificates(settings: SiteSettings) -> None:
    if settings.tls is None:
        return
    for path in (settings.tls.certificate, settings.tls.private_key, settings.tls.authority):
        if not settings.path(path).is_file():
            raise SiteError(f"There is no {path}. Make trial certificates with `fate certs`.")
    check_names_parties(settings.path(settings.tls.certificate), settings.hosted)


def _check_ports(api_port: int, gateway_port: int) -> None:
    if not 0 < api_port <= LAST_API_PORT:
        raise SiteError(
            f"Airflow's port is {api_port}. Choose one from 1 to {LAST_API_PORT}: its other processes take the next."
        )
    if not 0 < gateway_port <= MAX_PORT:
        raise SiteError(f"The gateway's port is {gateway_port}. Choose one from 1 to {MAX_PORT}.")
    if api_port <= gateway_port < api_port + PORTS_PER_SITE:
        raise SiteError(
            f"The gateway's port is {gateway_port}, and this site's Airflow keeps {api_port} to "
            f"{api_port + PORTS_PER_SITE - 1} for itself. Choose another with --gateway-port."
        )


def site_yaml(plan: SitePlan, api_port: int, gateway_port: int) -> str:
    """The text of site.yaml, commented."""
    defaults = AirflowSettings()
    local = all(peer.is_on_this_machine for peer in plan.peers)
    dags_folder = plan.dags_folder.resolve() if plan.dags_folder else defaults.dags_folder
    lines = [
        "# One organisation's deployment. Relative paths start at this file's folder.",
        "# After a change: `fate site down`, then `fate site up`. All keys: docs/site.md.",
        f"name: {plan.name}",
        "",
        "# The parties that this site hosts.",
        f"parties: [{', '.join(map(str, plan.parties))}]",
        "",
        "gateway:",
        "  # The one port that other sites reach.",
        f"  listen: {'127.0.0.1' if local else '0.0.0.0'}:{gateway_port}",  # noqa: S104 - peers are elsewhere
        "  # A database URL, empty for SQLite in gateway/. PostgreSQL: postgresql+psycopg2://user:password@host/name",
        '  database: ""',
        "  # Where tables and models are kept: an fsspec URL such as s3://bucket/prefix, empty for storage/.",
        '  storage: ""',
        "",
        "# How the gateway reaches this site's own Airflow.",
        "airflow:",
        f"  url: http://127.0.0.1:{api_port}",
        f"  username: {defaults.username}",
        f"  password_file: {defaults.password_file}",
        "  # Drop <name>_dsl.json and <name>_conf.json here.",
        f"  dags_folder: {dags_folder}",
        "",
    ]
    if plan.certificates is not None:
        folder = plan.certificates.resolve()
        lines += [
            "# Mutual TLS between gateways. The certificate names the parties above.",
            "tls:",
            f"  certificate: {folder / f'{plan.name}.pem'}",
            f"  private_key: {folder / f'{plan.name}.key'}",
            f"  authority: {folder / 'authority.pem'}",
            "",
        ]
    lines += ["# The other sites."]
    if plan.peers:
        lines += ["peers:"]
        for peer in plan.peers:
            lines += [f"  - address: {peer.address}", f"    parties: [{', '.join(map(str, peer.parties))}]"]
    else:
        lines += ["peers: []"]
    lines += [
        "",
        "# What this site accepts from the others.",
        "policy:",
        "  # Parties that may start jobs here; `peers` for all of the above.",
        "  initiators: peers",
        "  # Components that a job may name; `installed` for all there are.",
        "  modules: installed",
        "  # Tables that a job may read: namespace.name, namespace.*, or `any`.",
        "  tables: any",
        "  # ask: a received job arrives as a paused DAG, and unpausing it in Airflow is consent. automatic: it runs.",
        f"  consent: {plan.consent}",
        "",
    ]
    return "\n".join(lines)


def _ports_of_neighbours(home: Path) -> frozenset[int]:
    """What the sites beside this one take, which may not be up now."""
    ports = set[int]()
    for file in home.parent.glob("*/site.yaml"):
        try:
            neighbour = load_site(file)
        except ConfigError:
            continue  # Its own commands say what is wrong with it.
        ports |= {int(neighbour.gateway.listen.rpartition(":")[2]), urlsplit(neighbour.airflow.url).port or 80}
    return frozenset(ports)


def _free_port(first: int, step: int, taken: frozenset[int]) -> int:
    for port in range(first, first + step * TRIED_PORTS, step):
        if port not in taken and port_is_free(port):
            return port
    raise SiteError(f"No free port from {first} on. Name one with --api-port or --gateway-port.")


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
