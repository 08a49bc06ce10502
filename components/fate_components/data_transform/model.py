"""Turning raw columns into features by a plan that was learnt from training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import data_transform_pb2 as pb
from fate_federated.task.model import Model

Mask = npt.NDArray[np.bool_]

ARROW_TYPES: dict[str, pa.DataType] = {
    "float64": pa.float64(),
    "float": pa.float64(),
    "int64": pa.int64(),
    "int": pa.int64(),
    "long": pa.int64(),
    "str": pa.string(),
}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column becomes a feature.

    Attributes:
        data_type: a key of ARROW_TYPES.
        fill: takes the place of a missing value, as text; None leaves it missing.
        replacement: takes the place of an outlier, as text; None leaves it.
    """

    name: str
    data_type: str
    fill: str | None = None
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How raw columns become features.

    Attributes:
        columns: the features in their order.
        missing: texts and numbers that count as missing, as text. An absent value and a NaN always do.
        outliers: texts and numbers that are replaced, as text.
    """

    columns: tuple[ColumnPlan, ...]
    missing: tuple[str, ...]
    outliers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A raw column, read.

    Attributes:
        values: numbers or texts; null where missing or outlier is set.
        missing, outlier: shape (rows,); a value may be both.
    """

    values: pa.Array
    missing: Mask
    outlier: Mask


def parts_of(model: Model, module: str) -> tuple[pb.DataTransformMeta, pb.DataTransformParam]:
    """The messages of a model.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.DataTransformMeta) or not isinstance(param, pb.DataTransformParam):
        raise ModelError(f"{module} cannot apply a model of {model.module}.")
    return meta, param


def plan_of(meta: pb.DataTransformMeta, param: pb.DataTransformParam) -> Plan:
    """What a model learnt of the columns."""
    fills, replacements = param.imputer_param.missing_replace_value, param.outlier_param.outlier_replace_value
    columns = tuple(
        ColumnPlan(
            name, meta.exclusive_data_type.get(name, meta.data_type), fills.get(name), replacements.get(name)
        )
        for name in param.header
    )  # fmt: skip
    return Plan(columns, tuple(meta.imputer_meta.missing_value), tuple(meta.outlier_meta.outlier_value))


def parse_column(
    name: str, raw: pa.ChunkedArray, data_type: str, missing: Sequence[str], outliers: Sequence[str]
) -> Parsed:
    """Read a raw column of texts or numbers as a data type.

    Raises:
        DataError: a value is not one of that type; the text names column and row, counted from 1, and no value.
    """
    column = _plain(name, raw)
    absent = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
    is_missing = absent | _among(column, missing)
    is_outlier = _among(column, outliers) | (absent if "" in outliers else False)
    if pa.types.is_string(column.type) and data_type != "str":
        column = _numbers(name, _blank(column, is_missing | is_outlier), data_type)
        # A text may spell a number otherwise than the conf does: -9999.0, 1e3, NaN.
        is_missing |= _among(column, missing) | _among(column, ("nan",))
        is_outlier |= _among(column, outliers)
    column = _blank(column, is_missing | is_outlier)
    try:
        values = column.cast(ARROW_TYPES[data_type])
    except pa.ArrowInvalid as error:
        raise DataError(
            f"Column {name!r} holds numbers that are no {data_type}. Give it another type with data_type or "
            f'"exclusive_data_type": {{"{name}": "float64"}}.'
        ) from error
    return Parsed(values, is_missing, is_outlier)


def finish_column(column: ColumnPlan, parsed: Parsed) -> pa.Array:
    """The feature of a parsed column, missing values and outliers filled in.

    Raises:
        DataError: a fill is not of the column's type.
    """
    values, outlier = parsed.values, parsed.outlier
    if column.fill is not None:
        fill = _scalar(column, column.fill)
        outlier = outlier & ~parsed.missing
        values = pc.if_else(pa.array(parsed.missing), fill, values) if outlier.any() else pc.fill_null(values, fill)
    if column.replacement is not None:
        values = pc.if_else(pa.array(outlier), _scalar(column, column.replacement), values)
    return values


def transform_column(plan: Plan, column: ColumnPlan, raw: pa.ChunkedArray) -> pa.Array:
    """The feature of a raw column.

    Raises:
        DataError: as parse_column and finish_column.
    """
    return finish_column(column, parse_column(column.name, raw, column.data_type, plan.missing, plan.outliers))


def _plain(name: str, raw: pa.ChunkedArray) -> pa.Array:
    """One array of trimmed texts, integers or floats."""
    column = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.utf8_trim_whitespace(column.cast(pa.string()))
    if pa.types.is_boolean(column.type) or pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column
    raise DataError(f"Column {name!r} holds {column.type}, neither numbers nor text.")


def _among(column: pa.Array, words: Sequence[str]) -> Mask:
    """Where a column holds one of these texts, or a number that one of them spells."""
    if pa.types.is_string(column.type):
        found = pc.is_in(column, value_set=pa.array(words, pa.string()))
    else:
        numbers = [number for number in map(_number, words) if number is not None]
        if all(map(math.isnan, numbers)):  # as where nothing is said: far faster than a search
            if not numbers or not pa.types.is_floating(column.type):
                return np.zeros(len(column), dtype=np.bool_)
            is_nan: Mask = pc.fill_null(pc.is_nan(column), False).to_numpy(zero_copy_only=False)
            return is_nan
        found = pc.is_in(column.cast(pa.float64(), safe=False), value_set=pa.array(numbers, pa.float64()))
    mask: Mask = found.to_numpy(zero_copy_only=False)
    return mask


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _blank(column: pa.Array, mask: Mask) -> pa.Array:
    """Null where the mask says so; it holds wherever the column is null already."""
    if np.count_nonzero(mask) == column.null_count:
        return column
    return pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)


def _numbers(name: str, column: pa.Array, data_type: str) -> pa.Array:
    # An integer may be written as 1.0.
    for target in dict.fromkeys((ARROW_TYPES[data_type], pa.float64())):
        try:
            return column.cast(target)
        except pa.ArrowInvalid:
            continue
    row = next(row for row, text in enumerate(column.to_pylist(), 1) if text is not None and not _is_number(text))
    raise DataError(
        f"Column {name!r} holds something other than a number in row {row}. Name what counts as missing with "
        f'missing_impute, or read it as text with "exclusive_data_type": {{"{name}": "str"}}.'
    )


def _is_number(text: str) -> bool:
    try:
        pa.array([text]).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _scalar(column: ColumnPlan, text: str) -> pa.Scalar:
    target = ARROW_TYPES[column.data_type]
    if column.data_type == "str":
        return pa.scalar(text, target)
    number = _number(text)
    if number is None or (target == pa.int64() and not number.is_integer()):
        raise DataError(f"Column {column.name!r} is {column.data_type} and cannot be filled with {text!r}.")
    return pa.scalar(int(number) if target == pa.int64() else number, target)
