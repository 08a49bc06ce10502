"""Figures of each column."""

from __future__ import annotations

import logging

import numpy as np

from fate_components.alone import AloneComponent
from fate_components.columns import chosen_columns
from fate_components.data_statistics.model import Floats, measure
from fate_components.data_statistics.spec import DataStatisticsParams
from fate_components.tables import input_table
from fate_federated.errors import DataError
from fate_federated.pb.model import statistics_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model

log = logging.getLogger(__name__)


class DataStatistics(AloneComponent[DataStatisticsParams]):
    """Measure columns: a model without a table. Each party by itself; nothing is sent.

    With a model it hands that on.
    """

    Params = DataStatisticsParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if inputs.model is not None:
            return Outputs(model=inputs.model)
        table = input_table(ctx, inputs)
        if not len(table):
            raise DataError(f"The table of {ctx.party} has no rows to measure.", public=True)
        parameters = ("column_indexes", "column_names")
        names = chosen_columns(table.feature_names, self.params.column_indexes, self.params.column_names, parameters)
        statistics = self.params.chosen
        figures = measure(self._without_abnormal(table.numbers(names)), statistics, bias=self.params.bias)
        log.info("%d statistics of %d columns, %d rows", len(statistics), len(names), len(table))
        ctx.tracker.set_summary(
            {
                name: {statistic: _json(figures[statistic][column]) for statistic in statistics}
                for column, name in enumerate(names)
            }
        )
        results = [
            pb.StatisticSingleFeatureValue(values=figures[statistic], col_names=names, value_name=statistic)
            for statistic in statistics
        ]
        meta = pb.StatisticMeta(
            statistics=statistics,
            static_columns=names,
            quantile_error=self.params.quantile_error,
            need_run=self.params.need_run,
        )
        param = pb.StatisticParam(self_values=pb.StatisticOnePartyResult(results=results), model_name="statistic")
        return Outputs(model=Model("DataStatistics", meta, param))

    def _without_abnormal(self, values: Floats) -> Floats:
        # A column of numbers holds no text.
        abnormal = [float(value) for value in self.params.abnormal_list or () if isinstance(value, int | float)]
        if abnormal:
            values[np.isin(values, abnormal)] = np.nan
        return values


def _json(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
