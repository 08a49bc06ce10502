"""Numbers that two parties share: integers modulo 2**RING_BITS, one at each, that add up to a fixed-point number.

A share by itself is uniform, whatever the number is. Sums of shares, and products with what a party knows, are shares
of the sums and products. Their fraction bits add up; truncation takes some off, by each party alone (Mohassel and Zhang
2017, "SecureML", theorem 1): the result is off by one in its last bit at most, but for a chance of
2**(bits of the number + 1 - RING_BITS). RING_BITS leaves room: the longest number that is truncated, a sum of 2**20
products of scores up to 2**SCORE_BITS with features of COLUMN_BITS, has about 2**-36 in the worst case, a gradient of
usual size 2**-60.

A number that outgrows the ring leaves shares of something else, which is as good as random: whatever is opened is
checked to be small, so that it is found out but for a chance of 2**-36 or less.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.fixed_point import FixedPoint, to_floats
from fate_components.crypto.integers import as_residues, pack, unpack
from fate_components.linear.family import diverged
from fate_components.linear.messages import Step
from fate_components.linear.model import Floats
from fate_federated.errors import MessageRejected

RING_BITS = 152
FRACTION_BITS = 36
"""Behind the binary point of weights, gradients and scores."""
SCORE_BITS = 24
"""Scores, weights and labels have a magnitude below 2**SCORE_BITS."""
SMALL_BITS = SCORE_BITS + FRACTION_BITS + 2 + 48
"""Of a share that is used in a product; see :func:`small_shares`."""
COLUMN_BITS = 32
"""Magnitude of the integers that stand for features."""
LIMB_BITS = 51

Shares = npt.NDArray[np.object_]
"""Integers in 0..2**RING_BITS - 1, or such that are to be reduced."""

_MODULUS = mpz(1) << RING_BITS
_MASK = _MODULUS - 1
_HALF = _MODULUS >> 1
_BYTES = RING_BITS // 8
_FACTOR_BITS = 28


def reduced(integers: Any) -> Shares:
    """Modulo 2**RING_BITS."""
    result: Shares = integers & _MASK
    return result


def signed(shares: Shares) -> Shares:
    """As the integers of -2**(RING_BITS - 1) and above that they stand for."""
    result: Shares = ((shares + _HALF) & _MASK) - _HALF
    return result


def zeros(shape: tuple[int, ...]) -> Shares:
    """Shares of nothing."""
    return as_residues([mpz(0)] * int(np.prod(shape)), shape)


def random_shares(shape: tuple[int, ...]) -> Shares:
    """Uniform and secret."""
    return as_residues(unpack(secrets.token_bytes(_BYTES * int(np.prod(shape))), _BYTES), shape)


def small_shares(shape: tuple[int, ...]) -> Shares:
    """Uniform below 2**SMALL_BITS and secret: they hide a weight or a residual but for a chance of 2**-48.

    What a number is beyond such a share is small as well, so that ciphertexts have room for more products with it.
    """
    width = -(-SMALL_BITS // 8)
    drawn = as_residues(unpack(secrets.token_bytes(width * int(np.prod(shape))), width), shape)
    result: Shares = drawn >> (8 * width - SMALL_BITS)
    return result


def encoded(values: Floats, fraction_bits: int, step: Step) -> Shares:
    """Multiples of 2**-fraction_bits.

    Raises:
        ModelError: one is of 2**SCORE_BITS or more, which is what weights without bounds lead to.
    """
    if not (np.abs(values) < 2.0**SCORE_BITS).all():
        raise diverged(step)
    integers = FixedPoint.of(np.asarray(values, dtype=np.float64), -fraction_bits).integers
    return reduced(as_residues([mpz(value) for value in integers.ravel().tolist()], integers.shape))


def decoded(shares: Shares, fraction_bits: int, bits: int, step: Step) -> Floats:
    """The numbers behind the sum of both parties' shares.

    Args:
        bits: magnitudes are below 2**bits.

    Raises:
        ModelError: one is not: somewhere before, numbers left their range.
    """
    integers = signed(shares)
    if any(abs(value) >> (bits + fraction_bits) for value in integers.ravel().tolist()):
        raise diverged(step)
    return to_floats(integers, -fraction_bits)


def truncated(shares: Shares, bits: int, *, first: bool) -> Shares:
    """Shares of the numbers with so many fraction bits less, rounded.

    Args:
        first: whether these are the first party's; the parties do not do the same.
    """
    if bits == 0:
        return shares
    return reduced(shares >> bits) if first else reduced(-(reduced(-shares) >> bits))


def scaled(shares: Shares, factors: Floats | float, *, first: bool) -> Shares:
    """Shares of the numbers times public factors, which broadcast, with as many fraction bits as before."""
    values = np.asarray(factors, dtype=np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest:
        return zeros(shares.shape)
    bits = max(_FACTOR_BITS - int(np.frexp(largest)[1]), 0)
    integers = FixedPoint.of(values, -bits).integers.astype(object)
    return truncated(reduced(shares * integers), bits, first=first)


def multiplied(matrix: npt.NDArray[Any], shares: Shares) -> Shares:
    """A plain matrix of integers, shape (rows, n), times shares of shape (n, models)."""
    return reduced(np.asarray(matrix.astype(object) @ shares))


def limbs(shares: Shares) -> list[npt.NDArray[np.int64]]:
    """Signed digits of LIMB_BITS each, the lowest first, as int64; no more than the numbers have."""
    rest = signed(shares)
    found: list[npt.NDArray[np.int64]] = []
    half, mask = 1 << (LIMB_BITS - 1), (1 << LIMB_BITS) - 1
    while not found or rest.any():
        digit = ((rest + half) & mask) - half
        found.append(digit.astype(np.int64))
        rest = (rest - digit) >> LIMB_BITS
    return found


def shares_to_wire(shares: Shares) -> npt.NDArray[np.uint8]:
    """As bytes: one more axis, little-endian."""
    data = np.frombuffer(pack(shares.ravel().tolist(), _BYTES), dtype=np.uint8)
    return data.reshape(*shares.shape, _BYTES)


def shares_from_wire(value: object, shape: tuple[int, ...]) -> Shares:
    """What :func:`shares_to_wire` made.

    Raises:
        MessageRejected: it did not, or not of that shape.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != (*shape, _BYTES):
        raise MessageRejected(f"A message does not hold shares of shape {shape}.")
    return as_residues(unpack(value.tobytes(), _BYTES), shape)
