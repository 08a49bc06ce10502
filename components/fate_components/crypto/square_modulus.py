"""Products modulo a square n², such as Paillier's, from factors of half the length.

A unit x modulo n² is u * (1 + k * n) for exactly one pair of u, k in 0..n-1: u = x mod n, k = (x // n) * u⁻¹ mod n. As
(1 + k * n) * (1 + l * n) = 1 + (k + l) * n modulo n², a product of many is the product of their u, times 1 + n times
the sum of their k. A step takes three fifths of the time that one with a factor of full length does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gmpy2
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto.integers import inverses


@dataclass(frozen=True, slots=True)
class Factors:
    """Values modulo ``modulus`` as u and k, see the module.

    Attributes:
        modulus: the square of ``root``; or anything where ``root`` is 0, ``units`` the values themselves, ``logs`` 0.
    """

    modulus: mpz
    root: mpz
    units: list[mpz]
    logs: list[mpz]

    @classmethod
    def of(cls, values: Sequence[mpz], modulus: mpz) -> Factors:
        """Of units modulo ``modulus``, each in 1..modulus-1.

        Raises:
            ZeroDivisionError: one is not a unit of a square.
        """
        root = root_of(modulus)
        if not root:
            return cls.whole(values, modulus)
        parts = [divmod(value, root) for value in values]
        inverted = inverses([unit for _, unit in parts], root)
        logs = [quotient * inverse % root for (quotient, _), inverse in zip(parts, inverted, strict=True)]
        return cls(modulus, root, [unit for _, unit in parts], logs)

    @classmethod
    def whole(cls, values: Sequence[mpz], modulus: mpz) -> Factors:
        """Values as they are."""
        return cls(modulus, mpz(0), list(values), [mpz(0)] * len(values))

    def taken(self, places: Sequence[int]) -> Factors:
        """Some of the values."""
        units, logs = self.units, self.logs
        return Factors(self.modulus, self.root, [units[at] for at in places], [logs[at] for at in places])

    def joined(self, products: Sequence[mpz], sums: Sequence[mpz]) -> list[mpz]:
        """The values of products of units modulo ``modulus`` and sums of logs."""
        if not self.root:
            return list(products)
        return [
            value * (1 + total % self.root * self.root) % self.modulus if total else value
            for value, total in zip(products, sums, strict=True)
        ]

    def products_by_group(self, groups: npt.NDArray[Any], count: int) -> list[mpz]:
        """For each g in 0..count-1 the product of the values whose group is g; 1 of nothing.

        Args:
            groups: shape (len(values),), below ``count``; where it is negative the value is left out.
        """
        # In the order of the rows: the values, more than a cache holds, are read once from one end to the other.
        modulus, products, sums = self.modulus, [mpz(1)] * count, [mpz(0)] * count
        for unit, log, group in zip(self.units, self.logs, groups.tolist(), strict=True):
            if group >= 0:
                products[group] = products[group] * unit % modulus
                sums[group] += log
        return self.joined(products, sums)


def root_of(modulus: mpz) -> mpz:
    """Of a square; 0 of anything else."""
    return gmpy2.isqrt(modulus) if gmpy2.is_square(modulus) else mpz(0)
