"""What the parties tell each other before they begin: their sizes, and that they mean the same protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fate_components.alike import check_alike, stated
from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer, TaskContext
from fate_federated.wire.payload import Wire

_MOST_ROWS = 1 << 31


@dataclass(frozen=True, slots=True)
class Opening:
    """One party's first message.

    Attributes:
        count: ids that it will match, each once.
        settings: by name, digests of the parameters that both sides must share; a salt may be a secret of the two.
        shares_rows: whether rows and ids of the result are laid out by one party for all.
        cache_key: of the cache that it brings; empty without one.
    """

    count: int
    settings: Mapping[str, str]
    shares_rows: bool
    cache_key: str = ""

    def to_wire(self) -> dict[str, Wire]:
        return {
            "count": self.count,
            "settings": dict(self.settings),
            "shares_rows": self.shares_rows,
            "cache_key": self.cache_key,
        }


def settings_digests(params: IntersectionParams) -> dict[str, str]:
    """By name, the same at parties whose parameters let them understand each other."""
    shared = sorted(type(params).model_fields.keys() - {"need_run", "only_output_key"})
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in stated(params, shared).items()}


def receive_opening(ctx: TaskContext, peer: Peer, mine: Opening) -> Opening:
    """A peer's opening.

    Raises:
        ConfigError: it means another protocol.
        MessageRejected: it brings another cache, or is no opening.
    """
    value: Any = peer.pull("opening")
    kinds = {"count": int, "settings": dict, "shares_rows": bool, "cache_key": str}
    if not isinstance(value, dict) or {name: type(part) for name, part in value.items()} != kinds:
        raise MessageRejected(f"{peer.party} did not open the intersection as agreed.")
    theirs = Opening(**value)
    if not 0 <= theirs.count < _MOST_ROWS:
        raise MessageRejected(f"{peer.party} announces {theirs.count} rows.")
    check_alike(ctx, peer.party, mine.settings, theirs.settings)
    if theirs.cache_key != mine.cache_key:
        raise MessageRejected(
            f"{peer.party} brings another cache than this party, or one of the two brings none. "
            "Take the caches of one and the same job at all parties."
        )
    return theirs
