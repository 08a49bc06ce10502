"""Arrays of large integers and the bytes they travel in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Residues: TypeAlias = npt.NDArray[np.object_]
"""An array of mpz, each modulo n or n^2."""


def pack(values: Iterable[mpz], width_bytes: int) -> bytes:
    """Little-endian, ``width_bytes`` for each."""
    return b"".join(value.to_bytes(width_bytes, "little") for value in values)


def unpack(data: bytes | memoryview, width_bytes: int) -> list[mpz]:
    """What :func:`pack` wrote."""
    return [mpz.from_bytes(data[at : at + width_bytes], "little") for at in range(0, len(data), width_bytes)]


def as_residues(values: Sequence[mpz], shape: tuple[int, ...]) -> Residues:
    """A list as an array of that shape, C order."""
    flat = np.empty(len(values), dtype=object)
    flat[:] = values
    return flat.reshape(shape)


def product(values: Iterable[mpz], modulus: mpz) -> mpz:
    """Product modulo ``modulus``; 1 of nothing."""
    result = mpz(1)
    for value in values:
        result = result * value % modulus
    return result


def products_by_group(values: Sequence[mpz], groups: npt.NDArray[Any], count: int, modulus: mpz) -> list[mpz]:
    """For each g in 0..count-1 the product modulo ``modulus`` of the values whose group is g; 1 of nothing.

    Args:
        groups: shape (len(values),), below ``count``; where it is negative the value is left out.
    """
    # In the order of the rows: the values, more than a cache holds, are read once from one end to the other.
    products = [mpz(1)] * count
    for value, group in zip(values, groups.tolist(), strict=True):
        if group >= 0:
            products[group] = products[group] * value % modulus
    return products


def inverses(values: Sequence[mpz], modulus: mpz) -> list[mpz]:
    """The inverse of each, by one inversion and three multiplications per value (Montgomery 1987, section 10.3.1).

    Raises:
        ZeroDivisionError: one has none.
    """
    running, products = mpz(1), []
    for value in values:
        products.append(running)
        running = running * value % modulus
    inverse, result = gmpy2.invert(running, modulus), []
    for value, before in zip(reversed(values), reversed(products), strict=True):
        result.append(inverse * before % modulus)
        inverse = inverse * value % modulus
    result.reverse()
    return result
