"""Modules that change rows, labels and columns."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, Fill, ModuleParams, Scalar
from fate_federated.catalog.spec import ModuleSpec


class SampleWeightParams(ModuleParams):
    """A weight for each row, by its class or from a column."""

    class_weight: Annotated[Literal["balanced"], AnyCase()] | dict[str, float] | None = None
    sample_weight_name: str | None = None
    normalize: bool = False


class ColumnExpandParams(ModuleParams):
    """Further columns, each of one value."""

    append_header: str | list[str] | None = None
    method: Annotated[Literal["manual"], AnyCase()] = "manual"
    fill_value: Scalar | list[Scalar] = 1e-8
    """One value for all of the columns, or one for each."""


class FeatureImputationParams(ModuleParams):
    """Values for what is missing."""

    default_value: Scalar | list[Scalar] = 0
    """What designated fills with; a list gives one value per column."""
    missing_fill_method: Fill = None
    col_missing_fill_method: dict[str, Fill] | None = None
    missing_impute: Scalar | list[Scalar] = None
    """What counts as missing."""


class LabelTransformParams(ModuleParams):
    """Other labels for the classes."""

    label_encoder: dict[str, Scalar] | None = None
    """The new label by the old one, as text."""
    label_list: list[Scalar] | None = None
    """The old labels with their types."""


class PositiveUnlabeledParams(ModuleParams):
    """Makes rows without a label positive that a model finds most likely so."""

    strategy: Annotated[Literal["probability", "quantity", "proportion", "distribution"], AnyCase()] = "probability"
    threshold: float = 0.9


SAMPLE_WEIGHT = ModuleSpec(module="SampleWeight", roles=GUEST_HOST, params=SampleWeightParams, model_outputs=1)
COLUMN_EXPAND = ModuleSpec(
    module="ColumnExpand",
    roles=GUEST_HOST,
    params=ColumnExpandParams,
    model_outputs=1,
    legacy_defaults={"append_header": [], "fill_value": 1e-6},
)
FEATURE_IMPUTATION = ModuleSpec(
    module="FeatureImputation", roles=GUEST_HOST, params=FeatureImputationParams, model_outputs=1
)
LABEL_TRANSFORM = ModuleSpec(module="LabelTransform", roles=GUEST_HOST, params=LabelTransformParams, model_outputs=1)
POSITIVE_UNLABELED = ModuleSpec(
    module="PositiveUnlabeled", roles=GUEST_HOST, params=PositiveUnlabeledParams, model_outputs=1
)
