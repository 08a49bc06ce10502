"""A table in memory: ids, columns, perhaps a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError

ID = "fate.id"
LABEL = "fate.label"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one party, in an order that every operation keeps.

    Attributes:
        data: all columns, the id among them. On disk the names of the id and label columns are schema metadata.
        id_column: name of the sample id's column, of Arrow type string.
        label_column: name of the label's column; None where the party has none, or before DataTransform names it.
    """

    data: pa.Table
    id_column: str
    label_column: str | None = None

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
        label = metadata.get(LABEL.encode())
        return cls(data, name.decode(), label.decode() if label else None)

    def to_arrow(self) -> pa.Table:
        """The same with the id's and the label's names as schema metadata."""
        metadata = {ID: self.id_column}
        if self.label_column is not None:
            metadata[LABEL] = self.label_column
        return self.data.replace_schema_metadata(metadata)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def ids(self) -> pa.Array:
        """The sample ids, strings."""
        return _flat(self.data.column(self.id_column))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All columns but the id and the label, in the table's order."""
        return tuple(name for name in self.data.column_names if name not in (self.id_column, self.label_column))

    @property
    def features(self) -> npt.NDArray[np.float64]:
        """The features, shape (rows, columns), Fortran order, missing values as NaN.

        Raises:
            DataError: a column is not a number.
        """
        matrix = np.empty((len(self), len(self.feature_names)), dtype=np.float64, order="F")
        for index, name in enumerate(self.feature_names):
            column = self.data.column(name)
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                raise DataError(f"Column {name!r} holds {column.type}, not numbers.")
            matrix[:, index] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
        return matrix

    @property
    def label(self) -> npt.NDArray[np.float64] | None:
        """The label, shape (rows,), or None."""
        if self.label_column is None:
            return None
        label: npt.NDArray[np.float64] = self.data.column(self.label_column).cast(pa.float64()).to_numpy()
        return label

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """The rows at these positions, in that order."""
        return replace(self, data=self.data.take(pa.array(rows)))

    def with_features(self, features: npt.NDArray[np.float64], names: Sequence[str] | None = None) -> Table:
        """The same ids and label with other features, shape (rows, len(names))."""
        names = self.feature_names if names is None else names
        columns = {self.id_column: self.data.column(self.id_column)}
        if self.label_column is not None:
            columns[self.label_column] = self.data.column(self.label_column)
        columns |= {name: pa.array(features[:, index]) for index, name in enumerate(names)}
        return replace(self, data=pa.table(columns))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
