"""What SumOfNumbers computes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from extra_components import SumParams

from fate_federated.errors import DataError
from fate_federated.federation import make_table
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext

log = logging.getLogger(__name__)


class SumOfNumbers(Component[SumParams]):
    Params = SumParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        self._behave()
        total = self.params.number + sum(float(array[0]) for array in ctx.hosts.pull("number"))
        for iteration in range(3):
            ctx.log_loss(iteration, total / (iteration + 1))
        ctx.tracker.set_summary({"total": total, "worst": float("nan")})
        ctx.hosts.push("total", total)
        return Outputs(data=(make_table(["a", "b"], {"total": [total, total]}),))

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        self._behave()
        ctx.guest.push("number", np.array([self.params.number]))
        log.info("the total is %s", ctx.guest.pull("total"))
        return Outputs()

    def _behave(self) -> None:
        match self.params.behaviour:
            case "data_error":
                raise DataError("Column 'x0' holds text in row 3, not numbers.")
            case "bug":
                raise ZeroDivisionError("a text with patient 4711 in it")
            case "block":
                Path(self.params.gate).read_text()
            case "fail_once" if Path(self.params.gate).exists():
                Path(self.params.gate).unlink()
                raise DataError("The first time it does not work.")
