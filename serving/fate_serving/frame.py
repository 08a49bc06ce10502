"""Rows on their way through a model: numbers as one matrix, texts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns at one place of a pipeline, known when it is loaded.

    Attributes:
        names: in order.
        texts: the columns that hold texts.
    """

    names: tuple[str, ...]
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows at that place.

    Attributes:
        numbers: shape (rows, columns), missing values as NaN, which is all that a column of texts has here.
        texts: of each column that holds texts, shape (rows,), null where missing.
    """

    numbers: Floats
    texts: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(self.numbers)

    def with_numbers(self, numbers: Floats) -> Frame:
        """The same texts beside other numbers."""
        return replace(self, numbers=numbers)

    def take(self, rows: Sequence[int]) -> Frame:
        """The rows at these places."""
        return Frame(self.numbers[rows], {name: texts.take(pa.array(rows)) for name, texts in self.texts.items()})
