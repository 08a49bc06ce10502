"""Metrics of decisions between several classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.evaluation.binary import Amounts, Counts, Floats
from fate_federated.errors import DataError

MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often which class was predicted for rows of which.

    Attributes:
        classes: numbers or texts, rising: all that are labels or were predicted.
        matrix: rows with the label of a row of the matrix and the prediction of a column, or the sums of their
            weights; shape (classes, classes).
    """

    classes: tuple[float | str, ...]
    matrix: Amounts

    @property
    def names(self) -> list[str]:
        """The classes as texts."""
        names: list[str] = as_text(pa.array(self.classes)).to_pylist()
        return names

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.matrix) / self.matrix.sum())

    @property
    def precision(self) -> Floats:
        """Of each class: share of the rows predicted to be of it that are; 0 where none are. Shape (classes,)."""
        return self._hits(self.matrix.sum(axis=0))

    @property
    def recall(self) -> Floats:
        """Of each class: share of its rows that are predicted to be of it; 0 where it has none. Shape (classes,)."""
        return self._hits(self.matrix.sum(axis=1))

    @property
    def jaccard(self) -> float:
        """Jaccard index of each class, weighted by its rows."""
        wanted = self.matrix.sum(axis=1)
        return float(np.average(self._hits(wanted + self.matrix.sum(axis=0) - self.matrix.diagonal()), weights=wanted))

    def _hits(self, of: Amounts) -> Floats:
        return np.divide(self.matrix.diagonal(), of, out=np.zeros(of.size), where=of > 0)


def confusion(label: pa.Array, predicted: pa.Array, weight: Floats | None = None) -> Confusion:
    """Count rows by label and prediction.

    Args:
        label, predicted: numbers or texts, shape (rows,), no value missing.
        weight: shape (rows,); None where all rows count the same.

    Raises:
        DataError: there are more than MOST_CLASSES classes.
    """
    classes, codes = encoded(pa.concat_arrays([*_alike(label, predicted)]))
    rows = len(label)
    return Confusion(classes, cross_table(codes[:rows], codes[rows:], len(classes), len(classes), weight))


def encoded(values: pa.Array) -> tuple[tuple[float | str, ...], Counts]:
    """The distinct values, rising, and the position of each row's value among them.

    Raises:
        DataError: there are more than MOST_CLASSES.
    """
    coded = values.dictionary_encode()
    if len(coded.dictionary) > MOST_CLASSES:
        raise DataError(
            f"There are {len(coded.dictionary)} different labels; up to {MOST_CLASSES} count as classes. "
            "Numbers are evaluated with eval_type regression."
        )
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    return tuple(coded.dictionary.take(pa.array(order)).to_pylist()), rank[coded.indices.to_numpy()]


def cross_table(first: Counts, second: Counts, height: int, width: int, weight: Floats | None = None) -> Amounts:
    """How often each pair of codes occurs, shape (height, width)."""
    return np.bincount(first * width + second, weight, height * width).reshape(height, width)


def _alike(first: pa.Array, second: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both as numbers, or as texts if one of them is."""
    if first.type == second.type:
        return first, second
    if pa.types.is_string(first.type) or pa.types.is_string(second.type):
        return as_text(first), as_text(second)
    return first.cast(pa.float64()), second.cast(pa.float64())


def exact(values: pa.Array) -> pa.Array:
    """Whole numbers as such: labels are 0 and 1, not 0.0 and 1.0; those that a float has exactly."""
    if not pa.types.is_floating(values.type):
        return values
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
    return values.cast(pa.int64()) if pc.all(whole).as_py() else values


def as_text(values: pa.Array) -> pa.Array:
    """Texts; a whole number is written as such."""
    return exact(values).cast(pa.string())
