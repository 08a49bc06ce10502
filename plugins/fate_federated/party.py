"""Who takes part in a job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from fate_federated.errors import InvalidParty

_PARTY_ID = re.compile(r"[0-9A-Za-z_]{1,64}")


class Role(StrEnum):
    """What a party does in a job.

    GUEST has the label and starts most jobs, HOST provides features, ARBITER is neutral and holds the private key
    where a protocol needs one, LOCAL is a single site working alone.
    """

    GUEST = "guest"
    HOST = "host"
    ARBITER = "arbiter"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """One site acting in one role."""

    role: Role
    party_id: str

    def __post_init__(self) -> None:
        if not _PARTY_ID.fullmatch(self.party_id):
            raise InvalidParty(f"{self.role}-{self.party_id}")

    def __str__(self) -> str:
        return f"{self.role}-{self.party_id}"

    @classmethod
    def parse(cls, text: str) -> Party:
        """Read what ``str(party)`` writes, such as ``guest-9999``.

        Raises:
            InvalidParty: it is not ``<role>-<party_id>`` with a known role.
        """
        role, _, party_id = text.partition("-")
        try:
            return cls(Role(role), party_id)
        except ValueError:
            raise InvalidParty(text) from None
