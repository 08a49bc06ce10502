"""Components in which guest and hosts do the same, each by itself."""

from __future__ import annotations

from abc import abstractmethod

from fate_federated.task.component import Component, Inputs, Outputs, P
from fate_federated.task.context import TaskContext


class AloneComponent(Component[P]):
    """A step that guest and hosts take alike and that sends nothing."""

    @abstractmethod
    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        """The part of any party."""

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self.run_alone(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self.run_alone(ctx, inputs)
