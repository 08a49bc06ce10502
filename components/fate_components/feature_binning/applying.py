"""What bins do to a table."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fate_components.columns import chosen_columns, numbers, with_columns
from fate_components.feature_binning.fit import Binned
from fate_components.feature_binning.model import binning_of
from fate_federated.catalog.shared_params import TransformParams
from fate_federated.errors import DataError, ModelError
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


def transformed_names(params: TransformParams, header: Sequence[str], columns: Sequence[Binned]) -> tuple[str, ...]:
    """The columns that are replaced.

    Raises:
        DataError: one of them does not exist, or is not binned.
    """
    if params.transform_type is None:
        return ()
    binned = [column.name for column in columns]
    chosen = chosen_columns(
        header, params.transform_cols, params.transform_names, ("transform_cols", "transform_names")
    )
    if params.transform_cols == -1:
        return tuple(binned)
    without = [name for name in chosen if name not in binned]
    if without:
        raise DataError(f"transform_param names columns that are not binned: {', '.join(without)}.")
    return chosen


def binned_table(table: Table, model: Model) -> Table:
    """The table with the columns that a model replaces.

    Raises:
        ModelError: it is a model of something else, or a column is absent.
    """
    binning = binning_of(model)
    absent = [name for name in binning.transformed if name not in table.feature_names]
    if absent:
        raise ModelError(f"The model bins columns that the table lacks: {', '.join(absent)}.")
    values = numbers(table, binning.transformed)
    replaced = {name: binning.transform(name, values[:, place]) for place, name in enumerate(binning.transformed)}
    log.info("%d columns in bins, %d of them replaced", len(binning.split_points), len(replaced))
    return with_columns(table, replaced)
