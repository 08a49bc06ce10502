"""What the arbiter tells of a tree and of a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_components.secureboost.model import Bits, Floats, Integers
from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import Wire


def array_from_wire(value: Any, kind: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array of a type and shape.

    Raises:
        MessageRejected: it is something else.
    """
    if not isinstance(value, np.ndarray) or value.dtype != kind or value.shape != shape:
        raise MessageRejected("The arbiter sent something other than the array that was agreed.")
    return value


@dataclass(frozen=True, slots=True)
class Decisions:
    """What becomes of the nodes of a level; each array has shape (nodes,) where nothing else is said.

    Attributes:
        features: places among the tree's columns; -1 where the node is a leaf.
        bins: numbers of the bins up to which rows go left.
        missing_left: whether missing values go left.
        gains: of the splits.
        weights: of the nodes, if they are leaves, shape (nodes, outputs).
        of_children: the weights of the children, left and right, shape (nodes, 2, outputs).
        grows: which children may be split in turn, shape (nodes, 2).
    """

    features: Integers
    bins: Integers
    missing_left: Bits
    gains: Floats
    weights: Floats
    of_children: Floats
    grows: Bits

    @classmethod
    def leaves(cls, nodes: int, outputs: int) -> Decisions:
        """Nothing is split yet."""
        return cls(
            np.full(nodes, -1), np.zeros(nodes, np.int64), np.zeros(nodes, np.bool_), np.zeros(nodes),
            np.zeros((nodes, outputs)), np.zeros((nodes, 2, outputs)), np.zeros((nodes, 2), np.bool_),
        )  # fmt: skip

    def to_wire(self) -> Wire:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_wire(cls, value: Any, nodes: int, columns: int, bins: int, outputs: int) -> Decisions:
        """Parse what is said of so many nodes.

        Raises:
            MessageRejected: it is something else.
        """
        fields = value if isinstance(value, dict) else {}
        kinds: dict[str, tuple[npt.DTypeLike, tuple[int, ...]]] = {
            "features": (np.int64, (nodes,)), "bins": (np.int64, (nodes,)), "missing_left": (np.bool_, (nodes,)),
            "gains": (np.float64, (nodes,)), "weights": (np.float64, (nodes, outputs)),
            "of_children": (np.float64, (nodes, 2, outputs)), "grows": (np.bool_, (nodes, 2)),
        }  # fmt: skip
        found = cls(**{name: array_from_wire(fields.get(name), *kind) for name, kind in kinds.items()})
        within = (found.features >= -1) & (found.features < columns) & (found.bins >= 0) & (found.bins < max(bins, 1))
        if not within.all():
            raise MessageRejected("The arbiter splits nodes by columns or bins that there are not.")
        return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How a training stands before a round.

    Attributes:
        loss: mean of all rows by weight.
        exponents: of each dimension, that derivatives are divided by 2 to the power of, so that the sum of the
            magnitudes of all rows' is at most 1: of the first and the second derivatives; shape (2, dimensions).
    """

    loss: float
    exponents: Integers

    def to_wire(self) -> Wire:
        return {"loss": self.loss, "exponents": self.exponents}

    @classmethod
    def from_wire(cls, value: Any, dimensions: int) -> Standing:
        """Parse one.

        Raises:
            MessageRejected: it is something else.
        """
        match value:
            case {"loss": float() as loss, "exponents": exponents}:
                return cls(loss, array_from_wire(exponents, np.int64, (2, dimensions)))
        raise MessageRejected("The arbiter did not say how the training stands.")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the arbiter tells of all parties' rows: how many there are, and the mean of their labels by weight."""

    rows: float
    mean: float

    def to_wire(self) -> Wire:
        return {"rows": self.rows, "mean": self.mean}

    @classmethod
    def from_wire(cls, value: Any) -> Beginning:
        """Parse it.

        Raises:
            MessageRejected: it is something else.
        """
        match value:
            case {"rows": float() as rows, "mean": float() as mean} if rows >= 1:
                return cls(rows, mean)
        raise MessageRejected("The arbiter did not say how many rows there are.")
