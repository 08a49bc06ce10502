"""Quantiles of all parties' values, of which nobody says more than how many lie in intervals, summed over all.

Each number is read as an integer of 32 bits in the same order: sign, exponent, and the first 20 bits of the fraction.
The first sum is of how many values have which 8 leading bits. Of each quantile the arbiter then knows the interval that
holds it, and tells all; each next sum is of that interval's 16 parts, until it is one integer. A value is searched for
as the k-th of n in order, k = ⌈share·n⌉ ("inverted_cdf", Hyndman, Fan 1996, definition 1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.secureboost.model import Floats, Integers
from fate_federated.errors import MessageRejected

BITS = 32
FIRST_BITS, NEXT_BITS = 8, 4
ROUNDS = 1 + (BITS - FIRST_BITS) // NEXT_BITS
"""Secure sums that a search takes."""


def ordered(values: Floats) -> npt.NDArray[np.uint32]:
    """Integers in the values' order; those of values that agree in the first 20 bits of the fraction are equal.

    Subnormal numbers count as 0, which is the same as -0.
    """
    bits = np.where(np.abs(values) < np.finfo(np.float64).tiny, 0.0, values).view(np.uint64)
    negative = bits >> np.uint64(63) == 1
    rising = np.where(negative, ~bits, bits | np.uint64(1 << 63))
    return (rising >> np.uint64(32)).astype(np.uint32)


def largest_of(integers: npt.NDArray[np.uint32]) -> Floats:
    """The largest number that :func:`ordered` gives each of these integers."""
    rising = integers.astype(np.uint64) << np.uint64(32) | np.uint64(0xFFFFFFFF)
    positive = rising >> np.uint64(63) == 1
    bits = np.where(positive, rising ^ np.uint64(1 << 63), ~rising)
    return bits.view(np.float64)


def search(client: Client, columns: list[Floats], shares: Floats) -> list[Floats]:
    """A client's part.

    Args:
        columns: this party's values of each, without missing ones.
        shares: of each column's values, in 0 … 1, rising.

    Returns:
        for each column the borders, rising, each once; none for a column without a value at any party. At each
        share's border at least that share of all parties' values is not above it.

    Raises:
        MessageRejected: the arbiter sent something else than was agreed.
    """
    integers = [np.sort(ordered(column)).astype(np.int64) for column in columns]
    edges = np.arange((1 << FIRST_BITS) + 1) << (BITS - FIRST_BITS)
    client.send(np.stack([_counts(column, edges) for column in integers]))
    at = _places(client.receive(), (len(columns), len(shares)), 1 << FIRST_BITS)
    for shift in range(BITS - FIRST_BITS - NEXT_BITS, -1, -NEXT_BITS):
        parts = np.arange((1 << NEXT_BITS) + 1) << shift
        starts = np.maximum(at, 0) << (shift + NEXT_BITS)
        client.send(np.stack([
            _counts(column, some[:, None] + parts) for column, some in zip(integers, starts, strict=True)
        ]))  # fmt: skip
        at = _places(client.receive(), at.shape, 1 << (BITS - shift))
    return [np.unique(largest_of(places[places >= 0].astype(np.uint32))) for places in at]


def serve(aggregator: Aggregator, shares: Floats) -> None:
    """The arbiter's part.

    Raises:
        MessageRejected: the sums are none of counts.
    """
    counts = aggregator.sum().values
    if counts.ndim != 2 or counts.shape[1] != 1 << FIRST_BITS:
        raise MessageRejected("Clients sent something other than counts.")
    total = counts.sum(axis=1)
    rank = np.ceil(np.round(shares * total[:, None], 6)).clip(1)
    passed = np.cumsum(counts, axis=1)
    # The first interval up to whose end there are as many values as the quantile's rank.
    at = (passed[:, None, :] < rank[:, :, None]).sum(axis=2)
    at = np.where(total[:, None] > 0, at, -1)
    before = _before(passed, at)
    aggregator.tell(at.astype(np.int64))
    for _ in range(ROUNDS - 1):
        counts = aggregator.sum().values
        if counts.shape != (*at.shape, 1 << NEXT_BITS):
            raise MessageRejected("Clients sent something other than counts.")
        passed = before[:, :, None] + np.cumsum(counts, axis=2)
        part = (passed < rank[:, :, None]).sum(axis=2).clip(max=(1 << NEXT_BITS) - 1)
        taken = np.take_along_axis(passed, np.maximum(part - 1, 0)[:, :, None], axis=2)[:, :, 0]
        before = np.where(part > 0, taken, before)
        at = np.where(at >= 0, at * (1 << NEXT_BITS) + part, -1)
        aggregator.tell(at.astype(np.int64))


def _before(passed: Floats, at: Integers) -> Floats:
    """How many values lie below intervals, shape of ``at``."""
    below = np.concatenate([np.zeros((len(passed), 1)), passed], axis=1)
    return np.take_along_axis(below, np.maximum(at, 0), axis=1)


def _counts(rising: Integers, edges: Integers) -> Integers:
    """How many integers lie from each edge to before the next, along the last axis of ``edges``."""
    return np.diff(np.searchsorted(rising, edges), axis=-1)


def _places(value: object, shape: tuple[int, ...], limit: int) -> Integers:
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != np.int64
        or value.shape != shape
        or value.min(initial=0) < -1
        or value.max(initial=0) >= limit
    ):
        raise MessageRejected("The arbiter did not say in which interval each quantile is.")
    return value
