"""A site's configuration: ``site.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fate_federated.errors import ConfigError, InvalidParty
from fate_federated.party import Party

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MAX_PORT = 65535


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Settings):
    """Files in PEM. Relative paths are relative to the folder of site.yaml.

    The certificate names every party of the site in a URI ``fate://party/<role>-<party_id>`` of its subject
    alternative names.
    """

    certificate: Path
    private_key: Path
    authority: Path
    """Certificates of the authorities that the site trusts to name parties."""


class GatewaySettings(_Settings):
    """The site's one open port and what stands behind it."""

    listen: str = "127.0.0.1:9370"
    """host:port. Without tls it must be a loopback address."""
    database: str = ""
    """SQLAlchemy URL; empty for SQLite in the site's folder."""
    storage: str = ""
    """fsspec URL of the tables, outputs and models; empty for a folder of the site."""
    lease_seconds: float = Field(3.0, gt=0)
    """How long a task whose stream broke may take to come back before it counts as lost."""
    peer_silence_seconds: float = Field(20.0, gt=0)
    """How long a peer's gateway may be silent during an attempt before its parties count as lost."""
    max_message_bytes: int = Field(8 << 30, gt=0)

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        return _checked_address(value)


class AirflowSettings(_Settings):
    """The site's Airflow, as the gateway reaches it."""

    url: str = "http://127.0.0.1:8080"
    username: str = "gateway"
    password_file: Path = Path("airflow/gateway.password")
    dags_folder: Path = Path("dags")
    """Where users drop dsl and conf pairs."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # the port is not a number up to 65535
            usable = False
        if not usable:
            raise ValueError(f"{value!r} is not a URL such as http://127.0.0.1:8080, with a port from 1 to {MAX_PORT}")
        return value


class PeerSettings(_Settings):
    """Another site."""

    address: str
    """host:port of its gateway."""
    parties: tuple[str, ...] = Field(min_length=1)
    """The parties it hosts."""
    server_name: str = ""
    """The name in its certificate, when it is not the address's host."""

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        return _checked_address(value)

    @field_validator("parties")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_parties(value)


class ModelSettings(_Settings):
    """The site's models: a git repository with DVC in the folder ``models``."""

    remote: str = ""
    """Where DVC keeps the files of every version: a URL or folder as ``dvc remote add`` takes it, for a repository that
    is yet to be made; empty for a folder of the site. Later, DVC's own configuration counts."""


class PolicySettings(_Settings):
    """What this site accepts from other sites' initiators."""

    initiators: tuple[str, ...] | Literal["peers"] = "peers"
    """Parties that may start jobs here; ``peers`` for every configured peer."""
    modules: tuple[str, ...] | Literal["installed"] = "installed"
    """Components that a job may name; ``installed`` for all there are."""
    tables: tuple[str, ...] | Literal["any"] = "any"
    """Tables, as namespace.name, that a Reader of a received job may read; ``namespace.*`` for a whole namespace."""
    consent: Literal["ask", "automatic"] = "ask"
    """``ask``: a received job arrives as a paused DAG, and unpausing it is consent."""
    branches: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Parties that may move a branch of a model; any party of the model where it is not named. ``*`` stands for all
    branches that are not named."""


class SiteSettings(_Settings):
    """One organisation's deployment.

    Attributes:
        name: for people and logs.
        parties: what it hosts. Several parties make it a loopback site.
        home: folder of site.yaml; all relative paths start here.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    parties: tuple[str, ...] = Field(min_length=1)
    gateway: GatewaySettings = GatewaySettings()
    airflow: AirflowSettings = AirflowSettings()
    tls: TlsSettings | None = None
    peers: tuple[PeerSettings, ...] = ()
    policy: PolicySettings = PolicySettings()
    models: ModelSettings = ModelSettings()
    home: Path = Field(default=Path(), exclude=True)

    @field_validator("parties")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_parties(value)

    @model_validator(mode="after")
    def _no_plaintext_between_sites(self) -> SiteSettings:
        host = self.gateway.listen.rpartition(":")[0]
        if self.tls is None and self.peers:
            raise ValueError("peers need tls: make trial certificates with `fate certs`, or name your own under tls")
        if self.tls is None and host not in LOOPBACK:
            raise ValueError(f"gateway.listen is {self.gateway.listen}: without tls it must be a loopback address")
        seen = list(self.parties) + [party for peer in self.peers for party in peer.parties]
        twice = {party for party in seen if seen.count(party) > 1}
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))} is named by more than one site")
        return self

    @property
    def hosted(self) -> tuple[Party, ...]:
        """The parties of this site."""
        return tuple(Party.parse(text) for text in self.parties)

    def path(self, path: Path | str) -> Path:
        """A path of this file, absolute."""
        return self.home / path

    @property
    def database_url(self) -> str:
        return self.gateway.database or f"sqlite:///{self.path('gateway/gateway.db')}"

    @property
    def storage_url(self) -> str:
        return self.gateway.storage or f"file://{self.path('storage')}"

    @property
    def spool(self) -> Path:
        """Folder of the messages that wait for their receivers."""
        return self.path("gateway/spool")

    @property
    def received_jobs(self) -> Path:
        """Folder of the dsl and conf files that other sites' initiators sent."""
        return self.path("gateway/jobs")

    @property
    def model_repository(self) -> Path:
        """Folder of the git repository with the site's models."""
        return self.path("models")

    @property
    def model_remote(self) -> str:
        """Where a new repository's DVC remote is."""
        return self.models.remote or str(self.path("models-remote"))

    @property
    def trained_jobs(self) -> Path:
        """Folder of the dsl and conf of every job that this site took part in."""
        return self.path("gateway/trained")


def _checked_address(value: str) -> str:
    port = value.rpartition(":")[2]
    if ":" not in value or not (port.isascii() and port.isdigit() and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"{value!r} is not host:port, with a port from 1 to {MAX_PORT}")
    return value


def _checked_parties(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            Party.parse(text)
        except InvalidParty as error:
            raise ValueError(str(error)) from error
    return value


def load_site(path: Path | str) -> SiteSettings:
    """Read ``site.yaml``, or the one in a folder.

    Raises:
        ConfigError: there is none, or it is wrong; the text names the file and the key.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "site.yaml"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no {file}. Make a site with `fate site init {file.parent}`.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    return parse_site(text, file.resolve().parent, str(file))


def parse_site(text: str, home: Path, source: str) -> SiteSettings:
    """Read the text of a ``site.yaml``.

    Args:
        source: what messages call the text: the file it is from.

    Raises:
        ConfigError: it is wrong; the message names the source and the key.
    """
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{source} holds no mapping. See docs/site.md for its keys.")
    try:
        return SiteSettings.model_validate({**content, "home": home})
    except ValidationError as error:
        problems = "\n".join(
            f"{source}: {'.'.join(map(str, problem['loc'])) or 'site'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise ConfigError(problems) from error
