"""What a run with ``run_cache`` keeps for later ones: secrets of this party and, at the guest, the hosts' part."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from gmpy2 import mpz

from fate_components.crypto.blind_rsa import SigningKey, VerifyingKey
from fate_federated.errors import DataError
from fate_federated.party import Party, Role
from fate_federated.task.cache import Cache

MODULE = "Intersection"


@dataclass(frozen=True, slots=True)
class Kept:
    """One party's part of a cache.

    Attributes:
        key: the same at all parties of the run that made it.
        method: of the run.
        secret: a guest's or a host's scalar, or a host's signing key; nothing at the guest of rsa.
        of_hosts: at the guest, by host: its twice blinded ids or hashed signatures, and its verifying key with rsa.
        ids: at a host, its ids in the order of its list.
    """

    key: str
    method: str
    secret: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    of_hosts: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    ids: pa.Array | None = None

    def to_cache(self, party: Party) -> Cache:
        """To hand on."""
        meta: dict[str, Any] = {"cache_key": self.key, "method": self.method, "role": str(party.role)}
        meta["secret"] = {name: base64.b64encode(value).decode() for name, value in self.secret.items()}
        if party.role is Role.HOST:
            return Cache(MODULE, meta, pa.table({"id": self.ids}))
        hosts = list(self.of_hosts)
        parts = sorted({name for of_host in self.of_hosts.values() for name in of_host})
        columns = {name: pa.array([self.of_hosts[host][name] for host in hosts], pa.large_binary()) for name in parts}
        return Cache(MODULE, meta, pa.table({"host": pa.array(hosts, pa.string()), **columns}))

    @classmethod
    def from_cache(cls, cache: Cache, party: Party, method: str, hosts: Sequence[Party]) -> Kept:
        """What was handed on.

        Raises:
            DataError: another component, method or role made it, or with other hosts.
        """
        meta: Any = cache.meta
        if cache.module != MODULE:
            raise DataError(f"{party} is given a cache of {cache.module}.", public=True)
        if (meta["method"], meta["role"]) != (method, str(party.role)):
            raise DataError(
                f"The cache at {party} is of the method {meta['method']} and a {meta['role']}; "
                f"this run is of {method}.",
                public=True,
            )
        secret = {name: base64.b64decode(value) for name, value in meta["secret"].items()}
        if party.role is Role.HOST:
            return cls(meta["cache_key"], method, secret, ids=cache.data.column("id").combine_chunks())
        rows = {row.pop("host"): row for row in cache.data.to_pylist()}
        if set(rows) != set(map(str, hosts)):
            raise DataError(
                f"The cache at {party} was made with {', '.join(sorted(rows))}, not with this job's hosts.", public=True
            )
        return cls(meta["cache_key"], method, secret, rows)


def signing_key(secret: Mapping[str, bytes]) -> SigningKey:
    """A host's key."""
    return SigningKey(*(mpz.from_bytes(secret[name], "big") for name in ("p", "q")))


def signing_secret(key: SigningKey) -> dict[str, bytes]:
    """What :func:`signing_key` reads."""
    return {name: value.to_bytes(-(-value.bit_length() // 8), "big") for name, value in (("p", key.p), ("q", key.q))}


def verifying_key(of_host: Mapping[str, bytes]) -> VerifyingKey:
    """The key that a host signed with."""
    return VerifyingKey(mpz.from_bytes(of_host["n"], "big"))
