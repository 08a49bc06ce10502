"""A table in memory: ids, columns, perhaps a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError

ID = "fate.id"
LABEL = "fate.label"
MATCH_ID = "fate.match_id"
WEIGHT = "fate.weight"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one party, in an order that every operation keeps.

    Attributes:
        data: all columns, the id among them. On disk the names of the id and label columns are schema metadata.
        id_column: name of the sample id's column, of Arrow type string.
        label_column: name of the label's column; None where the party has none, or before DataTransform names it.
        match_id_column: name of the column by which rows are matched with other parties' where that is not the id, of
            Arrow type string. It may have a value several times, or none.
        weight_column: name of the column that says how much a row counts, of Arrow type double; None where all count
            the same.
    """

    data: pa.Table
    id_column: str
    label_column: str | None = None
    match_id_column: str | None = None
    weight_column: str | None = None

    @classmethod
    def from_arrow(cls, data: pa.Table) -> Table:
        """A table read from Parquet, whose schema metadata names the id column.

        Raises:
            DataError: it names none.
        """
        metadata = data.schema.metadata or {}
        name = metadata.get(ID.encode())
        if name is None or name.decode() not in data.column_names:
            raise DataError("The table does not say which column is its id: it was not written by an upload.")
        label, match_id, weight = (
            metadata.get(key.encode(), b"").decode() or None for key in (LABEL, MATCH_ID, WEIGHT)
        )
        return cls(data, name.decode(), label, match_id, weight)

    def to_arrow(self) -> pa.Table:
        """The same with what the columns are as schema metadata."""
        metadata = {ID: self.id_column}
        if self.label_column is not None:
            metadata[LABEL] = self.label_column
        if self.match_id_column is not None:
            metadata[MATCH_ID] = self.match_id_column
        if self.weight_column is not None:
            metadata[WEIGHT] = self.weight_column
        return self.data.replace_schema_metadata(metadata)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def ids(self) -> pa.Array:
        """The sample ids, strings."""
        return _flat(self.data.column(self.id_column))

    @property
    def match_ids(self) -> pa.Array:
        """What rows are matched by, strings: the sample ids where the table names no other column."""
        return self.ids if self.match_id_column is None else _flat(self.data.column(self.match_id_column))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All columns but the ids, the label and the weight, in the table's order."""
        others = (self.id_column, self.label_column, self.match_id_column, self.weight_column)
        return tuple(name for name in self.data.column_names if name not in others)

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The features, shape (rows, columns), Fortran order, missing values as NaN.

        Raises:
            DataError: a column is not a number.
        """
        return self.numbers(self.feature_names)

    @property
    def label(self) -> npt.NDArray[np.float64] | None:
        """The label, shape (rows,), or None.

        Raises:
            DataError: labels are texts that are not numbers.
        """
        if self.label_column is None:
            return None
        try:
            label: npt.NDArray[np.float64] = self.data.column(self.label_column).cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            # The cause quotes a label.
            raise DataError(
                f"The labels in column {self.label_column!r} are texts, not numbers. "
                "Give them numbers by a LabelTransform."
            ) from None
        return label

    @property
    def weight(self) -> npt.NDArray[np.float64] | None:
        """How much each row counts, at least 0, shape (rows,); None where all count the same."""
        if self.weight_column is None:
            return None
        weight: npt.NDArray[np.float64] = self.data.column(self.weight_column).to_numpy()
        return weight

    def numbers(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """These columns, shape (rows, len(names)), Fortran order, missing values as NaN.

        Raises:
            DataError: a column is not a number.
        """
        matrix = np.empty((len(self), len(names)), dtype=np.float64, order="F")
        for index, name in enumerate(names):
            column = self.data.column(name)
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                raise DataError(f"Column {name!r} holds {column.type}, not numbers.")
            matrix[:, index] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
        return matrix

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """The rows at these positions, in that order."""
        return replace(self, data=self.data.take(pa.array(rows)))

    def with_features(self, features: npt.NDArray[np.float64], names: Sequence[str] | None = None) -> Table:
        """The same ids, label and weight with other features, shape (rows, len(names))."""
        names = self.feature_names if names is None else names
        return self.with_columns({name: pa.array(features[:, index]) for index, name in enumerate(names)})

    def with_columns(self, features: Mapping[str, pa.Array | pa.ChunkedArray]) -> Table:
        """The same ids, label and weight with these features, each of shape (rows,)."""
        kept = (self.id_column, self.match_id_column, self.label_column, self.weight_column)
        columns = {name: self.data.column(name) for name in kept if name is not None}
        return replace(self, data=pa.table(columns | dict(features)))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
