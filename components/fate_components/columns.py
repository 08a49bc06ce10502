"""Columns as parameters choose them, and the name by which other parties know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_federated.errors import DataError
from fate_federated.party import Party
from fate_federated.task.table import Table


def chosen_columns(
    header: Sequence[str],
    indexes: Literal[-1] | Sequence[int] | None,
    names: Sequence[str] | None,
    parameters: tuple[str, str],
) -> tuple[str, ...]:
    """The columns that positions and names choose together, in the header's order.

    Args:
        indexes: -1 for all.
        parameters: what the two are called.

    Raises:
        DataError: there is no such column.
    """
    wanted = set(names or ())
    unknown = sorted(wanted - set(header))
    # Also where all columns are chosen: the name is a mistake.
    if unknown:
        raise DataError(f"{parameters[1]} names {', '.join(unknown)}; the columns are {', '.join(header)}.")
    if indexes == -1:
        return tuple(header)
    for index in indexes or ():
        if not 0 <= index < len(header):
            raise DataError(f"{parameters[0]} names column {index}; there are 0 to {len(header) - 1}.")
        wanted.add(header[index])
    return tuple(name for name in header if name in wanted)


def anonymous_name(party: Party, position: int) -> str:
    """What other parties call a column: its party and its position among the party's features."""
    return f"{party.role}_{party.party_id}_{position}"


def numbers(table: Table, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Some features, shape (rows, len(names)), Fortran order, missing values as NaN.

    Raises:
        DataError: a column is not a number, or a value is infinite.
    """
    values = table.numbers(names)
    infinite = [name for name, column in zip(names, values.T, strict=True) if np.isinf(column).any()]
    if infinite:
        raise DataError(f"Values are infinite in {', '.join(infinite)}.")
    return values


def with_columns(table: Table, columns: Mapping[str, npt.NDArray[np.generic]]) -> Table:
    """The same table with other values in some columns."""
    data = table.data
    for name, values in columns.items():
        data = data.set_column(data.column_names.index(name), name, pa.array(values))
    return replace(table, data=data)
