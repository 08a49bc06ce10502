"""Modules that change rows, labels and columns."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, ModuleParams, Scalar
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
POSITIVE_UNLABELED = ModuleSpec(
    module="PositiveUnlabeled", roles=GUEST_HOST, params=PositiveUnlabeledParams, model_outputs=1
)
