"""Sums of products of two parties' columns: the guest's encrypted, the host's in clear."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_components.crypto.encrypted_array import concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.hetero_pearson.model import Floats
from fate_components.linear.messages import parsed
from fate_federated.errors import DataError, MessageRejected
from fate_federated.party import Party
from fate_federated.wire.payload import Wire

FRACTION_BITS = 22
"""Of a standardised value. The mean magnitude of such a column is at most 1, so a correlation of two rounded columns is
within 2**-22, 2.4e-7, of that of the columns; rounding errors of many rows cancel out, which leaves far less.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """From the guest to the hosts.

    Attributes:
        rows: of the guest.
        digest: of what they are matched by, see :func:`.tables.row_digest`.
        columns: of the guest.
    """

    rows: int
    digest: bytes
    columns: int

    @property
    def value_bits(self) -> int:
        """Room for the magnitude of a standardised value, at most the square root of the rows."""
        return FRACTION_BITS + (self.rows.bit_length() + 1) // 2 + 1

    @property
    def sum_bits(self) -> int:
        """Room for the magnitude of a sum: a column's magnitudes add up to at most the rows."""
        return self.value_bits + FRACTION_BITS + self.rows.bit_length()

    @property
    def slot_bits(self) -> int:
        return self.sum_bits + 2

    def to_wire(self) -> dict[str, Wire]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Plan:
        plan = parsed(cls, value)
        if plan.rows < 1 or plan.columns < 0:
            raise MessageRejected("A plan's numbers are impossible.")
        return plan


def check_columns(party: Party, columns: int, rows: int) -> None:
    """Whether correlations with so many columns leave the other party's values hidden.

    A standardised column of n rows has n - 2 degrees of freedom, and each correlation with a known column is an
    equation for them.

    Raises:
        DataError: they do not.
    """
    if columns and columns >= rows - 2:
        raise DataError(
            f"{columns} columns of {party} and {rows} rows: correlations with so many columns would show another "
            "party's values. Let it choose fewer columns, or use more rows.",
            public=True,
        )


def encrypted_columns(private: PrivateKey, standard: Floats, plan: Plan) -> dict[str, Wire]:
    """The guest's standardised columns, shape (rows, columns), a row's values packed together."""
    return PackedArray.encrypt(private, standard, plan.slot_bits, -FRACTION_BITS).to_wire()


def product_sums(value: Any, key: PublicKey, standard: Floats, plan: Plan) -> dict[str, Wire]:
    """A host's answer: for each of its columns the sums of products with the guest's, encrypted.

    Args:
        value: the guest's columns, as received.
        standard: the host's, shape (rows, columns).

    Raises:
        MessageRejected: the guest's are not of the plan's shape.
    """
    packed = PackedArray.from_wire(value, key, plan.slot_bits, plan.value_bits)
    if packed.shape != (plan.rows, plan.columns) or packed.exponent != -FRACTION_BITS:
        raise MessageRejected(f"Columns of shape {packed.shape} came where ({plan.rows}, {plan.columns}) was agreed.")
    # Integers, so that the exponent is the packed array's to tell.
    factors = FixedPoint(FixedPoint.of(standard.T, -FRACTION_BITS).integers, 0)
    sums = concatenate(
        [
            (factors @ packed.ciphertexts[:, place]).reshape(standard.shape[1], 1)
            for place in range(packed.ciphertexts.shape[1])
        ],
        axis=1,
    )
    return PackedArray(sums, plan.columns, plan.slot_bits, -2 * FRACTION_BITS).to_wire()


def decrypted_sums(value: Any, private: PrivateKey, plan: Plan, columns: int) -> Floats:
    """What :func:`product_sums` sent, shape (guest's columns, host's columns).

    Raises:
        MessageRejected: it is of another shape, or no sums of products of standardised columns.
    """
    packed = PackedArray.from_wire(value, private.public, plan.slot_bits, plan.sum_bits)
    if packed.shape != (columns, plan.columns) or packed.exponent != -2 * FRACTION_BITS:
        raise MessageRejected(f"Sums of shape {packed.shape} came where ({columns}, {plan.columns}) was agreed.")
    sums = packed.decrypt(private).T
    if (np.abs(sums) > plan.rows * (1 + 1e-5)).any():
        raise MessageRejected("A correlation is above 1: what a host multiplied with was not standardised.")
    return sums


def correlation_from_wire(value: Any, shape: tuple[int, int]) -> Floats:
    """A matrix of correlation coefficients, NaN of constant columns.

    Raises:
        MessageRejected: it is something else.
    """
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != np.float64
        or value.shape != shape
        or (np.abs(value[~np.isnan(value)]) > 1).any()
    ):
        raise MessageRejected(f"A message does not hold {shape[0]} by {shape[1]} correlations.")
    return value


def constant_from_wire(value: Any, host: Party) -> npt.NDArray[np.bool_]:
    """Which of a host's columns are constant.

    Raises:
        MessageRejected: it is something else.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.bool_ or value.ndim != 1:
        raise MessageRejected(f"{host} did not say which of its columns are constant.")
    return value
