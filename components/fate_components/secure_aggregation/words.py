"""Real numbers as integers modulo 2^64 that can be added up in any order to the same sum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fate_federated.errors import CryptoError

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

COARSE_BITS, FINE_BITS = 16, 56
"""A number is coarse * 2**-16 + fine * 2**-56, with both integers in a word of 64 bits."""

_LARGEST_COARSE = 2**62
_LARGEST_FINE = 2 ** (FINE_BITS - COARSE_BITS - 1)


def largest(clients: int) -> float:
    """The magnitude below which numbers of so many clients can be added up: 2^46 / clients."""
    return float(_LARGEST_COARSE / 2**COARSE_BITS / clients)


def to_words(numbers: Floats, clients: int) -> Words:
    """Numbers of shape (n,) as words of shape (2, n), exact to 2**-57.

    Raises:
        CryptoError: a number is not finite, or so large that a sum of so many clients' could wrap around.
    """
    if not (np.abs(numbers) < largest(clients)).all():
        raise CryptoError(
            f"A number is missing, infinite or not below {largest(clients):.3g}: it cannot be added up securely. "
            "Scale what it is computed from, as with a FeatureScale."
        )
    coarse = np.rint(np.ldexp(numbers, COARSE_BITS))
    fine = np.rint(np.ldexp(numbers - np.ldexp(coarse, -COARSE_BITS), FINE_BITS))
    return np.stack([coarse, fine]).astype(np.int64).view(np.uint64)


def from_words(words: Words, clients: int) -> Floats:
    """The numbers of shape (n,) that a sum of so many clients' words stands for.

    Raises:
        CryptoError: there is no such sum: masks are left on it, or it was tampered with.
    """
    coarse, fine = words.view(np.int64)
    if (np.abs(coarse) > _LARGEST_COARSE).any() or (np.abs(fine) > _LARGEST_FINE * clients).any():
        raise CryptoError("A secure sum is larger than it can be by how it was made: a client masked it otherwise.")
    numbers: Floats = np.ldexp(coarse.astype(np.float64), -COARSE_BITS) + np.ldexp(fine.astype(np.float64), -FINE_BITS)
    return numbers
