"""Turning columns of categories into a column of zeros and ones for each category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import one_hot_pb2 as pb
from fate_federated.task.model import Model

LIMIT = 1024
"""Categories that a column may have, as in FATE."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How columns are encoded.

    Attributes:
        header: the features before, in order.
        categories: of each encoded column, in the order of their columns; whole numbers are written without a point.
    """

    header: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def result_header(self) -> tuple[str, ...]:
        """The features after, in order: in place of an encoded column those of its categories."""
        return tuple(name for column in self.header for name in self.names(column))

    def names(self, column: str) -> tuple[str, ...]:
        """What becomes of one column: ``<column>_<category>`` for each category, or itself."""
        if column not in self.categories:
            return (column,)
        return tuple(f"{column}_{category}" for category in self.categories[column])


def category_texts(name: str, column: pa.ChunkedArray, *, whole: bool) -> pa.Array:
    """A column's values as texts, shape (rows,), null where missing.

    Args:
        whole: refuse numbers that are not whole; else they become null, as nothing else can be meant.

    Raises:
        DataError: the column holds neither texts nor whole numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        exact = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**53))
        fit = pc.or_kleene(exact, pc.is_null(column, nan_is_null=True))
        if whole and not pc.all(fit).as_py():
            raise DataError(f"Column {name!r} holds numbers that are not whole, and cannot be encoded. Bin them first.")
        column = pc.if_else(exact, column, None).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_string(kind)):
        raise DataError(f"Column {name!r} holds {kind}, neither texts nor whole numbers.")
    texts = column.cast(pa.string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def encode(encoding: Encoding, columns: Mapping[str, pa.ChunkedArray]) -> dict[str, pa.Array | pa.ChunkedArray]:
    """The features after, in order.

    A row whose value is missing, or is none of the column's categories, has 0 in all of their columns.

    Raises:
        ModelError: a column is not there.
        DataError: a column does not hold categories.
    """
    absent = [name for name in encoding.header if name not in columns]
    if absent:
        raise ModelError(f"The model was trained on columns that the table lacks: {', '.join(absent)}.")
    encoded: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in encoding.header:
        if name not in encoding.categories:
            encoded[name] = columns[name]
            continue
        texts = category_texts(name, columns[name], whole=False)
        categories = pa.array(encoding.categories[name], pa.string())
        codes = pc.fill_null(pc.index_in(texts, value_set=categories), -1).to_numpy()
        for code, result in enumerate(encoding.names(name)):
            encoded[result] = pa.array((codes == code).astype(np.int64))
    return encoded


def in_order(categories: Sequence[str]) -> tuple[str, ...]:
    """Categories by number where all are whole numbers, else by text."""
    try:
        return tuple(sorted(categories, key=lambda text: (int(text), text)))
    except ValueError:
        return tuple(sorted(categories))


def encoding_of(model: Model) -> Encoding:
    """What a model learnt.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.OneHotMeta | pb.OHEAlignmentMeta) or not isinstance(
        param, pb.OneHotParam | pb.OHEAlignmentParam
    ):
        raise ModelError(f"One-hot encoding cannot apply a model of {model.module}.")
    return Encoding(tuple(meta.header), {name: tuple(param.col_map[name].values) for name in meta.transform_col_names})
