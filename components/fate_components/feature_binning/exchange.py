"""Counting a guest's events in a host's bins, without showing either to the other."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.feature_binning.fit import Binned
from fate_components.feature_binning.model import Integers
from fate_components.feature_binning.optimal import Rule, merge
from fate_federated.errors import DataError, MessageRejected
from fate_federated.party import Party
from fate_federated.wire.payload import Wire


@dataclass(frozen=True, slots=True)
class Plan:
    """From the guest to the hosts.

    Attributes:
        counts_events: whether encrypted labels follow.
        rows: of the guest.
        digest: of what they are matched by, see :func:`.tables.row_digest`; empty where no labels follow.
        width: events of each row: 1 for two classes, else one for each class.
    """

    counts_events: bool
    rows: int
    digest: bytes
    width: int

    @property
    def slot_bits(self) -> int:
        """Room for a count of all rows, and a sign."""
        return self.rows.bit_length() + 2

    def to_wire(self) -> dict[str, Wire]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Plan:
        kinds = {"counts_events": bool, "rows": int, "digest": bytes, "width": int}
        if not isinstance(value, dict) or {name: type(part) for name, part in value.items()} != kinds:
            raise MessageRejected("A message is not the plan that was agreed.")
        if value["rows"] < 1 or value["width"] < 1:
            raise MessageRejected("A plan's numbers are impossible.")
        return cls(**value)


@dataclass(frozen=True, slots=True)
class HostColumn:
    """What the guest gets to know of one of a host's columns.

    Attributes:
        position: among the host's features.
        rows: in each bin, shape (bins,).
        events: shape (bins, width).
        rule: how the guest merges the bins, which then are in order; None for bins in an order that the host drew.
        has_missing: of bins in order: the last is that of missing values, and is not merged.
        ordered: whether the bins are in order: where the guest merged them.
    """

    position: int
    rows: Integers
    events: Integers
    rule: Rule | None
    has_missing: bool
    ordered: bool

    def merged(self) -> tuple[HostColumn, Integers | None]:
        """With the bins merged by the rule, and the last initial bin of each; None where there is no rule."""
        if self.rule is None:
            return self, None
        ordered = len(self.rows) - self.has_missing
        events, rows = self.events[:ordered], self.rows[:ordered]
        ends = merge(events[:, 0], rows - events[:, 0], self.rule)
        starts = np.append(0, ends[:-1] + 1)
        together = HostColumn(
            self.position,
            np.append(np.add.reduceat(rows, starts), self.rows[ordered:]),
            np.concatenate([np.add.reduceat(events, starts, axis=0), self.events[ordered:]]),
            None,
            self.has_missing,
            True,
        )
        return together, ends


def sum_events(
    columns: Sequence[Binned], header: Sequence[str], rule: Rule, labels: Any, key: PublicKey, plan: Plan
) -> dict[str, Wire]:
    """A host's answer: encrypted counts of events in each bin, and how many rows are in it.

    Bins that the guest does not merge are put into an order drawn at random, that of missing values among them.

    Args:
        labels: the guest's encrypted ones, as received.

    Raises:
        MessageRejected: they are not of the plan's shape.
    """
    encrypted = PackedArray.from_wire(labels, key, plan.slot_bits, bits=0)
    if encrypted.shape != (plan.rows, plan.width) or encrypted.exponent:
        raise MessageRejected(f"Labels of shape {encrypted.shape} came where ({plan.rows}, {plan.width}) was agreed.")
    draw = secrets.SystemRandom()
    orders = [
        np.arange(column.bins) if column.mergeable else np.array(draw.sample(range(column.bins), column.bins))
        for column in columns
    ]
    numbers = np.stack([column.numbers for column in columns], axis=1)
    most = max(column.bins for column in columns)
    sums = encrypted.sum_by_bin(numbers, most).ciphertexts
    in_order = np.concatenate([place * most + order for place, order in enumerate(orders)])
    sums = sums.reshape(len(columns) * most, sums.shape[-1])[in_order]
    rows = np.concatenate(
        [
            np.bincount(column.numbers, minlength=column.bins)[order]
            for column, order in zip(columns, orders, strict=True)
        ]
    )
    return {
        "positions": np.array([header.index(column.name) for column in columns]),
        "bins": np.array([column.bins for column in columns]),
        "rows": rows,
        "mergeable": np.array([column.mergeable for column in columns]),
        "has_missing": np.array([column.mergeable and column.has_missing for column in columns]),
        "rule": asdict(rule) if any(column.mergeable for column in columns) else None,
        "events": _packed(sums, plan).to_wire(),
    }


def _packed(sums: EncryptedArray, plan: Plan) -> PackedArray:
    """Of two classes the counts of several bins in each ciphertext: fewer to send, to randomise and to decrypt."""
    if plan.width == 1:
        return PackedArray.pack(sums.reshape(sums.size), plan.slot_bits)
    return PackedArray(sums, plan.width, plan.slot_bits, 0)


def host_columns(value: Any, host: Party, private: PrivateKey, plan: Plan, totals: Integers) -> list[HostColumn]:
    """What :func:`sum_events` sent, decrypted.

    Args:
        totals: events among all rows, shape (width,).

    Raises:
        MessageRejected: it is something else, or the counts do not add up.
    """
    fields = {"positions", "bins", "rows", "mergeable", "has_missing", "rule", "events"}
    if not isinstance(value, dict) or value.keys() != fields:
        raise MessageRejected(f"{host} sent something else than encrypted counts.")
    bins = _array(value["bins"], np.int64, host)
    rows = _array(value["rows"], np.int64, host)
    positions = _array(value["positions"], np.int64, host)
    mergeable, has_missing = (_array(value[name], np.bool_, host) for name in ("mergeable", "has_missing"))
    rule = _rule(value["rule"], host) if mergeable.any() else None
    if (
        len({len(bins), len(positions), len(mergeable), len(has_missing)}) != 1
        or len(set(positions.tolist())) != len(positions)
        or min(bins.min(initial=1), rows.min(initial=0) + 1, positions.min(initial=0) + 1) < 1
        or (bins <= has_missing).any()
        or bins.sum() != len(rows)
    ):
        raise MessageRejected(f"The bins that {host} sent do not fit together.")
    packed = PackedArray.from_wire(value["events"], private.public, plan.slot_bits, plan.rows.bit_length())
    shape = (len(rows),) if plan.width == 1 else (len(rows), plan.width)
    if packed.shape != shape or packed.exponent:
        raise MessageRejected(f"{host} sent counts of shape {packed.shape} where {shape} was agreed.")
    events = packed.decrypt(private).astype(np.int64).reshape(len(rows), plan.width)
    columns = []
    for place, start in enumerate(accumulate(bins.tolist()[:-1], initial=0)):
        span = slice(start, start + int(bins[place]))
        column = HostColumn(
            int(positions[place]), rows[span], events[span], rule if mergeable[place] else None,
            bool(has_missing[place]), bool(mergeable[place]),
        )  # fmt: skip
        if (
            column.rows.sum() != plan.rows
            or (column.events.sum(axis=0) != totals).any()
            or (column.events < 0).any()
            or (column.events > column.rows[:, None]).any()
        ):
            raise MessageRejected(f"The counts of a column of {host} do not add up to the guest's labels.")
        columns.append(column)
    if rule is not None and plan.width > 1:
        raise DataError(f"{host} bins by method optimal, which needs labels of two classes.")
    return columns


def merged_by_guest(value: Any, columns: Sequence[Binned]) -> list[Binned]:
    """A host's columns with the bins as the guest merged them.

    Raises:
        MessageRejected: the guest names bins that do not exist.
    """
    mergeable = [column for column in columns if column.mergeable]
    if not isinstance(value, list) or len(value) != len(mergeable):
        raise MessageRejected("The guest sent something else than merged bins.")
    merged = {}
    for column, ends in zip(mergeable, value, strict=True):
        if (
            not isinstance(ends, np.ndarray)
            or ends.dtype != np.int64
            or ends.ndim != 1
            or not len(ends)
            or ends[0] < 0
            or ends[-1] != len(column.split_points) - 1
            or (np.diff(ends) <= 0).any()
        ):
            raise MessageRejected("The guest merged bins that there are not.")
        merged[column.name] = column.merged(ends)
    return [merged.get(column.name, column) for column in columns]


def _array(value: Any, dtype: npt.DTypeLike, host: Party) -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim != 1:
        raise MessageRejected(f"{host} sent something else than its bins.")
    return value


def _rule(value: Any, host: Party) -> Rule:
    kinds = {"metric": str, "bin_num": int, "min_bin_pct": float, "max_bin_pct": float, "mixture": bool}
    if (
        not isinstance(value, dict)
        or {name: type(part) for name, part in value.items()} != kinds
        or value["metric"] not in ("iv", "gini", "chi_square", "ks")
        or value["bin_num"] < 1
    ):
        raise MessageRejected(f"{host} sent no rule by which bins are merged.")
    return Rule(**value)
