"""How much each row counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_components.alone import AloneComponent
from fate_components.sample_weight.spec import SampleWeightParams
from fate_components.tables import class_labels, input_table, label_text
from fate_federated.errors import DataError, ModelError
from fate_federated.party import Role
from fate_federated.pb.model import sample_weight_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import WEIGHT, Table

log = logging.getLogger(__name__)

BY_LABEL, BY_COLUMN = "class weight", "sample weight name"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weighting:
    """Where weights come from.

    Attributes:
        mode: BY_LABEL, BY_COLUMN, or empty for no weights.
        column: of BY_COLUMN.
        labels: of BY_LABEL: the weight by label, named as :func:`.tables.label_text` does.
    """

    mode: str
    column: str = ""
    normalize: bool = False
    labels: Mapping[str, float] | None = None


class SampleWeight(AloneComponent[SampleWeightParams]):
    """Give rows weights, by their label or from a feature, which is no feature any more. Each party by itself; nothing
    is sent.

    With a model it applies the weights of the labels that were learnt, and takes the same feature; rows without that
    feature, or without labels, pass unchanged, as they do at a host that has no labels.
    """

    Params = SampleWeightParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            weighting = _weighting_of(inputs.model)
            there = {BY_COLUMN: weighting.column in table.feature_names, BY_LABEL: table.label_column is not None}
            if not there.get(weighting.mode, False):
                log.info("the rows have nothing to take weights from and pass unchanged")
                return Outputs((table,), inputs.model)
            return Outputs((_weighted(table, weighting),), inputs.model)
        weighting = self._learn(ctx, table)
        output = _weighted(table, weighting) if weighting.mode else table
        labels = dict(weighting.labels or {})
        meta = {
            "metric_type": "SAMPLE_WEIGHT",
            "name": "train",
            "weight_mode": weighting.mode or None,
            "class_weight": labels or None,
            "classes": sorted(labels) or None,
            "sample_weight_name": self.params.sample_weight_name,
        }
        ctx.tracker.log_metric("train", "sample_weight", (), meta)
        ctx.tracker.set_summary({"weight_mode": weighting.mode, "class_weight": labels})
        model = Model(
            "SampleWeight",
            pb.SampleWeightModelMeta(
                sample_weight_name=weighting.column, normalize=self.params.normalize, need_run=self.params.need_run
            ),
            pb.SampleWeightModelParam(header=output.feature_names, weight_mode=weighting.mode, class_weight=labels),
        )
        return Outputs((output,), model)

    def _learn(self, ctx: TaskContext, table: Table) -> Weighting:
        name, by_class = self.params.sample_weight_name, self.params.class_weight
        if name is not None:
            if by_class:
                log.warning("weights are those of %s; class_weight is not used beside it", name)
            if name not in table.feature_names:
                raise DataError(
                    f"sample_weight_name names {name}; the columns of {ctx.party} are {', '.join(table.feature_names)}."
                )
            return Weighting(BY_COLUMN, name, self.params.normalize)
        if not by_class:
            return Weighting("")
        label = class_labels(table)
        if label is None:
            if ctx.party.role is Role.GUEST:
                raise DataError(f"class_weight needs labels, and the table of {ctx.party} has none.", public=True)
            log.info("%s has no labels: its rows pass unchanged", ctx.party)
            return Weighting("")
        if isinstance(by_class, dict):
            unused = {label_text(text) for text in by_class} - set(map(label_text, np.unique(label)))
            if unused:
                log.warning("class_weight names %d labels that no row has", len(unused))
            return Weighting(BY_LABEL, labels={label_text(text): weight for text, weight in by_class.items()})
        values, counts = np.unique(label, return_counts=True)
        weights = label.size / (values.size * counts)
        return Weighting(BY_LABEL, labels=dict(zip(map(label_text, values), weights.tolist(), strict=True)))


def _weighted(table: Table, weighting: Weighting) -> Table:
    """The table with weights in place of those it had."""
    label = class_labels(table)
    if weighting.mode == BY_COLUMN or label is None:
        weight = _column_weights(table, weighting)
    else:
        values, codes = np.unique(label, return_inverse=True)
        weight = np.array([(weighting.labels or {}).get(label_text(value), 1.0) for value in values])[codes]
    dropped = {table.weight_column, weighting.column}
    data = table.data.select([name for name in table.data.column_names if name not in dropped])
    return replace(table, data=data.append_column(WEIGHT, pa.array(weight)), weight_column=WEIGHT)


def _column_weights(table: Table, weighting: Weighting) -> Floats:
    weight = table.numbers([weighting.column])[:, 0]
    wrong = ~np.isfinite(weight) | (weight < 0)
    if wrong.any():
        raise DataError(
            f"{int(wrong.sum())} values of the weight {weighting.column} are missing, infinite or below 0, the first "
            f"in row {int(np.argmax(wrong)) + 1}."
        )
    if weighting.normalize:
        if not weight.any():
            raise DataError(f"All values of the weight {weighting.column} are 0: they have no mean to be divided by.")
        weight = weight / weight.mean()
    return np.ascontiguousarray(weight)


def _weighting_of(model: Model) -> Weighting:
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.SampleWeightModelMeta) or not isinstance(param, pb.SampleWeightModelParam):
        raise ModelError(f"SampleWeight cannot apply a model of {model.module}.")
    return Weighting(param.weight_mode, meta.sample_weight_name, meta.normalize, dict(param.class_weight))
