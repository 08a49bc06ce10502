"""Errors on their way from a gateway to its caller, so that TableNotFound arrives as TableNotFound."""

from __future__ import annotations

import json
from typing import Any

from fate_federated import errors
from fate_federated.party import Party

MAX_TEXT = 8000
"""Characters of an error's text that travel."""

_PLAIN: tuple[type[errors.FateFederatedError], ...] = (
    errors.AccessDenied,
    errors.AttemptCanceled,
    errors.AttemptFailed,
    errors.ConfigError,
    errors.DataError,
    errors.JobError,
    errors.MessageRejected,
    errors.ModelNotFound,
    errors.RegistryError,
    errors.TransportError,
)
_BY_NAME = {kind.__name__: kind for kind in _PLAIN}


def fault_out(error: errors.FateFederatedError) -> bytes:
    """What a caller needs to raise the same error."""
    match error:
        case errors.TableNotFound():
            fields: dict[str, Any] = {"kind": "TableNotFound", "namespace": error.namespace, "name": error.name}
        case errors.JobNotFound():
            fields = {"kind": "JobNotFound", "job_id": error.job_id}
        case errors.PartyUnreachable():
            fields = {"kind": "PartyUnreachable", "party": str(error.party), "address": error.address}
        case errors.DslError():
            fields = {"kind": "JobError", "text": str(error)[:MAX_TEXT]}
        case _:
            kind = next((kind for kind in _PLAIN if isinstance(error, kind)), errors.TransportError)
            fields = {"kind": kind.__name__, "text": str(error)[:MAX_TEXT]}
    return json.dumps(fields).encode()


def fault_in(data: bytes) -> errors.FateFederatedError:
    """The error that ``fault_out`` was given; a TransportError for what it did not write."""
    try:
        fields = json.loads(data)
        match fields["kind"]:
            case "TableNotFound":
                return errors.TableNotFound(str(fields["namespace"]), str(fields["name"]))
            case "JobNotFound":
                return errors.JobNotFound(str(fields["job_id"]))
            case "PartyUnreachable":
                return errors.PartyUnreachable(Party.parse(fields["party"]), str(fields["address"]))
            case kind:
                return _BY_NAME[kind](str(fields["text"]))
    except (ValueError, KeyError, TypeError, errors.InvalidParty):
        return errors.TransportError("The gateway answered with an error that cannot be read.")
