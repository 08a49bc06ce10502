"""From the features of a request, or of a host's store, to the first columns of a model.

What offline is done to columns of a table is done here to the same values as they come in JSON: most of a batch at
once, and by :func:`~fate_components.data_transform.model.transform_column` where a column holds anything out of the
ordinary, which is a text, a missing value, an outlier, or a fraction where whole numbers are due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_components.data_transform.model import ARROW_TYPES, ColumnPlan, Plan, transform_column
from fate_federated.errors import DataError
from fate_serving.codes import Code, ServingError
from fate_serving.frame import Floats, Frame, Layout

Row = Mapping[str, Any]

LONGEST_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Intake:
    """How rows become columns.

    Attributes:
        plan: what the training learnt of the columns.
        absent: what stands for a feature that a row does not name: None where it counts as missing, or a number.
        prefix: of names that a row may leave away, as of svmlight's indices.
        has_texts: whether a column holds texts.
    """

    plan: Plan
    absent: float | None = None
    prefix: str = ""
    has_texts: bool = field(init=False)
    _refine: Refining = field(init=False)
    _pick: Callable[[Row], tuple[Any, ...]] | None = field(init=False)

    def __post_init__(self) -> None:
        columns = self.plan.columns
        object.__setattr__(self, "has_texts", any(column.data_type == "str" for column in columns))
        object.__setattr__(self, "_refine", Refining(self.plan, range(len(columns))))
        several = len(columns) > 1 and not self.has_texts  # one name alone is not picked as a tuple
        object.__setattr__(self, "_pick", itemgetter(*(column.name for column in columns)) if several else None)

    @property
    def layout(self) -> Layout:
        """The columns that come out."""
        return Layout(
            tuple(column.name for column in self.plan.columns),
            frozenset(column.name for column in self.plan.columns if column.data_type == "str"),
        )

    def frame(self, rows: Sequence[Row]) -> Frame:
        """The columns of rows.

        Raises:
            ServingError: FEATURE, naming the column.
        """
        matrix = self._complete_rows(rows)
        if matrix is None:
            columns = self.plan.columns
            values = [[row.get(column.name, self.absent) for column in columns] for row in rows]
            if self.prefix:
                self._without_prefix(rows, values)
            matrix = _plain_numbers(values)
            if matrix is None or self.has_texts:
                if self.absent is None and columns:
                    _check_any(rows, values)
                return self._by_column(rows, values)
        return self._refine(Frame(matrix, {}))

    def _complete_rows(self, rows: Sequence[Row]) -> Floats | None:
        """The columns where every row names all of them, and all are numbers: most requests, and by far the fastest."""
        if self._pick is None:
            return None
        try:
            return _plain_numbers(list(map(self._pick, rows)))
        except KeyError:
            return None

    def _without_prefix(self, rows: Sequence[Row], values: list[list[Any]]) -> None:
        for place, column in enumerate(self.plan.columns):
            short = column.name.removeprefix(self.prefix)
            for row, found in zip(rows, values, strict=True):
                if column.name not in row and short in row:
                    found[place] = row[short]

    def _by_column(self, rows: Sequence[Row], values: list[list[Any]]) -> Frame:
        matrix = np.full((len(rows), len(self.plan.columns)), np.nan)
        texts = {}
        for place, column in enumerate(self.plan.columns):
            raw = _raw_column(column.name, [row[place] for row in values])
            done = _transformed(self.plan, column, raw)
            if column.data_type == "str":
                texts[column.name] = done
            else:
                matrix[:, place] = _numbers(done)
        return Frame(matrix, texts)


class Refining:
    """Replaces what is missing or an outlier in columns of numbers.

    Args:
        places: of the plan's columns among the frame's; none of them holds texts.
    """

    def __init__(self, plan: Plan, places: Sequence[int]) -> None:
        self._plan, self._places = plan, list(places)
        self._all = self._places == list(range(len(self._places)))
        self._words = _spelt([*plan.missing, *plan.outliers])
        self._whole = [
            place for place, column in enumerate(plan.columns) if ARROW_TYPES[column.data_type] != pa.float64()
        ]

    def __call__(self, frame: Frame) -> Frame:
        """The frame with these columns as the training would have had them.

        Raises:
            ServingError: FEATURE, naming the column.
        """
        if not self._places:
            return frame
        matrix = frame.numbers
        if not self._all or matrix.shape[1] != len(self._places):
            matrix = matrix[:, self._places]
        unusual = np.isnan(matrix)
        if self._words.size:
            unusual |= np.isin(matrix, self._words)
        if not unusual.any() and not self._whole:
            return frame
        columns: npt.NDArray[np.bool_] = np.asarray(unusual.any(axis=0))
        for place in self._whole:
            if not _whole(matrix[:, place]):
                columns[place] = True
        if not columns.any():
            return frame
        numbers = frame.numbers.copy()
        for place in np.flatnonzero(columns).tolist():
            column = self._plan.columns[place]
            numbers[:, self._places[place]] = _numbers(_transformed(self._plan, column, pa.array(matrix[:, place])))
        return frame.with_numbers(numbers)


def _check_any(rows: Sequence[Row], values: Sequence[Sequence[Any]]) -> None:
    for place, (row, found) in enumerate(zip(rows, values, strict=True)):
        if all(value is None for value in found):
            raise ServingError(
                Code.FEATURE,
                f"Row {place} has none of the model's features{f', only {_named(row)}' if row else ''}.",
            )


def _named(row: Row) -> str:
    return ", ".join(str(name)[:100] for name in list(row)[:10])


def _plain_numbers(values: Sequence[Sequence[Any]]) -> Floats | None:
    """Values as a matrix where all are numbers."""
    try:
        matrix = np.array(values)
    except (ValueError, OverflowError, TypeError):
        return None
    if matrix.dtype.kind not in "fiub" or matrix.ndim != 2:
        return None
    return matrix.astype(np.float64)


def _raw_column(name: str, values: list[Any]) -> pa.Array:
    """A column as a table would have it.

    Raises:
        ServingError: FEATURE; a value is neither a number nor a text.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds <= {int, float, bool, str}:
        wrong = next(kind.__name__ for kind in kinds if kind not in (int, float, bool, str))
        raise ServingError(Code.FEATURE, f"Feature {name!r} is a {wrong}, neither a number nor a text.")
    if str not in kinds:
        try:
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        except OverflowError:
            raise ServingError(Code.FEATURE, f"Feature {name!r} is a number too large to be one.") from None
    texts = [value if value is None or isinstance(value, str) else _text(value) for value in values]
    if any(text is not None and len(text) > LONGEST_TEXT for text in texts):
        raise ServingError(Code.FEATURE, f"Feature {name!r} is longer than {LONGEST_TEXT} characters.")
    try:
        return pa.array(texts, pa.string())
    except (pa.ArrowException, UnicodeEncodeError):
        raise ServingError(Code.FEATURE, f"Feature {name!r} holds characters that are none.") from None


def _text(value: float) -> str:
    """A number among texts, as a table of texts would have it."""
    return str(int(value)) if isinstance(value, bool) else repr(value)


def _transformed(plan: Plan, column: ColumnPlan, raw: pa.Array) -> pa.Array:
    try:
        return transform_column(plan, column, raw)
    except DataError as error:
        raise ServingError(Code.FEATURE, str(error)) from error
    except pa.ArrowException as error:
        raise ServingError(Code.FEATURE, f"Feature {column.name!r} is no {column.data_type}.") from error


def _numbers(column: pa.Array) -> Floats:
    numbers: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _whole(values: Floats) -> bool:
    return bool((np.floor(values) == values).all())


def _spelt(words: Sequence[str]) -> npt.NDArray[np.float64]:
    """The numbers among words."""
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            continue
    return np.array([number for number in numbers if number == number], np.float64)
