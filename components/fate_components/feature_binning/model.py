"""Bins of values, and what they tell of a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fate_federated.errors import ModelError
from fate_federated.pb.model import feature_binning_pb2 as pb
from fate_federated.task.model import Model

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def bin_numbers(values: Floats, split_points: Floats) -> Integers:
    """The bin of each value, shape (rows,).

    Bin i ends with split_points[i], which belongs to it; the last takes all above too. Missing values have a bin of
    their own after it, number len(split_points).
    """
    numbers = np.searchsorted(split_points[:-1], values, side="left").astype(np.int64)
    numbers[np.isnan(values)] = len(split_points)
    return numbers


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the bins of a column tell of an event; each array has shape (bins,).

    With e of the E events and m of the M other rows in a bin, its weight of evidence is log((e/E) / (m/M)), and its
    part of the information value (e/E - m/M) times that. Where e or m is 0, adjustment_factor is added to both.
    Siddiqi 2006, "Credit risk scorecards", chapter 6; the event stands above the line, as in FATE.
    """

    events: Integers
    others: Integers
    event_rate: Floats
    other_rate: Floats
    woe: Floats
    iv_of_bin: Floats

    @property
    def iv(self) -> float:
        """The column's information value."""
        return float(self.iv_of_bin.sum())


def evidence_of(events: Integers, others: Integers, adjustment_factor: float) -> Evidence:
    """The evidence of bins that hold so many events and other rows, shape (bins,).

    There is an event and another row in one of the bins.
    """
    added = np.where((events == 0) | (others == 0), adjustment_factor, 0.0)
    event_rate, other_rate = (events + added) / events.sum(), (others + added) / others.sum()
    woe = np.log(event_rate / other_rate)
    return Evidence(events, others, event_rate, other_rate, woe, (event_rate - other_rate) * woe)


def is_monotonic(woe: Floats) -> bool:
    """Whether the weights never turn."""
    steps = np.diff(woe)
    return bool((steps >= 0).all() or (steps <= 0).all())


@dataclass(frozen=True, slots=True)
class Binning:
    """What a model does to columns.

    Attributes:
        split_points: by binned column.
        woe: by binned column and bin; empty where there are none.
        transformed: the columns that are replaced.
        transform_type: by what: bin_num, woe, or None to leave them.
    """

    split_points: Mapping[str, Floats]
    woe: Mapping[str, Floats]
    transformed: tuple[str, ...]
    transform_type: str | None

    def transform(self, name: str, values: Floats) -> Integers | Floats:
        """A transformed column's new values. A missing value where the training had none has the weight 0."""
        numbers = bin_numbers(values, self.split_points[name])
        if self.transform_type == "bin_num":
            return numbers
        woe = self.woe[name]
        return np.append(woe, 0.0)[np.minimum(numbers, len(woe))]


def binning_of(model: Model) -> Binning:
    """What the model of a party does to that party's columns.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.FeatureBinningMeta) or not isinstance(param, pb.FeatureBinningParam):
        raise ModelError(f"HeteroFeatureBinning cannot apply a model of {model.module}.")
    columns = param.binning_result.binning_result
    transformed = tuple(param.header[position] for position in meta.transform_param.transform_cols)
    return Binning(
        {name: np.array(columns[name].split_points) for name in meta.cols},
        {name: np.array(columns[name].woe_array) for name in meta.cols},
        transformed,
        meta.transform_param.transform_type or None,
    )
