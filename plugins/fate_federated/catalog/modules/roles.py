"""The roles of FATE's modules."""

from __future__ import annotations

from fate_federated.party import Role

GUEST = frozenset({Role.GUEST})
GUEST_HOST = frozenset({Role.GUEST, Role.HOST})
GUEST_HOST_ARBITER = frozenset({Role.GUEST, Role.HOST, Role.ARBITER})
GUEST_ARBITER = frozenset({Role.GUEST, Role.ARBITER})
ALL = frozenset(Role)
