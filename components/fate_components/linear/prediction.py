"""FATE's table of predictions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fate_components.evaluation.multiclass import as_text, exact
from fate_components.linear.model import Floats
from fate_federated.task.table import Table

LABEL, RESULT, SCORE, DETAIL, TYPE = "label", "predict_result", "predict_score", "predict_detail", "type"


def classified(table: Table, chances: Floats, classes: Floats, threshold: float, kind: str) -> Table:
    """The columns label, predict_result, predict_score, predict_detail and type for each row of ``table``.

    Args:
        chances: with two classes the probability of the second, shape (rows, 1); else of each class against the rest,
            shape (rows, classes). predict_score is that of the second or of the likeliest class.
        classes: the labels, rising.
        kind: train, validate or predict.
    """
    names = exact(pa.array(classes))
    if len(classes) == 2:
        score, chances = chances[:, 0], np.column_stack([1.0 - chances[:, 0], chances[:, 0]])
        chosen = (score > threshold).astype(np.int64)
    else:
        chosen = chances.argmax(axis=1)
        score = chances.max(axis=1)
    return _table(table, names.type, names.take(pa.array(chosen)), score, details(chances, names), kind)


def estimated(table: Table, estimate: Floats, kind: str) -> Table:
    """The same columns for predicted numbers, shape (rows,)."""
    numbers = pa.array(estimate)
    text = pc.binary_join_element_wise('{"label": ', numbers.cast(pa.string()), "}", "")
    return _table(table, pa.float64(), numbers, estimate, text, kind)


def _table(
    table: Table, label_type: pa.DataType, result: pa.Array, score: Floats, detail: pa.Array, kind: str
) -> Table:
    label = pa.nulls(len(table), label_type) if table.label_column is None else exact(pa.array(table.label))
    columns = {
        table.id_column: table.data.column(table.id_column),
        LABEL: label,
        RESULT: result,
        SCORE: pa.array(score),
        DETAIL: detail,
        TYPE: pa.array([kind]).take(pa.array(np.zeros(len(table), np.int64))),
    }
    return Table(pa.table(columns), table.id_column, None if table.label_column is None else LABEL)


def class_names(classes: Floats) -> list[str]:
    """What classes are called in a summary and a model: each by itself, however long its number is."""
    names: list[str] = as_text(pa.array(classes)).to_pylist()
    return names


def joined(tables: list[Table]) -> Table:
    """The rows of all."""
    data = pa.concat_tables([table.data for table in tables], promote_options="permissive")
    return Table(data, tables[0].id_column, tables[0].label_column)


def details(chances: Floats, names: pa.Array) -> pa.Array:
    """JSON objects with the probability of each class, shape (rows, classes), without a loop over rows."""
    parts: list[object] = []
    for place, name in enumerate(names.cast(pa.string()).to_pylist()):
        parts += [f'{", " if place else "{"}"{name}": ', pa.array(chances[:, place]).cast(pa.string())]
    return pc.binary_join_element_wise(*parts, "}", "")
