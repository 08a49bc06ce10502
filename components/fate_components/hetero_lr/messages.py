"""What the parties of a HeteroLR say in clear. Its ciphertexts are in :mod:`.learner`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt

from fate_federated.errors import MessageRejected

Rows = npt.NDArray[np.int64]
M = TypeVar("M")


def _parsed(cls: type[M], value: Any) -> M:
    kinds = get_type_hints(cls)
    if (
        not isinstance(value, dict)
        or value.keys() != kinds.keys()
        or any(type(value[name]) is not kind for name, kind in kinds.items())
    ):
        raise MessageRejected(f"A message is not the {cls.__name__} that was agreed.")
    return cls(**value)


@dataclass(frozen=True, slots=True)
class Plan:
    """From the guest: what is going to be done. All batches follow from it, at every party the same.

    Attributes:
        fit: False when a model is only to be applied; then the rest does not matter.
        rows: of the training data.
        batch_size: at most rows.
        shuffle: other batches in each iteration.
        seed: of the shuffle.
    """

    fit: bool
    rows: int
    batch_size: int
    shuffle: bool
    seed: int

    @property
    def batches(self) -> int:
        """Batches in an iteration."""
        return -(-self.rows // self.batch_size)

    def rows_of(self, iteration: int) -> Iterator[Rows]:
        """The rows of each batch."""
        order = np.arange(self.rows)
        if self.shuffle and self.batches > 1:
            order = np.random.default_rng([self.seed, iteration]).permutation(self.rows)
        for start in range(0, self.rows, self.batch_size):
            yield order[start : start + self.batch_size]

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Plan:
        plan = _parsed(cls, value)
        if plan.fit and not (1 <= plan.batch_size <= plan.rows and plan.seed >= 0):
            raise MessageRejected("A plan's batches are impossible.")
        return plan


@dataclass(frozen=True, slots=True)
class Verdict:
    """From the arbiter to everybody, after each iteration."""

    converged: bool
    loss: float

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Verdict:
        return _parsed(cls, value)
