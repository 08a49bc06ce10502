"""Bins of columns that all parties have, whose borders are those of all rows together."""

from __future__ import annotations

import logging

import numpy as np

from fate_components.alike import stated
from fate_components.columns import chosen_columns, numbers
from fate_components.feature_binning.applying import binned_table, transformed_names
from fate_components.feature_binning.fit import Binned, given_points
from fate_components.feature_binning.messages import Learnt, model_of
from fate_components.feature_binning.model import Floats, bin_numbers
from fate_components.homo import quantiles
from fate_components.homo.agreement import (
    Agreement,
    Circle,
    agree,
    lead_of,
    serve_values,
    shared_values,
    trains,
)
from fate_components.homo_feature_binning.spec import ALIKE, HomoFeatureBinningParams
from fate_components.secure_aggregation.aggregator import GRACE_SECONDS, Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.tables import input_table
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

MODULE = "HomoFeatureBinning"


class HomoFeatureBinning(Component[HomoFeatureBinningParams]):
    """Bins of columns that all parties have, whose borders are quantiles of all rows together.

    Quantiles are found by :mod:`fate_components.homo.quantiles` with secure sums, see
    :mod:`fate_components.secure_aggregation`; the categories of ``category_names`` and ``category_indexes`` are joined
    as HomoOneHotEncoder joins them. With a model the bins of that are applied, at each party by itself. Positions of
    columns are those of the guest's table.

    - The **arbiter** learns how many values of all parties lie in which interval around a border, and how many
      categories each party has. No count of one party.
    - **Guest and hosts** learn the borders, to 20 bits behind their leading one, and all parties' categories; the
      last border is the largest value, the guest's column names are known to all.
    """

    Params = HomoFeatureBinningParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        if not trains(ctx, stated(self.params, ALIKE)):
            return Outputs()
        match lead_of(ctx).pull("work"):
            case {"categories": bool() as categories, "quantiles": bool() as searched}:
                if categories:
                    serve_values(ctx)
                if searched:
                    with Aggregator.open(ctx, quantiles.ROUNDS, grace_seconds=GRACE_SECONDS) as aggregator:
                        quantiles.serve(aggregator, self._shares)
                return Outputs()
        raise MessageRejected("The guest did not say what is to be binned.")

    @property
    def _shares(self) -> Floats:
        return np.arange(1, self.params.bin_num + 1) / self.params.bin_num

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table, circle = input_table(ctx, inputs), Circle.of(ctx)
        agreement = agree(ctx, circle, table if inputs.model is None else None, stated(self.params, ALIKE))
        if inputs.model is not None or agreement is None:
            if inputs.model is None:
                raise DataError(
                    f"The guest applies a model for {ctx.component}, and {ctx.party} has none.", public=True
                )
            return Outputs((binned_table(table, inputs.model),), inputs.model)
        columns = self._learn(ctx, circle, agreement, table)
        transformed = transformed_names(self.params.transform_param, agreement.columns, columns)
        model = model_of(
            MODULE, self.params.method, self.params, ctx.party, table.feature_names, Learnt(columns), transformed
        )
        summary = {"split_points": {column.name: column.split_points.tolist() for column in columns}}
        ctx.tracker.set_summary(summary)
        return Outputs((binned_table(table, model),), model)

    def _learn(self, ctx: TaskContext, circle: Circle, agreement: Agreement, table: Table) -> list[Binned]:
        """The bins of all chosen columns.

        Raises:
            DataError: a column does not exist, or has no value at any party.
        """
        params, header = self.params, agreement.columns
        points = given_points(params, header)
        categories = [
            name
            for name in chosen_columns(
                header, params.category_indexes, params.category_names, ("category_indexes", "category_names")
            )
            if name not in points
        ]
        chosen = chosen_columns(header, params.bin_indexes, params.bin_names, ("bin_indexes", "bin_names"))
        searched = [name for name in chosen if name not in points and name not in categories]
        if circle.lead is None:
            circle.arbiter.push("work", {"categories": bool(categories), "quantiles": bool(searched)})
        names = [name for name in header if name in {*chosen, *categories, *points}]
        values = dict(zip(names, numbers(table, names).T, strict=True))
        there = {name: column[~np.isnan(column)] for name, column in values.items()}
        if categories:
            points |= shared_values(ctx, circle, agreement, {name: there[name] for name in categories})
        if searched:
            client = Client.open(ctx, quantiles.ROUNDS)
            found = quantiles.search(client, [there[name] for name in searched], self._shares)
            points |= dict(zip(searched, found, strict=True))
        empty = [name for name in names if not len(points[name])]
        if empty:
            raise DataError(f"Columns without any value have no bins: {', '.join(empty)}.")
        return [Binned(name, points[name], bin_numbers(values[name], points[name]), False) for name in names]
