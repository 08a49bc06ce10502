"""Who calls: the parties that a certificate names."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import grpc
from cryptography import x509

from fate_federated.errors import (
    AccessDenied,
    AttemptEnded,
    ConfigError,
    DataError,
    FateFederatedError,
    GatewayUnavailable,
    InvalidParty,
    JobError,
    JobNotFound,
    MessageRejected,
    ModelNotFound,
    PartyUnreachable,
    RegistryError,
    TableNotFound,
)
from fate_federated.party import Party
from fate_federated.transport.certificate import PARTY_URI
from fate_federated.transport.rpc import FAULT_KEY
from fate_federated.wire.faults import fault_out

log = logging.getLogger(__name__)

_CODES: tuple[tuple[type[FateFederatedError], grpc.StatusCode], ...] = (
    (AccessDenied, grpc.StatusCode.PERMISSION_DENIED),
    (TableNotFound, grpc.StatusCode.NOT_FOUND),
    (JobNotFound, grpc.StatusCode.NOT_FOUND),
    (ModelNotFound, grpc.StatusCode.NOT_FOUND),
    (AttemptEnded, grpc.StatusCode.ABORTED),
    (PartyUnreachable, grpc.StatusCode.UNAVAILABLE),
    (GatewayUnavailable, grpc.StatusCode.UNAVAILABLE),
    (MessageRejected, grpc.StatusCode.INVALID_ARGUMENT),
    (DataError, grpc.StatusCode.ALREADY_EXISTS),
    (ConfigError, grpc.StatusCode.FAILED_PRECONDITION),
    (JobError, grpc.StatusCode.FAILED_PRECONDITION),
    (RegistryError, grpc.StatusCode.FAILED_PRECONDITION),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a call.

    Attributes:
        parties: named by its certificate; None on a loopback site without tls, where anyone on the machine may speak.
    """

    parties: frozenset[Party] | None

    def must_speak_for(self, party: Party) -> None:
        """Refuse a call that claims to come from a party that the caller is not.

        Raises:
            AccessDenied: its certificate does not name that party.
        """
        if self.parties is not None and party not in self.parties:
            named = ", ".join(sorted(map(str, self.parties))) or "no party"
            raise AccessDenied(f"The call speaks for {party}, and the caller's certificate names {named}.")


class Access:
    """Says who may call what.

    Args:
        peers: the parties of each configured peer.
        tls: whether callers show certificates.
    """

    def __init__(self, hosted: Iterable[Party], peers: Iterable[Iterable[Party]], *, tls: bool) -> None:
        self._hosted = frozenset(hosted)
        self._peers = frozenset(party for parties in peers for party in parties)
        self._tls = tls

    @asynccontextmanager
    async def site(self, context: Any) -> AsyncIterator[SiteCaller]:
        """Around the body of a call that only this site's own tasks and tools may make."""
        async with status_for_errors(context):
            caller = self._caller(context)
            if caller.parties is not None and not (caller.parties and caller.parties <= self._hosted):
                raise AccessDenied("This call is for the site's own tasks, and the certificate is not of this site.")
            yield SiteCaller(caller.parties, self._hosted)

    @asynccontextmanager
    async def peer(self, context: Any) -> AsyncIterator[Caller]:
        """Around the body of a call that only the gateways of configured peers may make."""
        async with status_for_errors(context):
            caller = self._caller(context)
            if not caller.parties or not caller.parties & self._peers:
                raise AccessDenied("The caller is no peer of this site. Add its parties under peers in site.yaml.")
            yield caller

    def _caller(self, context: Any) -> Caller:
        if not self._tls:
            return Caller(None)
        certificates = context.auth_context().get("x509_pem_cert") or [b""]
        return Caller(parties_of(certificates[0]))


@dataclass(frozen=True, slots=True)
class SiteCaller(Caller):
    """A task or tool of this site."""

    hosted: frozenset[Party]

    def must_speak_for(self, party: Party) -> None:
        """Refuse a call for a party that this site does not host, or that the certificate does not name.

        Raises:
            AccessDenied: so it is.
        """
        if party not in self.hosted:
            raise AccessDenied(f"{party} is not hosted by this site.")
        Caller(self.parties).must_speak_for(party)


@lru_cache(maxsize=256)
def parties_of(certificate: bytes) -> frozenset[Party]:
    """The parties that a certificate (PEM) names in its subject alternative names.

    Raises:
        AccessDenied: it cannot be read.
    """
    try:
        extensions = x509.load_pem_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        return frozenset(Party.parse(uri.removeprefix(PARTY_URI)) for uri in uris if uri.startswith(PARTY_URI))
    except x509.ExtensionNotFound:
        return frozenset()
    except (ValueError, InvalidParty) as error:
        raise AccessDenied(f"The caller's certificate cannot be read: {error}") from error


@asynccontextmanager
async def status_for_errors(context: Any) -> AsyncIterator[None]:
    """Our errors as gRPC's codes, with what the caller needs to raise the same; anything else as INTERNAL."""
    try:
        yield
    except FateFederatedError as error:
        await _refuse(context, error)
    except grpc.aio.AbortError:
        raise
    except Exception:
        log.exception("a call failed unexpectedly")
        await context.abort(grpc.StatusCode.INTERNAL, "unexpected error")


async def _refuse(context: Any, error: FateFederatedError) -> NoReturn:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)
    if isinstance(error, AccessDenied):
        log.warning("refused a call of %s: %s", context.peer(), error)
    # Without a fault, unavailable means the gateway that was called.
    metadata = () if isinstance(error, GatewayUnavailable) else ((FAULT_KEY, fault_out(error)),)
    await context.abort(code, str(error)[:500], trailing_metadata=metadata)
    raise AssertionError("abort raises")
