"""Who calls the port for other parties: the parties that a certificate names."""

from __future__ import annotations

from functools import lru_cache

import grpc.aio
from cryptography import x509

from fate_federated.party import Party
from fate_federated.transport.certificate import named_parties
from fate_serving.codes import Code, ServingError


def caller_is(context: grpc.aio.ServicerContext[object, object], party: Party | None, *, tls: bool) -> None:
    """Refuse a call that claims to come from a party that its certificate does not name.

    Raises:
        ServingError: AUTH.
    """
    if not tls:
        return
    pems = list(context.auth_context().get("x509_pem_cert", ()))
    named = _named(bytes(pems[0])) if pems else frozenset()
    if party is None or str(party) not in named:
        who = ", ".join(sorted(named)) or "no party"
        raise ServingError(Code.AUTH, f"The call speaks for {party or 'nobody'}, and its certificate names {who}.")


@lru_cache(maxsize=1024)
def _named(pem: bytes) -> frozenset[str]:
    return frozenset(named_parties(x509.load_pem_x509_certificate(pem)))
