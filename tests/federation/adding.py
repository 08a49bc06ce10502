"""A component for the federation's own tests: every party learns the sum of all parties' ``amount``."""

from __future__ import annotations

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.errors import DataError
from fate_federated.party import Role
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext


class AddingParams(ComponentParams):
    amount: int = 1
    need_run: bool = True
    refuse: bool = False
    forget: bool = False
    wait: bool = False


class Adding(Component[AddingParams]):
    Params = AddingParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if self.params.wait:
            ctx.hosts.pull("never")
        total = self.params.amount + sum(ctx.hosts.pull("amount"))
        ctx.hosts.push("total", total)
        return self._outputs(ctx, inputs, total)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if self.params.refuse:
            raise DataError("no amount today")
        if self.params.forget:
            return Outputs()
        ctx.guest.push("amount", self.params.amount)
        return self._outputs(ctx, inputs, ctx.guest.pull("total"))

    def _outputs(self, ctx: TaskContext, inputs: Inputs, total: int) -> Outputs:
        ctx.tracker.set_summary({"total": total, "draw": int(ctx.rng.integers(1 << 62))})
        return Outputs(data=inputs.data.get("data", ()))


ADDING = ComponentSpec(
    module="Adding", roles=frozenset({Role.GUEST, Role.HOST}), params=AddingParams, implementation="adding:Adding"
)
