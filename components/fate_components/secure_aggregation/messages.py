"""What clients and the arbiter say to one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_components.secure_aggregation.shamir import SHARE_BYTES
from fate_components.secure_aggregation.words import Floats, Words
from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import Wire

Bytes = npt.NDArray[np.uint8]

KEYS, SHARES, MASKED, SURVIVORS, OPENED, OUTCOME = "keys", "shares", "masked", "survivors", "opened", "outcome"
"""Tags, after the name of the aggregation."""

MOST_NUMBERS = 1 << 31


def bytes_from_wire(value: Any, shape: tuple[int, ...]) -> Bytes:
    """Bytes of a shape.

    Raises:
        MessageRejected: they are something else.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != shape:
        raise MessageRejected(f"A peer sent something other than the bytes of shape {shape} that were agreed.")
    return value


@dataclass(frozen=True, slots=True)
class Masked:
    """From a client to the arbiter: its numbers and their weights, masked.

    Attributes:
        shape, weight_shape: of the numbers and of the weights.
        words: shape (2, numbers + weights).
    """

    shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    words: Words

    def to_wire(self) -> Wire:
        return {"shape": self.shape, "weight_shape": self.weight_shape, "words": self.words}

    @classmethod
    def from_wire(cls, value: Any) -> Masked:
        """Parse it.

        Raises:
            MessageRejected: it is something else.
        """
        match value:
            case {"shape": list() as shape, "weight_shape": list() as weight_shape, "words": np.ndarray() as words}:
                sizes = (*shape, *weight_shape)
                if all(type(size) is int and 0 <= size < MOST_NUMBERS for size in sizes):
                    count = math.prod(shape) + math.prod(weight_shape)
                    if words.dtype == np.uint64 and words.shape == (2, count):
                        return cls(tuple(shape), tuple(weight_shape), words)
        raise MessageRejected("A client sent something other than masked numbers.")


def survivors_from_wire(value: Any, clients: int, threshold: int) -> tuple[int, ...]:
    """Whose numbers the arbiter has, rising places.

    Raises:
        MessageRejected: they are too few, or no places of clients.
    """
    if (
        not isinstance(value, list)
        or any(type(place) is not int for place in value)
        or value != sorted(set(value) & set(range(clients)))
        or len(value) < threshold
    ):
        raise MessageRejected("The arbiter did not say whose numbers it has, or they are too few to hide one another.")
    return tuple(value)


def shares_to_wire(shares: Sequence[bytes]) -> Bytes:
    """Opened shares, one for each client."""
    return np.frombuffer(b"".join(shares), np.uint8).reshape(len(shares), SHARE_BYTES)


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over clients.

    Attributes:
        values: the sum of each client's numbers times their weights.
        weight: the sum of the weights; it broadcasts with ``values``.
        counted: places of the clients that are in it.
    """

    values: Floats
    weight: Floats
    counted: tuple[int, ...]

    @property
    def mean(self) -> Floats:
        """values / weight, 0 where there is no weight."""
        present = self.weight > 0
        mean: Floats = np.where(present, self.values, 0.0) / np.where(present, self.weight, 1.0)
        return mean

    def to_wire(self) -> Wire:
        return {"values": self.values, "weight": self.weight, "counted": self.counted}

    @classmethod
    def from_wire(cls, value: Any, shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> Total:
        """Parse one of these shapes.

        Raises:
            MessageRejected: it is something else.
        """
        match value:
            case {"values": np.ndarray() as values, "weight": np.ndarray() as weight, "counted": list() as counted}:
                if (
                    values.dtype == weight.dtype == np.float64
                    and (values.shape, weight.shape) == (shape, weight_shape)
                    and all(type(place) is int for place in counted)
                ):
                    return cls(values, weight, tuple(counted))
        raise MessageRejected("The arbiter sent something other than the sum that was agreed.")
