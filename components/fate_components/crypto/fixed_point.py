"""Real numbers as integers times a power of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.integers import Floats, Residues
from fate_federated.errors import CryptoError

DEFAULT_EXPONENT = -40
_INT64_BITS = 62


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """An array of numbers integers * 2**exponent.

    Attributes:
        integers: int64, or Python's own where int64 is too narrow.
    """

    integers: npt.NDArray[Any]
    exponent: int

    @classmethod
    def of(cls, values: npt.ArrayLike, exponent: int = DEFAULT_EXPONENT) -> FixedPoint:
        """Integers as they are; floats rounded to multiples of 2**exponent.

        Raises:
            CryptoError: a value is not a finite number.
        """
        array = np.asarray(values)
        if array.dtype.kind in "bui":
            return cls(array.astype(np.int64) if array.dtype != np.uint64 else array.astype(object), 0)
        if array.dtype == object:
            return cls(array, 0)
        if array.dtype.kind != "f":
            raise CryptoError(f"An array of {array.dtype} cannot be encrypted.")
        with np.errstate(over="ignore"):
            scaled = np.rint(np.ldexp(array.astype(np.float64), -exponent))
        if not np.isfinite(scaled).all():
            raise CryptoError("A value that is missing, infinite or too large cannot be encrypted.")
        if np.abs(scaled).max(initial=0) < 2.0**_INT64_BITS:
            return cls(scaled.astype(np.int64), exponent)
        integers = np.empty(scaled.shape, dtype=object)
        integers[...] = np.vectorize(int, otypes=[object])(scaled)
        return cls(integers, exponent)

    @property
    def bound(self) -> int:
        """The largest magnitude of an integer."""
        if not self.integers.size:
            return 0
        return max(int(self.integers.max()), -int(self.integers.min()))

    def reduced(self) -> FixedPoint:
        """The same numbers with the largest exponent: factors of two that all integers share are taken out."""
        if self.integers.dtype == object or not self.integers.any():
            return self
        common = int(np.bitwise_or.reduce(self.integers, axis=None))
        twos = (common & -common).bit_length() - 1
        return FixedPoint(self.integers >> twos, self.exponent + twos)


def to_floats(integers: Residues, exponent: int) -> Floats:
    """integers * 2**exponent, correct to a float's precision however long the integers are."""
    flat = [_to_float(value, exponent) for value in integers.ravel()]
    return np.array(flat, dtype=np.float64).reshape(integers.shape)


def _to_float(value: mpz, exponent: int) -> float:
    drop = max(value.bit_length() - 64, 0)
    return math.ldexp(float(value >> drop), exponent + drop)
