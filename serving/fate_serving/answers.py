"""What a guest asks a host, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from fate_federated.party import Party
from fate_serving.codes import Code, ServingError
from fate_serving.scoring import Answers, GuestScorer
from fate_serving.shelf import Key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Rows for which a host's part of an answer is needed.

    Attributes:
        guest, host: who asks whom.
        key: namespace and version of the host's part.
        component: whose answer it is.
        rows: what names each row, JSON objects.
        scorer: says of which shape answers must be.
        timeout_seconds: for all of it.
        guest_key: namespace and version of the guest's part.
    """

    guest: Party
    host: Party
    key: Key
    guest_key: Key
    component: str
    rows: Sequence[bytes]
    scorer: GuestScorer
    timeout_seconds: float
    case_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A host's answers.

    Attributes:
        values: shape (rows, width); zeros where there is a fault.
        faults: by row, why it has no answer, with the host's own code.
    """

    values: Answers
    faults: Mapping[int, ServingError] = field(default_factory=dict)


def computed(
    rows: Sequence[T], compute: Callable[[Sequence[T]], Answers]
) -> tuple[Answers | None, dict[int, ServingError]]:
    """Compute all rows at once, and where that fails find the rows at fault by halves.

    Args:
        compute: an array with a line for each row; raises ServingError for what is wrong with any of them.

    Returns:
        The lines, None where there is none, with zeros where there is a fault, and the faults by row.
    """
    try:
        return compute(rows), {}
    except ServingError as error:
        if error.code not in (Code.FEATURE, Code.NO_FEATURES) or not rows:
            raise
        if len(rows) == 1:
            return None, {0: error}
    half = len(rows) // 2
    first, wrong = computed(rows[:half], compute)
    second, also_wrong = computed(rows[half:], compute)
    faults = wrong | {half + row: error for row, error in also_wrong.items()}
    known = first if first is not None else second
    if known is None:
        return None, faults

    values = np.zeros((len(rows), known.shape[1]), known.dtype)
    if first is not None:
        values[:half] = first
    if second is not None:
        values[half:] = second
    return values, faults
