"""The parts of guest and host in each method: both end with the guest knowing positions in the hosts' lists."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from fate_components.crypto.blind_rsa import SigningKey
from fate_components.crypto.groups import Group
from fate_components.crypto.ristretto import Ristretto255
from fate_components.crypto.safe_prime import SafePrimeGroup
from fate_components.intersection import commutative, library, raw, signatures
from fate_components.intersection.cache import Kept, signing_key, signing_secret, verifying_key
from fate_components.intersection.commutative import Blinding
from fate_components.intersection.hashing import hashed_ids
from fate_components.intersection.matching import Rows, find
from fate_components.intersection.signatures import Asker, Names, Signer
from fate_components.intersection.spec import DhParams, EcdhParams, IntersectionParams, RsaParams
from fate_components.intersection.stream import receive
from fate_federated.errors import DataError
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)

WEAK_BITS = 2048
"""Below this a key is warned of."""


def as_cached(kept: Kept, ids: pa.Array) -> Rows:
    """For each position of a cached list, the place of its id among a host's ids of today.

    Raises:
        DataError: one is not there any more.
    """
    places = find(kept.ids, ids)
    if (places < 0).any():
        raise DataError(
            f"{int((places < 0).sum())} ids of the cache are not in this party's table any more. "
            "Make a new cache with run_cache.",
            public=True,
        )
    if len(ids) > len(places):
        log.warning("%d ids of this party's table are not in the cache and cannot be found", len(ids) - len(places))
    return places


@dataclass(frozen=True, slots=True)
class Method:
    """One way to find the common ids of one run.

    Attributes:
        name: ecdh, dh, rsa or raw.
    """

    name: str
    params: IntersectionParams

    @classmethod
    def of(cls, params: IntersectionParams) -> Method:
        """As the conf asks. What it asks for that is weak is warned of."""
        name = params.cardinality_method if params.cardinality_only else params.intersect_method
        if name == "raw":
            log.warning(
                "intersect_method raw sends every id of one party to another, as it is or hashed without a secret. "
                "ecdh finds the same rows without that."
            )
        bits = {"rsa": params.rsa_params.key_length, "dh": params.dh_params.key_length}.get(name, WEAK_BITS)
        if bits < WEAK_BITS:
            log.warning("%s_params.key_length of %d bits can be broken; %d or more are safe", name, bits, WEAK_BITS)
        return cls(name, params)

    @property
    def by_library(self) -> bool:
        """Whether a library speaks with its like at the other party."""
        return self.name.startswith("spu_")

    @property
    def protocol(self) -> str:
        """For the model: what was run."""
        match self.name:
            case "ecdh" | "dh":
                return f"{self.name}-{self._group().name}"
            case "rsa":
                return f"rsa-blind-signatures-{self.params.rsa_params.key_length}"
        return self.name

    @property
    def _broadcast(self) -> bool:
        return self.params.sync_intersect_ids

    def _group(self) -> Group:
        return Ristretto255() if self.name == "ecdh" else SafePrimeGroup(self.params.dh_params.key_length)

    def _blinding(self, kept: Kept | None) -> Blinding:
        group = self._group()
        scalar = group.random_scalar() if kept is None else kept.secret["scalar"]
        return Blinding(group, scalar, self.hashed)

    def hashed(self, ids: Sequence[str]) -> list[bytes]:
        """What of the ids goes into the method."""
        how: EcdhParams | DhParams | RsaParams = self.params.ecdh_params
        if self.name in ("dh", "rsa"):
            how = self.params.dh_params if self.name == "dh" else self.params.rsa_params
        return hashed_ids(ids, how.hash_method, how.salt)

    # Finding

    def guest_positions(self, ctx: TaskContext, ids: pa.Array, counts: Sequence[int], kept: Kept | None) -> list[Rows]:
        """For each host, the position of each of the guest's ids in that host's list, or -1.

        Args:
            counts: of the hosts' ids.
            kept: from an earlier run with ``run_cache``.
        """
        of_hosts = [kept.of_hosts[str(host.party)] for host in ctx.hosts] if kept else []
        match self.name:
            case "raw":
                values = raw.written(ids.to_pylist(), self.params)
                return raw.guest_positions(ctx.hosts, values, counts, self.params.raw_join_role)
            case name if self.by_library:
                (host,) = ctx.hosts
                return [library.guest_positions(host, name, self.hashed(ids.to_pylist()), self._broadcast)]
            case "rsa":
                return self._guest_signed(ctx, self.hashed(ids.to_pylist()), counts, of_hosts)
        blinding = self._blinding(kept)
        if kept:
            cached = [of_host["elements"] for of_host in of_hosts]
            return commutative.guest_positions_in_cache(blinding, ctx.hosts, ids, cached)
        return commutative.guest_positions(blinding, ctx.hosts, ids, counts)

    def host_order(self, ctx: TaskContext, ids: pa.Array, count: int, kept: Kept | None) -> Rows:
        """For each position of the host's list, the place of its id; with a cache the list is the cached one."""
        match self.name:
            case "raw":
                values = raw.written(ids.to_pylist(), self.params)
                return raw.host_order(ctx.guest, values, count, self.params.raw_join_role)
            case name if self.by_library:
                return library.host_order(ctx.guest, name, self.hashed(ids.to_pylist()), self._broadcast)
            case "rsa":
                return self._host_signs(ctx, ids, count, kept)
        blinding = self._blinding(kept)
        if kept:
            order = as_cached(kept, ids)
            blinding.return_twice_blinded(ctx.guest, count, shuffled=False)
            return order
        return commutative.host_order(blinding, ctx.guest, ids, count)

    def _guest_signed(
        self, ctx: TaskContext, keys: list[bytes], counts: Sequence[int], of_hosts: Sequence[Mapping[str, bytes]]
    ) -> list[Rows]:
        rsa, final = self.params.rsa_params, self.params.rsa_params.final_hash_method
        if rsa.split_calculation and not of_hosts:
            return [signatures.split(ctx, host, keys, rsa)[0] for host in ctx.hosts]
        if of_hosts:
            askers = [
                Asker(host, verifying_key(of_host), final, Names())
                for host, of_host in zip(ctx.hosts, of_hosts, strict=True)
            ]
        else:
            askers = [Asker.of(host, rsa.key_length, final, Names()) for host in ctx.hosts]
        asked = [asker.send_blinded(keys) for asker in askers]
        if of_hosts:
            return [
                asker.positions_among(question, of_host["hashes"])
                for asker, question, of_host in zip(askers, asked, of_hosts, strict=True)
            ]
        return [asker.positions(question, count) for asker, question, count in zip(askers, asked, counts, strict=True)]

    def _host_signs(self, ctx: TaskContext, ids: pa.Array, count: int, kept: Kept | None) -> Rows:
        rsa, keys = self.params.rsa_params, self.hashed(ids.to_pylist())
        if kept:
            order = as_cached(kept, ids)
            Signer(signing_key(kept.secret), rsa.final_hash_method, Names()).sign_for(ctx.guest, count)
            return order
        if rsa.split_calculation:
            return signatures.split(ctx, ctx.guest, keys, rsa)[1]
        signer = Signer(SigningKey.generate(rsa.key_length), rsa.final_hash_method, Names())
        signer.send_key(ctx.guest)
        signer.sign_for(ctx.guest, count)
        return signer.send_signed(ctx.guest, keys)

    # A count alone

    def guest_count(self, ctx: TaskContext, ids: pa.Array, count: int) -> int:
        """How many of the guest's ids the only host has too."""
        (host,) = ctx.hosts
        return commutative.guest_count(self._blinding(None), host, ids, count)

    def host_counted(self, ctx: TaskContext, ids: pa.Array, count: int) -> None:
        """The host's part."""
        commutative.host_order(self._blinding(None), ctx.guest, ids, count, shuffled=True)

    # For later runs

    def guest_cache(self, ctx: TaskContext, counts: Sequence[int]) -> Kept:
        """The guest's part of making a cache: it sends nothing but the cache's name."""
        key = secrets.token_hex(16)
        ctx.hosts.push("cache_key", key)
        of_hosts: dict[str, dict[str, bytes]] = {}
        if self.name == "rsa":
            rsa = self.params.rsa_params
            for host, count in zip(ctx.hosts, counts, strict=True):
                asker = Asker.of(host, rsa.key_length, rsa.final_hash_method, Names())
                width = signatures.hash_bytes(rsa.final_hash_method)
                hashes = b"".join(receive(host, "signed_ids", signatures.HASHES, width, count))
                of_hosts[str(host.party)] = {"n": asker.key.to_wire()["n"], "hashes": hashes}
            return Kept(key, self.name, of_hosts=of_hosts)
        blinding = self._blinding(None)
        for host, count in zip(ctx.hosts, counts, strict=True):
            of_hosts[str(host.party)] = {"elements": b"".join(blinding.raised(host, count))}
        return Kept(key, self.name, {"scalar": blinding.scalar}, of_hosts)

    def host_cache(self, ctx: TaskContext, ids: pa.Array) -> Kept:
        """A host's part of making a cache."""
        key = str(ctx.guest.pull("cache_key"))
        if self.name == "rsa":
            rsa = self.params.rsa_params
            signer = Signer(SigningKey.generate(rsa.key_length), rsa.final_hash_method, Names())
            signer.send_key(ctx.guest)
            order = signer.send_signed(ctx.guest, self.hashed(ids.to_pylist()))
            return Kept(key, self.name, signing_secret(signer.key), ids=ids.take(pa.array(order)))
        blinding = self._blinding(None)
        order = blinding.send_blinded(ctx.guest, ids)
        return Kept(key, self.name, {"scalar": blinding.scalar}, ids=ids.take(pa.array(order)))
