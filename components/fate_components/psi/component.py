"""How far the distribution of each feature moved from one table to another."""

from __future__ import annotations

import logging

import numpy as np

from fate_components.alone import AloneComponent
from fate_components.psi.model import Floats, Stability, stability
from fate_components.psi.spec import PsiParams
from fate_components.tables import input_table
from fate_federated.errors import DataError
from fate_federated.pb.model import psi_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class PSI(AloneComponent[PsiParams]):
    """Population stability index of each feature, from train_data to validate_data: a model without a table. Each party
    by itself; nothing is sent.

    Features are matched by name; missing values are an interval of their own. With a model it hands that on.
    """

    Params = PsiParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if inputs.model is not None:
            return Outputs(model=inputs.model)
        expected, actual = (input_table(ctx, inputs, port) for port in ("train_data", "validate_data"))
        found = self._measure(ctx, expected, actual)
        scores = {name: float(moved.parts.sum()) for name, moved in found.items()}
        largest = max(scores, key=lambda name: scores[name])
        log.info("%d features, the largest index is %.6f, of %s", len(scores), scores[largest], largest)
        ctx.tracker.set_summary({"psi_scores": scores})
        param = pb.PSIParam(
            total_score=scores,
            feature_psi=[
                pb.FeaturePsi(
                    psi=moved.parts,
                    expect_perc=moved.expected,
                    actual_perc=moved.actual,
                    interval=moved.intervals(name),
                    feature_name=name,
                )
                for name, moved in found.items()
            ],
            model_name="psi",
        )
        return Outputs(model=Model("PSI", pb.PSIMeta(max_bin_num=self.params.max_bin_num), param))

    def _measure(self, ctx: TaskContext, expected: Table, actual: Table) -> dict[str, Stability]:
        names = expected.feature_names
        if set(names) != set(actual.feature_names):
            apart = sorted(set(names) ^ set(actual.feature_names))
            raise DataError(f"train_data and validate_data of {ctx.party} differ in the features {', '.join(apart)}.")
        if not names or not len(expected) or not len(actual):
            raise DataError(f"A table of {ctx.party} has no features or no rows to compare.")
        before, after = self._values(expected, names), self._values(actual, names)
        empty = [name for name, column in zip(names, before.T, strict=True) if np.isnan(column).all()]
        if empty:
            raise DataError(f"Features without any value in train_data have no intervals: {', '.join(empty)}.")
        return {
            name: stability(before[:, index], after[:, index], self.params.max_bin_num)
            for index, name in enumerate(names)
        }

    def _values(self, table: Table, names: tuple[str, ...]) -> Floats:
        values = table.numbers(names)
        if self.params.dense_missing_val is not None:
            values[values == self.params.dense_missing_val] = np.nan
        return values
