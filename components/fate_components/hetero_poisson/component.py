"""Poisson regression over vertically split features, with an arbiter. See :mod:`fate_components.linear`.

A row's expected count is µ = E·e^u with its exposure E; 1 without, and with a warning where exposure_colname names none
of the guest's columns, as some of FATE's own jobs do. The loss is µ - y·log µ, the log likelihood less
log y! (McCullagh, Nelder 1989, "Generalized linear models", chapter 6).
"""

from __future__ import annotations

import numpy as np

from fate_components.hetero_poisson.model import expected_count
from fate_components.hetero_poisson.spec import HeteroPoissonParams
from fate_components.linear.component import VerticalLinear
from fate_components.linear.data import Data, Labels, no_exposure
from fate_components.linear.family import LogLinear
from fate_components.linear.model import Floats
from fate_components.linear.prediction import estimated
from fate_components.linear.validation import Kind
from fate_federated.errors import DataError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table


class HeteroPoisson(VerticalLinear[HeteroPoissonParams]):
    """See the module."""

    Params = HeteroPoissonParams
    module = "HeteroPoisson"
    family = LogLinear()

    def labels(self, label: Floats) -> Labels:
        """Counts.

        Raises:
            DataError: one is negative.
        """
        if (label < 0).any():
            raise DataError(f"HeteroPoisson needs labels of at least 0; {int((label < 0).sum())} rows have less.")
        return Labels(label[:, None], 1, np.empty(0))

    def train_data(self, ctx: TaskContext, table: Table, exposure: str | None) -> Data:
        """Checked. That the exposure is missing is told in the tracker too: the model is another one then."""
        if exposure is not None and exposure not in table.data.column_names:
            meta = {"metric_type": "WARNING", "name": "exposure", "warning": no_exposure(exposure)}
            ctx.tracker.log_metric("train", "exposure", [(0.0, 1.0)], meta)
        return super().train_data(ctx, table, exposure)

    def kind(self, classes: Floats) -> Kind:
        """Numbers."""
        return "regression"

    def predicted(self, score: Floats) -> Floats:
        """Expected counts."""
        return expected_count(score)

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """Expected counts."""
        return estimated(table, predicted[:, 0], kind)

    def exposure(self, model: Model | None) -> str | None:
        """As the model has it, or the parameters."""
        if model is None:
            return self.params.exposure_colname
        assert isinstance(model.meta, pb.LRModelMeta)  # noqa: S101 - linear_part has seen the other half of it
        return model.meta.exposure_colname or None
