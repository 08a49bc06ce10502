"""Who takes part: ``initiator`` and ``role`` of a conf, the same in both dialects."""

from __future__ import annotations

from functools import partial
from typing import Any

from fate_federated.dsl.document import Document, Path, shorten
from fate_federated.dsl.findings import Findings, Written
from fate_federated.errors import InvalidParty, suggest
from fate_federated.party import Party, Role

MAX_PARTIES = 64
"""Of one role."""


class InitiatorText(Written):
    """``initiator`` of a conf."""

    role: str
    party_id: int | str


def read_parties(conf: Document, findings: Findings) -> tuple[tuple[Party, ...], bool]:
    """The parties of ``role``, role by role, each in the conf's order; and whether these are all that are meant."""
    errors_before = len(findings.errors)
    roles = conf.value.get("role")
    if not isinstance(roles, dict):
        findings.error(conf, ("role",), "a conf says who takes part", 'Write "role": {"guest": [9999], "host": […]}.')
        return (), False
    for role in roles:
        if role not in list(Role):
            findings.error(conf, ("role", role), f"{shorten(role)} is not a role", partial(suggest, role, list(Role)))
    parties: list[Party] = []
    for role in Role:
        if role not in roles:
            continue
        path = ("role", str(role))
        ids = roles[role]
        if not isinstance(ids, list):
            findings.error(conf, path, f"the parties of {role} are not a list", f'Write "{role}": [9999].')
        elif not ids:
            message = f"no party is named for the role {role}"
            findings.error(conf, path, message, "Name one, or remove the role; a template has to be filled in first.")
        elif len(ids) > MAX_PARTIES:
            findings.error(conf, path, f"{len(ids)} parties are more than a role may have", f"Up to {MAX_PARTIES} can.")
        else:
            for index, party_id in enumerate(ids):
                party = _party(role, party_id, conf, (*path, index), findings)
                if party in parties:
                    findings.error(conf, (*path, index), f"{party} stands here twice", "Remove one of them.")
                    errors_before += 1
                elif party is not None:
                    parties.append(party)
    return tuple(parties), len(findings.errors) == errors_before


def read_initiator(conf: Document, parties: tuple[Party, ...] | None, findings: Findings) -> Party | None:
    """The party that starts the job: one of those that take part, where it is known who does."""
    if "initiator" not in conf.value:
        remedy = 'Write "initiator": {"role": "guest", "party_id": 9999}.'
        findings.error(conf, ("initiator",), "a conf says who starts the job", remedy)
        return None
    text = findings.check(InitiatorText, conf, ("initiator",), conf.value["initiator"])
    if text is None:
        return None
    if text.role not in list(Role):
        message = f"{shorten(text.role)} is not a role"
        findings.error(conf, ("initiator", "role"), message, suggest(text.role, list(Role)))
        return None
    initiator = _party(Role(text.role), text.party_id, conf, ("initiator", "party_id"), findings)
    if initiator is not None and parties is not None and initiator not in parties:
        remedy = f"Add it under /role/{text.role}, or name one of: {', '.join(map(str, parties))}."
        findings.error(conf, ("initiator",), f"the initiator {initiator} takes no part in the job", remedy)
        return None
    return initiator


def _party(role: Role, party_id: Any, conf: Document, path: Path, findings: Findings) -> Party | None:
    remedy = "Write a number, or a text of letters, digits and _."
    if isinstance(party_id, bool) or not isinstance(party_id, int | str):
        findings.error(conf, path, f"{shorten(party_id)} is not a party id", remedy)
        return None
    try:
        return Party(role, str(party_id))
    except (InvalidParty, ValueError):
        findings.error(conf, path, f"{shorten(party_id)} is not a party id", remedy)
        return None
