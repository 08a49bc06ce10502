"""Arrays of large integers and the bytes they travel in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

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
