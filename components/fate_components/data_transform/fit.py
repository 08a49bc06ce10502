"""Learning from training rows what a column's missing values and outliers are replaced by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fate_components.data_transform.model import ColumnPlan, Mask, Parsed, Plan, finish_column, parse_column
from fate_components.data_transform.raw import find_column
from fate_components.data_transform.spec import DataIoParams, Scalar
from fate_federated.errors import DataError

MISSING_WORDS = ("", "none", "null", "na", "None", "nan")
"""FATE's words for a missing value where the conf names none."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt, and what it makes of the rows that it was learnt from.

    Attributes:
        features: by column.
        missing_ratio, outlier_ratio: by column, share of the rows, 0..1.
    """

    plan: Plan
    features: dict[str, pa.Array]
    missing_ratio: dict[str, float]
    outlier_ratio: dict[str, float]


def learn(params: DataIoParams, data: pa.Table, names: Sequence[str]) -> Learnt:
    """Learn from the columns ``names`` of ``data``.

    Raises:
        DataError: a column does not hold what the parameters say, has no value to learn from, or a list of fills has
            another length than the columns.
    """
    exclusive = params.exclusive_data_type or {}
    types = {find_column(name, names, "exclusive_data_type"): kind for name, kind in exclusive.items()}
    missing = missing_words(params.missing_impute)
    outliers: tuple[str, ...] = ()
    if params.outlier_replace:
        outliers = missing_words(params.outlier_impute)
    fills = per_column("default_value", params.default_value, len(names))
    replacements = per_column("outlier_replace_value", params.outlier_replace_value, len(names))
    columns, features, missing_ratio, outlier_ratio = [], {}, {}, {}
    for name, fill, replacement in zip(names, fills, replacements, strict=True):
        data_type = types.get(name, params.data_type)
        parsed = parse_column(name, data.column(name), data_type, missing, outliers)
        column = ColumnPlan(
            name,
            data_type,
            fill_of(name, parsed, params.missing_fill_method, fill) if params.missing_fill else None,
            fill_of(name, parsed, params.outlier_replace_method, replacement) if params.outlier_replace else None,
        )
        columns.append(column)
        features[name] = finish_column(column, parsed)
        missing_ratio[name], outlier_ratio[name] = _share(parsed.missing), _share(parsed.outlier)
    return Learnt(Plan(tuple(columns), missing, outliers), features, missing_ratio, outlier_ratio)


def missing_words(values: Scalar | list[Scalar] | None) -> tuple[str, ...]:
    """The texts that a parameter names, or FATE's where it names none."""
    if values is None:
        return MISSING_WORDS
    return tuple(map(str, values if isinstance(values, list) else [values]))


def per_column(parameter: str, values: Scalar | list[Scalar], columns: int) -> list[Scalar]:
    """One value for each column.

    Raises:
        DataError: a list has another length.
    """
    if not isinstance(values, list):
        return [values] * columns
    if len(values) != columns:
        raise DataError(
            f"{parameter} lists {len(values)} values for {columns} columns. Give one value, or one for each."
        )
    return values


def fill_of(name: str, parsed: Parsed, method: str | None, default: Scalar) -> str:
    """What fills a column, as text: its min, max or mean, or the default.

    Raises:
        DataError: the column has nothing to take that of.
    """
    if method in (None, "designated"):
        return str(default)
    values = parsed.values
    if pa.types.is_string(values.type):
        raise DataError(f"Column {name!r} is text and has no {method} to fill with. Use designated.")
    if values.null_count == len(values):
        raise DataError(f"Column {name!r} has no value to take the {method} of. Use designated, or remove it.")
    if method == "mean":
        mean = pc.mean(values).as_py()
        return repr(round(mean) if pa.types.is_integer(values.type) else mean)
    return repr(pc.min_max(values)[method].as_py())


def _share(mask: Mask) -> float:
    return float(mask.mean()) if mask.size else 0.0
