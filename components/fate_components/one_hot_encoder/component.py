"""A column for each value of a column."""

from __future__ import annotations

import logging

from fate_components.alone import AloneComponent
from fate_components.columns import chosen_columns
from fate_components.one_hot_encoder.fit import checked_encoding, learn_categories
from fate_components.one_hot_encoder.model import Encoding, encode, encoding_of
from fate_components.one_hot_encoder.spec import OneHotEncoderParams
from fate_components.tables import input_table
from fate_federated.pb.model import one_hot_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

PARAMETERS = ("transform_col_indexes", "transform_col_names")


class OneHotEncoder(AloneComponent[OneHotEncoderParams]):
    """Replace columns of texts or whole numbers by a column of 0 and 1 for each of their values. Each party by itself;
    nothing is sent.

    Without a model it learns the values; with one, a value that it does not know has 0 in all columns.
    """

    Params = OneHotEncoderParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            return Outputs((encoded_table(ctx, table, encoding_of(inputs.model)),), inputs.model)
        header = table.feature_names
        indexes, names = self.params.transform_col_indexes, self.params.transform_col_names
        chosen = chosen_columns(header, indexes, names, PARAMETERS)
        encoding = checked_encoding(header, learn_categories(table, chosen))
        meta = pb.OneHotMeta(transform_col_names=encoding.categories, header=header, need_run=self.params.need_run)
        param = pb.OneHotParam(col_map=columns_map(encoding), result_header=encoding.result_header)
        return Outputs((encoded_table(ctx, table, encoding),), Model("OneHotEncoder", meta, param))


def encoded_table(ctx: TaskContext, table: Table, encoding: Encoding) -> Table:
    """The table after, which the tracker is told of."""
    extra = [name for name in table.feature_names if name not in encoding.header]
    if extra:
        log.warning("columns that the model does not know are dropped: %s", ", ".join(extra))
    encoded = table.with_columns(encode(encoding, {name: table.data.column(name) for name in table.feature_names}))
    dimensions = {"original_dimension": len(encoding.header), "transferred_dimension": len(encoded.feature_names)}
    log.info("%d columns became %d", *dimensions.values())
    ctx.tracker.set_summary(dimensions)
    return encoded


def columns_map(encoding: Encoding) -> dict[str, pb.ColsMap]:
    """The categories as models hold them."""
    return {
        name: pb.ColsMap(values=values, transformed_headers=encoding.names(name))
        for name, values in encoding.categories.items()
    }
