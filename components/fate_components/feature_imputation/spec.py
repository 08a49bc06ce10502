"""FeatureImputation as a dsl sees it."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Fill, ModuleParams
from fate_federated.catalog.spec import ComponentSpec

Value = int | float | str


class FeatureImputationParams(ModuleParams):
    """FATE's parameters."""

    default_value: Value | list[Value] = 0
    """What designated fills with; a list gives one value per feature."""
    missing_fill_method: Fill = None
    """Of the features that col_missing_fill_method does not name. None fills with default_value where no feature is
    named there, and leaves the others as they are where some are."""
    col_missing_fill_method: dict[str, Fill] | None = None
    """The method by feature; None leaves the feature as it is."""
    missing_impute: Value | list[Value] | None = None
    """What counts as missing beside an absent value; None for the empty text, none, null, na, None and nan."""

    @field_validator("default_value", mode="before")
    @classmethod
    def _none_is_zero(cls, value: Any) -> Any:
        return 0 if value is None else value


FEATURE_IMPUTATION = ComponentSpec(
    module="FeatureImputation",
    roles=GUEST_HOST,
    params=FeatureImputationParams,
    implementation="fate_components.feature_imputation.component:FeatureImputation",
    model_outputs=1,
)
