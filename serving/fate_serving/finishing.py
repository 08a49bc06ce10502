"""What components behind a model add to each row's answer, as offline: by their ``model.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fate_components.label_transform.model import Encoder, Label
from fate_components.scorecard.model import Scale, credit_score
from fate_federated.errors import ModelError
from fate_federated.pb.model import label_transform_pb2
from fate_federated.task.model import Model
from fate_serving.scoring import Predicted

Finish = Callable[[Predicted, list[dict[str, Any]]], None]
"""Adds to the data of rows."""


def scorecard(said: Mapping[str, Any]) -> Finish:
    """Scorecard: ``credit_score``.

    Args:
        said: the parameters that the component ran with.
    """
    offset, lowest = float(said.get("offset", 500)), float(said.get("lower_limit_value", 0))
    factor, base = float(said.get("factor", 20)), float(said.get("factor_base", 2))
    scale = Scale.of(offset, factor, base, lowest, float(said.get("upper_limit_ratio", 3)) * offset)

    def finish(predicted: Predicted, data: list[dict[str, Any]]) -> None:
        for row, score in zip(data, credit_score(scale, predicted.values[:, 0]).tolist(), strict=True):
            row["credit_score"] = score

    return finish


def relabelled(encoder: Encoder) -> Finish:
    """LabelTransform of predictions: ``label``, as before the training.

    Args:
        encoder: from the model's labels back to these.
    """

    def finish(predicted: Predicted, data: list[dict[str, Any]]) -> None:
        for row, label in zip(data, map(plain, predicted.labels()), strict=True):
            row["label"] = encoder.pairs.get(label, label)

    return finish


def encoder_of(model: Model) -> Encoder:
    """What a model of LabelTransform learnt.

    Raises:
        ModelError: it is a model of something else.
    """
    param = model.param
    if not isinstance(param, label_transform_pb2.LabelTransformParam):
        raise ModelError(f"LabelTransform cannot apply a model of {model.module}")
    kinds: Mapping[str, Callable[[str], Label]] = {"int": int, "float": float, "str": str}
    return Encoder(
        {
            kinds[param.encoder_key_type[old]](old): kinds[param.encoder_value_type[old]](new)
            for old, new in param.label_encoder.items()
        }
    )


def plain(label: float) -> Label:
    """1.0 is the label 1."""
    return int(label) if float(label).is_integer() else label
