"""One party's features and weights, and a step along a gradient that the arbiter decrypts without seeing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.integers import Integers
from fate_components.linear.family import diverged
from fate_components.linear.layout import COLUMN_BITS, Layout, revealed
from fate_components.linear.messages import Rows, Step
from fate_components.linear.model import Floats, LinearPart
from fate_components.linear.optimizer import Descent
from fate_federated.errors import DataError
from fate_federated.task.context import Peer
from fate_federated.task.table import Table


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers as integers that a residual is multiplied with.

    Attributes:
        integers: shape (rows, columns), magnitudes up to 2**COLUMN_BITS.
        exponents: number = integer * 2**exponent, of each column.
        numbers: the numbers themselves.
    """

    integers: Integers
    exponents: Integers
    numbers: Floats

    @classmethod
    def of(cls, values: Floats, precision: int) -> Columns:
        """Rounded to ``precision`` bits behind the binary point, and to fewer in a column of large numbers."""
        largest = np.abs(values).max(axis=0, initial=0.0)
        _, magnitude = np.frexp(largest)
        bits = np.minimum(precision, COLUMN_BITS - magnitude.astype(np.int64))
        return cls(np.rint(np.ldexp(values, bits)).astype(np.int64), -bits, values)

    def beside(self, other: Columns) -> Columns:
        """These columns, then the other's."""
        return Columns(
            np.column_stack([self.integers, other.integers]), np.append(self.exponents, other.exponents),
            np.column_stack([self.numbers, other.numbers]),
        )  # fmt: skip


@dataclass(slots=True)
class Learner:
    """See the module. Shapes: B rows of a batch, F features, with the guest's intercept among them; K models.

    Attributes:
        features: shape (rows, F), at the guest with a last column of ones for the intercept.
        columns: the same and what else the party takes inner products with.
        header: names of the features.
        present: 1, or 0 where a row is not a model's, shape (rows, K); None where all are.
        keep: told an iteration and the weights after it where they make a checkpoint.
    """

    features: Floats
    columns: Columns
    header: tuple[str, ...]
    descent: Descent
    intercept: bool
    present: Floats | None = None
    keep: Callable[[int, Floats], None] | None = None
    before: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.descent.weights

    def score(self, rows: Rows) -> Floats:
        """This party's part of the rows' linear scores, shape (B, K)."""
        score: Floats = self.features[rows] @ self.descent.weights
        return score

    def present_in(self, rows: Rows) -> Floats:
        """Which of the rows are which model's, shape (B, K) or (B, 1)."""
        return np.ones((len(rows), 1)) if self.present is None else self.present[rows]

    def sums(self, arbiter: Peer, tag: str, step: Step, rows: Rows, residual: EncryptedArray, layout: Layout) -> Floats:
        """Inner products of the columns with a residual that nobody sees, shape (columns, K)."""
        products = layout.inner_products(self.columns.integers[rows], residual)
        found = layout.unpacked(revealed(arbiter, tag, step, products))
        exponents = self.columns.exponents + layout.exponent
        numbers: Floats = np.ldexp(found.astype(np.float64), exponents[:, None])
        return numbers

    def descend(self, sums: Floats, counts: Floats, step: Step) -> None:
        """One step along the mean of X^T d.

        Args:
            sums: X^T d, shape (F, K).
            counts: rows of the batch, shape (K,) or (1,).

        Raises:
            ModelError: the weights grew beyond all bounds.
        """
        self.descent.step(sums / np.maximum(counts, 1))
        weights = self.descent.weights
        if not np.isfinite(weights).all() or np.abs(weights).max(initial=0) > 1e12:
            raise diverged(step)

    def curvature(self, sums: Floats, counts: Floats, change: Floats) -> Floats:
        """This party's part of the Hessian of the loss, with an L2 penalty, times a change of the weights.

        Args:
            sums: X^T times the change of d, shape (F, K).
            counts: rows that were measured, shape (K,) or (1,).
        """
        descent = self.descent
        penalty = descent.alpha * descent.penalized * change if descent.penalty == "L2" else 0.0
        curved: Floats = (sums / np.maximum(counts, 1) + penalty) * descent.free
        return curved

    def end_iteration(self) -> tuple[Floats, Floats]:
        """|w - w_before|² and |w|² of this party's weights, each of shape (K,)."""
        weights = self.descent.weights
        change = weights - self.before
        self.before = weights
        self.descent.iteration += 1
        return (change**2).sum(axis=0), (weights**2).sum(axis=0)

    @property
    def part(self) -> LinearPart:
        """The weights as they are now."""
        return part_of(self.header, self.descent.weights, intercept=self.intercept)


def part_of(header: tuple[str, ...], weights: Floats, *, intercept: bool) -> LinearPart:
    """Weights in the order of the learner's, as a model's part."""
    count = len(header)
    return LinearPart(header, weights[:count], weights[count] if intercept else np.zeros(weights.shape[1]))


def checked_features(table: Table, module: str, leave_out: str | None = None) -> tuple[tuple[str, ...], Floats]:
    """A table's features and their names, but for one column.

    Raises:
        DataError: there is none, or a value is missing or infinite.
    """
    names = tuple(name for name in table.feature_names if name != leave_out)
    if not names:
        raise DataError(f"{module} needs at least one feature column at every guest and host.")
    features = table.numbers(names)
    bad = np.flatnonzero(~np.isfinite(features).all(axis=0))
    if len(bad):
        listed = ", ".join(names[index] for index in bad)
        raise DataError(f"Values are missing or infinite in {listed}. Fill them, as with DataTransform's missing_fill.")
    return names, features
