"""A serving process's configuration: ``serving.yaml``, beside the site's ``site.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fate_federated.errors import ConfigError
from fate_federated.party import Party
from fate_federated.settings import LOOPBACK, SiteSettings

FILE = "serving.yaml"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AdapterSettings(_Settings):
    """Where a host's features come from."""

    kind: str
    """sql, redis, http, table, or the name of an entry point in the group ``fate_serving.adapters``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """See the adapter."""
    timeout_seconds: float = Field(1.0, gt=0)
    cache_seconds: float = Field(0.0, ge=0)
    """How long features may be used again; 0 asks the store each time."""


class CacheSettings(_Settings):
    """What hosts answered."""

    seconds: float = Field(30.0, gt=0)
    rows: int = Field(10_000, ge=1)
    """Of this process; the least used go first."""
    redis: str = ""
    """URL of a Redis behind it, which all processes share."""
    redis_seconds: float = Field(3000.0, gt=0)


class KeySettings(_Settings):
    """A secret that this site shares with a party whose requests are signed."""

    party_id: str
    app_key: str
    app_secret: str = Field(repr=False)


class SignatureSettings(_Settings):
    """FATE-Serving's signatures on requests between parties, for peers that speak its protocol."""

    keys: tuple[KeySettings, ...]
    """Of the parties that call here."""
    own: KeySettings | None = None
    """What requests from here are signed with."""
    digest: Literal["sha1", "sha256"] = "sha1"
    """sha1 is FATE-Serving's."""
    expire_seconds: float = Field(8.0, gt=0)
    apply_id: str = ""


class PeerSettings(_Settings):
    """Where parties of another site are asked."""

    parties: tuple[str, ...] = Field(min_length=1)
    address: str
    """host:port of its federation port, or of its serving-proxy."""
    protocol: Literal["fate_federated", "fate_serving"] = "fate_federated"
    tls: bool = True
    """False calls in plain text, for a FATE-Serving on this machine or behind a tunnel."""
    server_name: str = ""
    timeout_seconds: float = Field(3.0, gt=0)


class FollowSettings(_Settings):
    """A service that follows a branch or a tag of the site's registry."""

    service_id: str
    model: str
    ref: str = "product"
    party: str = ""
    """Whose model; the site's guest if not given."""


class ServingSettings(_Settings):
    """One serving process of a site."""

    listen: str = "127.0.0.1:8000"
    """host:port of InferenceService, ModelService and CommonService, for the organisation itself."""
    http: str = "127.0.0.1:8059"
    """host:port of the HTTP front; empty for none."""
    federation: str = "127.0.0.1:8869"
    """host:port for other parties; without the site's tls a loopback address."""
    workers: int = Field(1, ge=1, le=256)
    """Processes that share the ports."""
    peers: tuple[PeerSettings, ...] = ()
    adapter: AdapterSettings | None = None
    """Needed where hosts of this site answer guests."""
    cache: CacheSettings | None = None
    """Off if not given."""
    signature: SignatureSettings | None = None
    follow: tuple[FollowSettings, ...] = ()
    follow_seconds: float = Field(5.0, gt=0)
    """How often the registry is asked for where branches are."""
    batch_rows: int = Field(300, ge=1, le=100_000)
    """Of one batch request at most."""
    merge_rows: int = Field(256, ge=1)
    """Requests that are computed together at most; 1 computes each by itself."""
    merge_seconds: float = Field(0.005, ge=0)
    """How long a request waits at most to be computed with others while others are in work."""
    timeout_seconds: float = Field(3.0, gt=0)
    """What a request takes at most, unless its caller gives it less."""
    drain_seconds: float = Field(3.0, ge=0)
    """What requests in progress have to end when the process stops."""
    processors: tuple[str, ...] = ()
    """Entry points of the group ``fate_serving.processors``, applied in this order."""
    home: Path = Field(default=Path(), exclude=True)

    @property
    def store(self) -> Path:
        """Folder of the loaded models."""
        return self.home / "serving"


def load_settings(site: SiteSettings) -> ServingSettings:
    """Read the ``serving.yaml`` of a site; without one all is as by default.

    Raises:
        ConfigError: it is wrong; the text names the file and the key.
    """
    file = site.home / FILE
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds no mapping. See docs/serving.md for its keys.")
    try:
        settings = ServingSettings.model_validate({**content, "home": site.home})
    except ValidationError as error:
        problems = "\n".join(
            f"{file}: {'.'.join(map(str, problem['loc'])) or 'serving'}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigError(problems) from error
    for peer in settings.peers:
        for party in peer.parties:
            Party.parse(party)
        if site.tls is None and peer.tls and peer.address.rpartition(":")[0] not in LOOPBACK:
            raise ConfigError(
                f"{file}: peers: {peer.address} is not this machine: give site.yaml tls, or set tls: false for the peer"
            )
    if site.tls is None and settings.federation.rpartition(":")[0] not in LOOPBACK:
        raise ConfigError(f"{file}: federation: without tls in site.yaml it must be a loopback address")
    return settings
