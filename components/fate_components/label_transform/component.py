"""Other labels for the classes, before a training and back again after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fate_components.label_transform.model import Encoder, Label, encode, encode_detail, same_label
from fate_components.label_transform.spec import LabelTransformParams
from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import label_transform_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

RESULT, DETAIL = "predict_result", "predict_detail"
MAX_CLASSES = 1000
"""FATE's bound. More labels than that are measurements."""
TYPES: Mapping[str, type[int] | type[float] | type[str]] = {"int": int, "float": float, "str": str}


class LabelTransform(Component[LabelTransformParams]):
    """Exchange labels. Each party by itself; nothing is sent.

    Without a model it exchanges as its parameters say; with one as that training did. Given predictions and a model, it
    turns their labels and results back into the labels from before the training. Rows without a label pass unchanged.
    """

    Params = LabelTransformParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._run(ctx, inputs)

    def _run(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = inputs.first("data")
        if table is None:
            # A model's predictions are the guest's alone.
            return Outputs((), inputs.model)
        predictions = RESULT in table.data.column_names
        if inputs.model is not None:
            model = inputs.model
            encoder = _encoder_of(model)
            encoder = encoder.reversed() if predictions else encoder
        else:
            encoder = self._learn(table)
            model = _model(encoder, self.params.need_run)
        if table.label_column is None and not predictions:
            log.info("the rows have no label and pass unchanged")
            return Outputs((table,), model)
        pairs = {str(old): new for old, new in encoder.pairs.items()}
        log.info("%d labels are exchanged in %d rows", len(pairs), len(table))
        meta = {"metric_type": "LABEL_TRANSFORM", "label_encoder": pairs}
        ctx.tracker.log_metric("train", "label_transform", (), meta)
        ctx.tracker.set_summary({"label_encoder": pairs})
        return Outputs((_exchanged(encoder, table, predictions),), model)

    def _learn(self, table: Table) -> Encoder:
        given, listed = self.params.label_encoder, self.params.label_list
        if table.label_column is None:
            return Encoder({})
        there = _labels(table.data.column(table.label_column))
        if given is not None:
            pairs = {same_label(old, there): new for old, new in given.items()}
            absent = len(pairs.keys() - set(there))
            if absent:
                log.warning("label_encoder names %d labels that no row has", absent)
            return Encoder(pairs | _staying(pairs, there))
        if listed is not None:
            unknown = len(set(there) - set(listed))
            if unknown:
                raise DataError(f"label_list does not name {unknown} of the {len(there)} labels of the rows.")
            there = sorted(listed, key=lambda label: (isinstance(label, str), label))
        return Encoder({old: place for place, old in enumerate(there)})


def _staying(pairs: Mapping[Label, Label], there: Sequence[Label]) -> dict[Label, Label]:
    """The labels of the rows that an encoder does not name: they stay, as in FATE's own example of it.

    Raises:
        DataError: it names none of the rows' labels, or gives one of them a label that stays.
    """
    unnamed = [label for label in there if label not in pairs]
    if not unnamed:
        return {}
    new = set(map(str, pairs.values()))
    merged = sum(str(label) in new for label in unnamed)
    if merged or len(unnamed) == len(there):
        raise DataError(
            f"label_encoder does not name {len(unnamed)} of the {len(there)} labels of the rows, and gives other rows "
            f"{merged} of these. Name every label, one that shall stay by itself."
        )
    log.warning("label_encoder does not name %d of the %d labels of the rows: they stay", len(unnamed), len(there))
    return {label: label for label in unnamed}


def _labels(column: pa.ChunkedArray) -> list[Label]:
    """All labels, in order; those of whole numbers as such."""
    distinct = pc.drop_null(column.unique())
    if len(distinct) > MAX_CLASSES:
        raise DataError(f"The rows have {len(distinct)} labels; {MAX_CLASSES} are the most that can be classes.")
    ordered: Sequence[Label] = distinct.sort().to_pylist()
    return [int(label) if isinstance(label, float) and label.is_integer() else label for label in ordered]


def _exchanged(encoder: Encoder, table: Table, predictions: bool) -> Table:
    data = table.data
    labels = [table.label_column, *([RESULT] if predictions else [])]
    for name in labels:
        if name is not None:
            data = _with(data, name, encode(encoder, data.column(name).combine_chunks()))
    if predictions and DETAIL in data.column_names:
        data = _with(data, DETAIL, encode_detail(encoder, data.column(DETAIL)))
    return Table(data, table.id_column, table.label_column, table.match_id_column, table.weight_column)


def _with(data: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return data.set_column(data.column_names.index(name), name, column)


def _model(encoder: Encoder, need_run: bool) -> Model:
    pairs = encoder.pairs.items()
    param = pb.LabelTransformParam(
        label_encoder={str(old): str(new) for old, new in pairs},
        encoder_key_type={str(old): type(old).__name__ for old, _ in pairs},
        encoder_value_type={str(old): type(new).__name__ for old, new in pairs},
    )
    return Model("LabelTransform", pb.LabelTransformMeta(need_run=need_run), param)


def _encoder_of(model: Model) -> Encoder:
    param = model.param
    if not isinstance(param, pb.LabelTransformParam):
        raise ModelError(f"LabelTransform cannot apply a model of {model.module}.")
    return Encoder(
        {
            TYPES[param.encoder_key_type[old]](old): TYPES[param.encoder_value_type[old]](new)
            for old, new in param.label_encoder.items()
        }
    )
