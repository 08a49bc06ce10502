"""A trained component: two protobuf messages."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Model:
    """What one component learnt at one party.

    Attributes:
        module: FATE's name of the component.
        meta: how it was trained (``<Module>Meta``).
        param: what was learnt (``<Module>Param``).
    """

    module: str
    meta: Message
    param: Message
