"""What the parties tell each other before they begin: their sizes, and that they mean the same protocol."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer
from fate_federated.wire.payload import Wire

_MOST_ROWS = 1 << 31


@dataclass(frozen=True, slots=True)
class Opening:
    """One party's first message.

    Attributes:
        count: ids that it will match, each once.
        settings: digest of the parameters that both sides must share.
        shares_rows: whether rows and ids of the result are laid out by one party for all.
        cache_key: of the cache that it brings; empty without one.
    """

    count: int
    settings: str
    shares_rows: bool
    cache_key: str = ""

    def to_wire(self) -> dict[str, Wire]:
        return {
            "count": self.count,
            "settings": self.settings,
            "shares_rows": self.shares_rows,
            "cache_key": self.cache_key,
        }


def settings_digest(params: IntersectionParams) -> str:
    """The same at parties whose parameters let them understand each other."""
    shared = params.model_dump(mode="json", exclude={"need_run", "only_output_key"})
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()


def receive_opening(peer: Peer, mine: Opening) -> Opening:
    """A peer's opening.

    Raises:
        MessageRejected: it means another protocol, or brings another cache.
    """
    value: Any = peer.pull("opening")
    kinds = {"count": int, "settings": str, "shares_rows": bool, "cache_key": str}
    if not isinstance(value, dict) or {name: type(part) for name, part in value.items()} != kinds:
        raise MessageRejected(f"{peer.party} did not open the intersection as agreed.")
    theirs = Opening(**value)
    if not 0 <= theirs.count < _MOST_ROWS:
        raise MessageRejected(f"{peer.party} announces {theirs.count} rows.")
    if theirs.settings != mine.settings:
        raise MessageRejected(
            f"{peer.party} runs the intersection with other parameters. They must be the same for all parties: "
            "write them under component_parameters/common."
        )
    if theirs.cache_key != mine.cache_key:
        raise MessageRejected(
            f"{peer.party} brings another cache than this party, or one of the two brings none. "
            "Take the caches of one and the same job at all parties."
        )
    return theirs
