"""What the parties say in clear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt

from fate_federated.errors import MessageRejected

Rows = npt.NDArray[np.int64]
Step = tuple[int, ...]
M = TypeVar("M")

MAXIMUM_MODELS = 10_000


def parsed(cls: type[M], value: Any) -> M:
    """The dataclass of scalars that a message's fields are.

    Raises:
        MessageRejected: they are not.
    """
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
        seed: of the shuffle, and of other choices that are no secret.
        models: how many are trained side by side on the same rows.
        weighted: whether rows count differently. How much is the guest's secret.
        validate_rows: of the validation data; 0 without.
    """

    fit: bool
    rows: int
    batch_size: int
    shuffle: bool
    seed: int
    models: int
    weighted: bool
    validate_rows: int

    @classmethod
    def to_predict(cls) -> Plan:
        """No training."""
        return cls(False, 0, 0, False, 0, 0, False, 0)

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
        plan = parsed(cls, value)
        if plan.fit and not (
            1 <= plan.batch_size <= plan.rows
            and plan.seed >= 0
            and 1 <= plan.models <= MAXIMUM_MODELS
            and plan.validate_rows >= 0
        ):
            raise MessageRejected("A plan's batches are impossible.")
        return plan


@dataclass(frozen=True, slots=True)
class Verdict:
    """From the arbiter to everybody, after each iteration, about each model that is trained."""

    converged: tuple[bool, ...]
    losses: tuple[float, ...]

    def to_wire(self) -> dict[str, Any]:
        return {"converged": list(self.converged), "losses": list(self.losses)}

    @classmethod
    def from_wire(cls, value: Any, models: int) -> Verdict:
        """Parse one about so many models.

        Raises:
            MessageRejected: it is something else.
        """
        if not isinstance(value, dict) or value.keys() != {"converged", "losses"}:
            raise MessageRejected("A message is not the Verdict that was agreed.")
        for name, kind in (("converged", bool), ("losses", float)):
            items = value[name]
            if not isinstance(items, list) or len(items) != models or any(type(item) is not kind for item in items):
                raise MessageRejected(f"A verdict's {name} are not those of {models} models.")
        return cls(tuple(value["converged"]), tuple(value["losses"]))


@dataclass(frozen=True, slots=True)
class Standing:
    """From the guest to everybody, after each validation: whether it was the best so far, and whether to stop."""

    best: bool
    stop: bool

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_wire(cls, value: Any) -> Standing:
        return parsed(cls, value)


def rows_from_wire(value: Any, rows: int) -> Rows:
    """Positions of rows, each once.

    Raises:
        MessageRejected: they are not.
    """
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != np.int64
        or value.ndim != 1
        or not 1 <= len(value) <= rows
        or value.min() < 0
        or value.max() >= rows
        or len(np.unique(value)) != len(value)
    ):
        raise MessageRejected("A batch is not made of the training data's rows.")
    return value


def numbers_from_wire(value: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """An array of finite numbers.

    Raises:
        MessageRejected: it is of another shape, or not numbers.
    """
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != np.float64
        or value.shape != shape
        or not np.isfinite(value).all()
    ):
        raise MessageRejected(f"A message does not hold numbers of shape {shape}.")
    return value
