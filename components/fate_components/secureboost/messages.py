"""What the parties say in clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fate_components.linear.messages import parsed
from fate_components.secureboost.model import Bits, Integers
from fate_components.tables import row_digest
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

Step = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """From the guest: what is going to be done.

    Attributes:
        fit: False when a model is only to be applied; then only ``rows_digest`` and ``rows`` matter.
        rows_digest: SHA-256 of the rows' ids.
        rows: of the training data, or of the data to predict.
        validate_digest, validate_rows: of the validation data; 0 without.
        dimensions: trees in a round.
        outputs: numbers in a leaf of each.
        goes_on: from a model.
    """

    fit: bool
    rows_digest: bytes
    rows: int
    validate_digest: bytes
    validate_rows: int
    dimensions: int
    outputs: int
    goes_on: bool

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Plan:
        """Parse one.

        Raises:
            MessageRejected: it is something else.
        """
        plan = parsed(cls, value)
        if plan.rows < 0 or plan.validate_rows < 0 or not 1 <= plan.dimensions * plan.outputs <= 10_000:
            raise MessageRejected("A plan's numbers are impossible.")
        return plan

    def check(self, ctx: TaskContext, table: Table, validate: Table | None) -> None:
        """Whether a host has the guest's rows.

        Raises:
            DataError: it has others.
        """
        if (validate is not None) != (self.validate_rows > 0):
            raise DataError(
                f"The guest and {ctx.party} do not both have validation data for {ctx.component}.", public=True
            )
        _check_rows(ctx, table, self.rows, self.rows_digest)
        if validate is not None:
            _check_rows(ctx, validate, self.validate_rows, self.validate_digest)


def _check_rows(ctx: TaskContext, table: Table, rows: int, digest: bytes) -> None:
    if len(table) != rows or row_digest(table) != digest:
        raise DataError(
            f"The {len(table)} rows of {ctx.party} are not the guest's {rows} in the same order. "
            f"Put an Intersection before {ctx.component}, and give all parties its output.",
            public=True,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """From the guest after each round.

    Attributes:
        stop: no other round follows.
        trees: how many are kept, of those that were grown in this training; matters when it stops.
    """

    stop: bool
    trees: int

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Verdict:
        return parsed(cls, value)


@dataclass(frozen=True, slots=True)
class Level:
    """From the guest: the nodes of a level that are to be split.

    Attributes:
        places: the node of each row, as its place in this level, shape (rows,); -1 where a row is in a leaf.
        parents: of each node, the parent's place in the level above; -1 for the root.
    """

    places: Integers
    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.parents)

    def to_wire(self) -> dict[str, Any]:
        return {"places": self.places.astype(np.int32), "parents": list(self.parents)}

    @classmethod
    def from_wire(cls, value: Any, rows: int, above: int) -> Level:
        """Parse one of so many rows, below a level with so many nodes.

        Raises:
            MessageRejected: it is something else.
        """
        match value:
            case {"places": np.ndarray() as places, "parents": list() as parents} if (
                places.dtype == np.int32 and places.shape == (rows,) and all(type(parent) is int for parent in parents)
            ):
                if (
                    places.min(initial=-1) >= -1
                    and places.max(initial=-1) < len(parents)
                    and all(-1 <= parent < above for parent in parents)
                ):
                    return cls(places.astype(np.int64), tuple(parents))
        raise MessageRejected("A message is not the level of a tree that was agreed.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """From the guest to one host: a node of which the host has the best split.

    Attributes:
        place: of the node in the level.
        node: its id in the tree.
        candidates: places, as the host sent them, of all splits that are as good as the best.
    """

    place: int
    node: int
    candidates: tuple[int, ...]


def chosen_to_wire(chosen: Sequence[Chosen]) -> list[dict[str, Any]]:
    """For the host."""
    return [
        {"place": some.place, "node": some.node, "candidates": np.array(some.candidates, dtype=np.int64)}
        for some in chosen
    ]


def chosen_from_wire(value: Any, counts: Sequence[int]) -> list[Chosen]:
    """What the guest chose, of so many candidates of each node.

    Raises:
        MessageRejected: it is something else.
    """
    if not isinstance(value, list):
        raise MessageRejected("A message does not hold the splits that were chosen.")
    found = []
    for item in value:
        match item:
            case {"place": int() as place, "node": int() as node, "candidates": np.ndarray() as candidates} if (
                0 <= place < len(counts)
                and node >= 0
                and candidates.dtype == np.int64
                and candidates.ndim == 1
                and len(candidates)
                and candidates.min() >= 0
                and candidates.max() < counts[place]
            ):
                found.append(Chosen(place, node, tuple(candidates.tolist())))
            case _:
                raise MessageRejected("A message does not hold the splits that were chosen.")
    return found


def packed_bits(bits: Bits) -> dict[str, Any]:
    """Bits of any shape, as the shape (bits,)."""
    return {"count": bits.size, "bits": np.packbits(bits.ravel())}


def bits_from_wire(value: Any, count: int) -> Bits:
    """So many bits.

    Raises:
        MessageRejected: it is something else.
    """
    match value:
        case {"count": int() as found, "bits": np.ndarray() as packed} if (
            found == count and packed.dtype == np.uint8 and packed.shape == (-(-count // 8),)
        ):
            return np.unpackbits(packed, count=count).astype(np.bool_)
    raise MessageRejected(f"A message does not hold {count} bits, which were agreed.")
