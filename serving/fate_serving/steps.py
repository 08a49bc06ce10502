"""The transformations between the first columns and a model, each as offline: by its component's ``model.py``.

A step is made once, when a model is loaded, for the columns that come to it, and then maps frames to frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from fate_components.data_transform.model import ColumnPlan, Plan
from fate_components.feature_binning.model import binning_of
from fate_components.feature_scale.model import scale, scaling_of
from fate_components.feature_selection.model import kept_columns
from fate_components.one_hot_encoder.model import Encoding, category_texts, encoding_of
from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import column_expand_pb2, feature_imputation_pb2
from fate_federated.task.model import Model
from fate_serving.codes import Code, ServingError
from fate_serving.frame import Frame, Layout
from fate_serving.intake import Refining

Step = Callable[[Frame], Frame]
Made = tuple[Layout, Step]
"""A step, and the columns that come out of it."""


def places(names: Sequence[str], layout: Layout, what: str) -> list[int]:
    """Where columns of numbers are.

    Raises:
        ModelError: one is not there, or holds texts.
    """
    absent = [name for name in names if name not in layout.names]
    if absent:
        raise ModelError(f"The model {what} columns that come from no component before it: {', '.join(absent)}.")
    texts = [name for name in names if name in layout.texts]
    if texts:
        raise ModelError(f"The model {what} columns that hold texts: {', '.join(texts)}.")
    return [layout.names.index(name) for name in names]


def imputation(model: Model, layout: Layout) -> Made:
    """FeatureImputation."""
    meta, param = model.meta, model.param
    if not isinstance(meta, feature_imputation_pb2.FeatureImputationMeta) or not isinstance(
        param, feature_imputation_pb2.FeatureImputationParam
    ):
        raise ModelError(f"FeatureImputation cannot apply a model of {model.module}.")
    learnt = param.imputer_param
    columns = tuple(
        ColumnPlan(name, learnt.missing_replace_value_type[name] or "float64", learnt.missing_replace_value[name])
        for name in param.header
        if name in learnt.missing_replace_value
    )
    texts = [column.name for column in columns if column.data_type == "str" or column.name in layout.texts]
    if texts:
        raise ModelError(f"Filling texts is not served: {', '.join(texts)}.")
    plan = Plan(columns, tuple(meta.imputer_meta.missing_value), ())
    at = places([column.name for column in columns], layout, "fills")
    return layout, Refining(plan, at)


def scaled(model: Model, layout: Layout) -> Made:
    """FeatureScale."""
    names, scaling = scaling_of(model)
    at = places(names, layout, "scales")
    if at == list(range(len(layout.names))):
        return layout, lambda frame: frame.with_numbers(scale(scaling, frame.numbers))

    def apply(frame: Frame) -> Frame:
        numbers = frame.numbers.copy()
        numbers[:, at] = scale(scaling, numbers[:, at])
        return frame.with_numbers(numbers)

    return layout, apply if at else _unchanged


def binned(model: Model, layout: Layout) -> Made:
    """HeteroFeatureBinning and HomoFeatureBinning."""
    binning = binning_of(model)
    at = places(binning.transformed, layout, "bins")
    if binning.transform_type is None or not at:
        return layout, _unchanged
    if binning.transform_type == "woe":
        without = [name for name in binning.transformed if not len(binning.woe[name])]
        if without:
            raise ModelError(f"The model has no weights of evidence of {', '.join(without)}.")

    def apply(frame: Frame) -> Frame:
        numbers = frame.numbers.copy()
        if np.isinf(numbers[:, at]).any():
            raise ServingError(Code.FEATURE, f"Values are infinite in one of {', '.join(binning.transformed)}.")
        for name, place in zip(binning.transformed, at, strict=True):
            numbers[:, place] = binning.transform(name, numbers[:, place])
        return frame.with_numbers(numbers)

    return layout, apply


def one_hot(model: Model, layout: Layout) -> Made:
    """OneHotEncoder and HomoOneHotEncoder."""
    encoding = encoding_of(model)
    absent = [name for name in encoding.header if name not in layout.names]
    if absent:
        raise ModelError(f"The model encodes columns that come from no component before it: {', '.join(absent)}.")
    result = Layout(encoding.result_header, layout.texts - set(encoding.categories))
    kept = [name for name in encoding.header if name not in encoding.categories]
    sources = [layout.names.index(name) for name in kept]
    targets = [result.names.index(name) for name in kept]
    encoders = [_Encoder(encoding, name, layout, result) for name in encoding.categories]

    def apply(frame: Frame) -> Frame:
        numbers = np.zeros((len(frame), len(result.names)))
        numbers[:, targets] = frame.numbers[:, sources]
        for encoder in encoders:
            encoder.write(frame, numbers)
        return Frame(numbers, {name: texts for name, texts in frame.texts.items() if name in result.texts})

    return result, apply


class _Encoder:
    """One column's categories."""

    def __init__(self, encoding: Encoding, name: str, layout: Layout, result: Layout) -> None:
        self._name, self._source = name, layout.names.index(name)
        self._is_text = name in layout.texts
        self._places = {
            category: result.names.index(column)
            for category, column in zip(encoding.categories[name], encoding.names(name), strict=True)
        }

    def write(self, frame: Frame, numbers: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
        raw = frame.texts[self._name] if self._is_text else pa.array(frame.numbers[:, self._source])
        try:
            texts = category_texts(self._name, raw, whole=False)
        except DataError as error:
            raise ServingError(Code.FEATURE, str(error)) from error
        for row, text in enumerate(texts.to_pylist()):
            place = self._places.get(text)
            if place is not None:
                numbers[row, place] = 1.0


def selected(model: Model, layout: Layout) -> Made:
    """HeteroFeatureSelection."""
    kept = kept_columns(model)
    absent = [name for name in kept if name not in layout.names]
    if absent:
        raise ModelError(f"The model keeps columns that come from no component before it: {', '.join(absent)}.")
    at = [layout.names.index(name) for name in kept]
    texts = layout.texts & set(kept)
    return Layout(kept, texts), lambda frame: Frame(frame.numbers[:, at], {name: frame.texts[name] for name in texts})


def expanded(model: Model, layout: Layout) -> Made:
    """ColumnExpand."""
    meta = model.meta
    if not isinstance(meta, column_expand_pb2.ColumnExpandMeta):
        raise ModelError(f"ColumnExpand cannot apply a model of {model.module}.")
    names, fills = tuple(meta.append_header), tuple(meta.fill_value)
    values: list[float] = []
    for name, fill in zip(names, fills if len(fills) == len(names) else fills * len(names), strict=True):
        try:
            values.append(np.nan if fill == "None" else float(fill))
        except ValueError:
            raise ModelError(f"The column {name!r} of texts cannot be appended online.") from None
    row = np.array([values])
    result = Layout((*layout.names, *names), layout.texts)
    return result, lambda frame: frame.with_numbers(np.hstack([frame.numbers, np.repeat(row, len(frame), axis=0)]))


def _unchanged(frame: Frame) -> Frame:
    return frame


STEPS: Mapping[str, Callable[[Model, Layout], Made]] = {
    "FeatureImputation": imputation,
    "FeatureScale": scaled,
    "HeteroFeatureBinning": binned,
    "HomoFeatureBinning": binned,
    "OneHotEncoder": one_hot,
    "HomoOneHotEncoder": one_hot,
    "HeteroFeatureSelection": selected,
    "ColumnExpand": expanded,
}
"""What transforms columns, by module."""

UNTOUCHED = frozenset(
    {
        "Reader",
        "Intersection",
        "DataStatistics",
        "HeteroPearson",
        "PSI",
        "SampleWeight",
        "LabelTransform",
        "Evaluation",
        "Writer",
        "Download",
        "CacheLoader",
    }
)
"""Modules that leave the features of a row as they are: they choose, weigh, label, count or judge rows."""
