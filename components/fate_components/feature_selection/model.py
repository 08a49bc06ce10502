"""The columns that a selection leaves."""

from __future__ import annotations

from fate_federated.errors import ModelError
from fate_federated.pb.model import feature_selection_pb2 as pb
from fate_federated.task.model import Model


def kept_columns(model: Model) -> tuple[str, ...]:
    """The features that a model of one party keeps of that party's rows, in their order.

    Raises:
        ModelError: it is a model of something else.
    """
    if not isinstance(model.param, pb.FeatureSelectionParam):
        raise ModelError(f"HeteroFeatureSelection cannot apply a model of {model.module}.")
    left = model.param.final_left_cols
    return tuple(name for name in left.original_cols if left.left_cols[name])
