"""Min-max and standard scaling of feature columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa

from fate_components.columns import chosen_columns
from fate_components.feature_scale.fit import learn_scaling
from fate_components.feature_scale.model import Scaling, scale, scaling_of
from fate_components.feature_scale.spec import FeatureScaleParams
from fate_components.tables import input_table
from fate_federated.errors import ModelError
from fate_federated.pb.model import feature_scale_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model

log = logging.getLogger(__name__)


class FeatureScale(Component[FeatureScaleParams]):
    """Scale columns. Each party by itself; nothing is sent.

    Without a model it learns bounds, means and deviations; with one it applies these. As in FATE, values outside of
    the training rows' range (or of feat_lower..feat_upper) are cut to it before they are scaled.
    """

    Params = FeatureScaleParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        header = table.feature_names
        if inputs.model is None:
            names = self._scaled_columns(header)
            values = table.numbers(names)
            scaling = learn_scaling(self.params, values, names)
            model = self._model(names, scaling, header)
        else:
            model = inputs.model
            names, scaling = scaling_of(model)
            absent = [name for name in names if name not in header]
            if absent:
                raise ModelError(f"The model scales columns that the table lacks: {', '.join(absent)}.")
            values = table.numbers(names)
        features = {name: table.data.column(name) for name in header}
        scaled = scale(scaling, values)
        features |= {name: pa.array(scaled[:, index]) for index, name in enumerate(names)}
        log.info("%s of %d columns, %d rows", scaling.method, len(names), len(table))
        meta = {"metric_type": "SCALE", "method": scaling.method, "mode": self.params.mode, "columns": list(names)}
        ctx.tracker.log_metric("train", "scale", (), meta)
        ctx.tracker.set_summary({"method": scaling.method, "columns": list(names)})
        return Outputs((table.with_columns(features),), model)

    def _scaled_columns(self, header: Sequence[str]) -> tuple[str, ...]:
        """The columns to scale, in the table's order."""
        if self.params.method is None:
            return ()
        parameters = ("scale_col_indexes", "scale_names")
        return chosen_columns(header, self.params.scale_col_indexes, self.params.scale_names, parameters)

    def _model(self, names: Sequence[str], scaling: Scaling, header: Sequence[str]) -> Model:
        meta = pb.ScaleMeta(
            method=scaling.method,
            mode=self.params.mode,
            area="all" if len(names) == len(header) else "col",
            scale_cols=names,
            feat_upper=_texts(self.params.feat_upper, len(names)),
            feat_lower=_texts(self.params.feat_lower, len(names)),
            with_mean=self.params.with_mean,
            with_std=self.params.with_std,
            need_run=self.params.need_run,
        )
        columns = zip(names, scaling.upper, scaling.lower, scaling.mean, scaling.std, strict=True)
        param = pb.ScaleParam(
            col_scale_param={
                name: pb.ColumnScaleParam(column_upper=upper, column_lower=lower, mean=mean, std=std)
                for name, upper, lower, mean, std in columns
            },
            header=header,
        )
        return Model("FeatureScale", meta, param)


def _texts(bound: float | list[float] | None, columns: int) -> list[str]:
    return [str(value) for value in bound] if isinstance(bound, list) else [str(bound)] * columns
