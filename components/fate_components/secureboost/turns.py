"""Who offers splits: in which tree, at which depth."""

from __future__ import annotations

from dataclasses import dataclass

from fate_components.secureboost.spec import HeteroSecureBoostParams


@dataclass(frozen=True, slots=True)
class Turns:
    """Sites are numbered: the guest is 0, hosts follow in the conf's order.

    std: everybody, but in the first ``complete_secure`` rounds the guest alone. mix: one party in a round, each
    ``tree_num_per_party`` rounds in turn, the guest first. layered: one host, another in each round, in the upper
    ``host_depth`` levels, the guest in the ``guest_depth`` below.
    """

    params: HeteroSecureBoostParams
    hosts: int

    def of_round(self, number: int) -> list[frozenset[int]]:
        """The sites that offer splits, by depth."""
        params = self.params
        depth = params.tree_param.max_depth
        if number < int(params.complete_secure):
            return [frozenset({0})] * depth
        match params.strategy:
            case "mix":
                return [frozenset({number // params.tree_num_per_party % (self.hosts + 1)})] * depth
            case "layered":
                host = frozenset({1 + number % self.hosts})
                return [host] * params.host_depth + [frozenset({0})] * params.guest_depth
            case _:
                return [frozenset(range(self.hosts + 1))] * depth

    def with_hosts(self, rounds: range) -> int:
        """In how many rounds a host offers splits."""
        return sum(any(site for sites in self.of_round(number) for site in sites) for number in rounds)

    def all_idle(self, number: int, idle: int) -> bool:
        """Whether no party has anything left to offer, if so many rounds up to this one were of no use.

        One party's rounds say nothing of the others: everybody's turn counts, after the first ``complete_secure``.
        """
        match self.params.strategy:
            case "mix":
                cycle = self.params.tree_num_per_party * (self.hosts + 1)
            case "layered":
                cycle = self.hosts
            case _:
                cycle = 1
        return idle >= cycle and number - cycle + 1 >= int(self.params.complete_secure)

    def depths(self, number: int, site: int) -> list[int]:
        """At which a site offers splits."""
        return [depth for depth, sites in enumerate(self.of_round(number)) if site in sites]
