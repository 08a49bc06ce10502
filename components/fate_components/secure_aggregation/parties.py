"""Who adds up with whom."""

from __future__ import annotations

from fate_federated.errors import ConfigError
from fate_federated.party import Party, Role
from fate_federated.task.context import TaskContext


def data_parties(ctx: TaskContext) -> tuple[Party, ...]:
    """Guests and hosts, in an order that is the same at every party; guests come first."""
    return tuple(sorted(party for party in ctx.participants if party.role in (Role.GUEST, Role.HOST)))


def clients_of(ctx: TaskContext) -> tuple[Party, ...]:
    """The same, if they can add up.

    Raises:
        ConfigError: there is one only, whose numbers would be the sum.
    """
    clients = data_parties(ctx)
    if len(clients) < 2:
        raise ConfigError(
            f"{ctx.component} adds up numbers of several parties so that nobody sees one party's. "
            "There is one party with data only: name a host in the conf's role."
        )
    return clients


def threshold_of(clients: int) -> int:
    """How many clients a sum needs."""
    return max(clients // 2 + 1, 2)
