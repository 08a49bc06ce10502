"""Filling in the missing values of features."""

from __future__ import annotations

import logging

from fate_components.data_transform.model import ColumnPlan, Plan, transform_column
from fate_components.feature_imputation.fit import Learnt, learn_imputation
from fate_components.feature_imputation.spec import FeatureImputationParams
from fate_components.tables import input_table
from fate_federated.errors import ModelError
from fate_federated.pb.model import feature_imputation_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class FeatureImputation(Component[FeatureImputationParams]):
    """Fill in what is missing. Each party by itself; nothing is sent.

    Without a model it learns each feature's fill; with one it applies these. A feature of whole numbers becomes one of
    fractions where its fill is one.
    """

    Params = FeatureImputationParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is None:
            learnt = learn_imputation(self.params, table)
            plan, model = learnt.plan, self._model(learnt, table)
        else:
            model = inputs.model
            plan = _plan_of(model)
        output = _filled(plan, table)
        fills = {column.name: column.fill for column in plan.columns}
        log.info(
            "%d of %d features are filled where they are missing, %d rows",
            len(fills),
            len(table.feature_names),
            len(table),
        )
        ctx.tracker.set_summary({"cols_replace_value": fills, "missing_value_ratio": _ratio(model)})
        return Outputs((output,), model)

    def _model(self, learnt: Learnt, table: Table) -> Model:
        columns, missing = learnt.plan.columns, learnt.plan.missing
        meta = pb.FeatureImputationMeta(
            imputer_meta=pb.FeatureImputerMeta(
                is_imputer=True, strategy=self.params.missing_fill_method or "", missing_value=missing
            ),
            need_run=self.params.need_run,
        )
        param = pb.FeatureImputationParam(
            header=table.feature_names,
            imputer_param=pb.FeatureImputerParam(
                missing_replace_value={column.name: column.fill or "" for column in columns},
                missing_value_ratio=learnt.missing_ratio,
                missing_replace_value_type={column.name: column.data_type for column in columns},
                cols_replace_method=learnt.methods,
                skip_cols=[name for name in table.feature_names if name not in learnt.methods],
            ),
        )
        return Model("FeatureImputation", meta, param)


def _filled(plan: Plan, table: Table) -> Table:
    names = table.feature_names
    absent = [column.name for column in plan.columns if column.name not in names]
    if absent:
        raise ModelError(f"The model fills columns that the table lacks: {', '.join(absent)}.")
    features = {name: table.data.column(name) for name in names}
    features |= {column.name: transform_column(plan, column, features[column.name]) for column in plan.columns}
    return table.with_columns(features)


def _plan_of(model: Model) -> Plan:
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.FeatureImputationMeta) or not isinstance(param, pb.FeatureImputationParam):
        raise ModelError(f"FeatureImputation cannot apply a model of {model.module}.")
    learnt = param.imputer_param
    columns = tuple(
        ColumnPlan(name, learnt.missing_replace_value_type[name], learnt.missing_replace_value[name])
        for name in param.header
        if name in learnt.missing_replace_value
    )
    return Plan(columns, tuple(meta.imputer_meta.missing_value), ())


def _ratio(model: Model) -> dict[str, float]:
    return (
        dict(model.param.imputer_param.missing_value_ratio)
        if isinstance(model.param, pb.FeatureImputationParam)
        else {}
    )
