"""FATE's table of predictions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.hetero_lr.model import Floats, probability
from fate_federated.task.table import Table

LABEL, RESULT, SCORE, DETAIL, TYPE = "label", "predict_result", "predict_score", "predict_detail", "type"


def prediction_table(table: Table, score: Floats, classes: Floats, threshold: float, kind: str) -> Table:
    """The columns label, predict_result, predict_score, predict_detail and type for each row of ``table``.

    Args:
        score: the whole linear score, shape (rows,).
        classes: the two labels; predict_score is the probability of the second.
        kind: train, validate or predict.
    """
    chance = probability(score)
    names = _exact(classes)
    label = pa.nulls(len(table), names.type) if table.label_column is None else _exact(table.label)
    columns = {
        table.id_column: table.data.column(table.id_column),
        LABEL: label,
        RESULT: names.take(pa.array((chance > threshold).astype(np.int64))),
        SCORE: pa.array(chance),
        DETAIL: _details(chance, names),
        TYPE: pa.array([kind]).take(pa.array(np.zeros(len(table), np.int64))),
    }
    return Table(pa.table(columns), table.id_column, None if table.label_column is None else LABEL)


def joined(tables: list[Table]) -> Table:
    """The rows of all."""
    data = pa.concat_tables([table.data for table in tables], promote_options="permissive")
    return Table(data, tables[0].id_column, tables[0].label_column)


def _exact(values: npt.NDArray[np.float64] | None) -> pa.Array:
    """Whole numbers as such: labels are 0 and 1, not 0.0 and 1.0."""
    array = pa.array(values)
    whole = pc.equal(pc.floor(array), array)
    return array.cast(pa.int64()) if pc.all(whole).as_py() else array


def _details(chance: Floats, names: pa.Array) -> pa.Array:
    """JSON objects with the probability of each class, without a loop over rows."""
    first, second = names.cast(pa.string()).to_pylist()
    return pc.binary_join_element_wise(
        f'{{"{first}": ', pa.array(1.0 - chance).cast(pa.string()),
        f', "{second}": ', pa.array(chance).cast(pa.string()),
        "}", "",
    )  # fmt: skip
