"""Where the bins of a column end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fate_components.columns import chosen_columns, numbers
from fate_components.feature_binning.model import Floats, Integers, bin_numbers
from fate_components.feature_binning.spec import HeteroFeatureBinningParams
from fate_federated.catalog.modules.feature import BinningParams
from fate_federated.errors import DataError
from fate_federated.task.table import Table


@dataclass(frozen=True, slots=True)
class Binned:
    """A column and the bins that its rows fall into.

    Attributes:
        split_points: see :func:`.model.bin_numbers`.
        numbers: the bin of each row, shape (rows,).
        mergeable: whether neighbouring bins may be merged: by method optimal, but for categories and given points.
    """

    name: str
    split_points: Floats
    numbers: Integers
    mergeable: bool

    @property
    def has_missing(self) -> bool:
        return bool((self.numbers == len(self.split_points)).any())

    @property
    def bins(self) -> int:
        """The bin of missing values is one of them if there are any."""
        return len(self.split_points) + self.has_missing

    def merged(self, ends: Integers) -> Binned:
        """With the bins that end where these initial bins do; shape (bins,), rising."""
        into = np.append(np.searchsorted(ends, np.arange(len(self.split_points))), len(ends))
        return Binned(self.name, self.split_points[ends], into[self.numbers], False)


def bin_columns(params: HeteroFeatureBinningParams, table: Table) -> list[Binned]:
    """The columns that are to be binned, in the table's order, in the bins that no label has to be known for.

    Raises:
        DataError: a column does not exist, or has no value.
    """
    header = table.feature_names
    if not len(table):
        raise DataError("A table without rows has no bins: the parties have no row in common.")
    given = given_points(params, header)
    categories = chosen_columns(
        header, params.category_indexes, params.category_names, ("category_indexes", "category_names")
    )
    chosen = chosen_columns(header, params.bin_indexes, params.bin_names, ("bin_indexes", "bin_names"))
    names = [name for name in header if name in {*chosen, *categories, *given}]
    values = numbers(table, names)
    empty = [name for name, column in zip(names, values.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"Columns without any value have no bins: {', '.join(empty)}.")
    binned = []
    for name, column in zip(names, values.T, strict=True):
        there = column[~np.isnan(column)]
        if name in given:
            points = given[name]
        elif name in categories:
            points = np.unique(there)
        else:
            points = _points(params, there)
            if not np.isfinite(points).all():
                raise DataError(f"The values of {name} are too large to cut their range into equal parts.")
        mergeable = params.method == "optimal" and name not in given and name not in categories
        binned.append(Binned(name, points, bin_numbers(column, points), mergeable))
    return binned


def _points(params: HeteroFeatureBinningParams, values: Floats) -> Floats:
    method, count = params.method, params.bin_num
    if params.method == "optimal":
        method, count = params.optimal_binning_param.init_bucket_method, params.optimal_binning_param.init_bin_nums
    if method == "quantile":
        # Ranks in whole numbers: 0.55 of 400 values is a little more than 220 in floating point.
        ranks = -(-np.arange(1, count + 1) * len(values) // count)
        return np.unique(np.sort(values)[ranks - 1])
    low, high = values.min(), values.max()
    with np.errstate(over="ignore"):
        points = np.unique(low + (high - low) * np.arange(1, count + 1) / count)
    if np.isfinite(points).all():
        points[-1] = high
    return points


def given_points(params: BinningParams, header: Sequence[str]) -> dict[str, Floats]:
    """Ends of bins that the parameters name, by column.

    Raises:
        DataError: a column does not exist, or its ends are no numbers.
    """
    given: dict[str, Floats] = {}
    for index, points in (params.split_points_by_index or {}).items():
        if not index.isdecimal() or int(index) >= len(header):
            raise DataError(f"split_points_by_index names column {index}; there are 0 to {len(header) - 1}.")
        given[header[int(index)]] = np.unique(points)
    unknown = sorted((params.split_points_by_col_name or {}).keys() - set(header))
    if unknown:
        raise DataError(f"split_points_by_col_name names {', '.join(unknown)}; the columns are {', '.join(header)}.")
    given |= {name: np.unique(points) for name, points in (params.split_points_by_col_name or {}).items()}
    for name, column in given.items():
        if not len(column) or not np.isfinite(column).all():
            raise DataError(f"The split points of {name} are no numbers.")
    return given
