"""A component of another package: the guest adds up the numbers of the hosts. On request it fails or blocks."""

from __future__ import annotations

from typing import Literal

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role


class SumParams(ComponentParams):
    number: float = 1.0
    behaviour: Literal["add", "data_error", "bug", "block", "fail_once"] = "add"
    gate: str = ""
    """``block`` waits inside of a system call until somebody opens this FIFO for writing; ``fail_once`` removes it."""


SUM_OF_NUMBERS = ComponentSpec(
    module="SumOfNumbers",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=SumParams,
    implementation="extra_components_run:SumOfNumbers",
)
