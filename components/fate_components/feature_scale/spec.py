"""FeatureScale as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import model_validator

from fate_federated.catalog.shared_params import AnyCase, Columns, ModuleParams, Names, renamed
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class FeatureScaleParams(ModuleParams):
    """FATE's parameters."""

    method: Annotated[Literal["standard_scale", "min_max_scale"] | None, AnyCase()] = "standard_scale"
    """None leaves the values as they are."""
    mode: Annotated[Literal["normal", "cap"], AnyCase()] = "normal"
    """normal: feat_upper and feat_lower are values; cap: they are quantiles of each column, 0..1."""
    scale_col_indexes: Columns = -1
    """Positions of columns among the features; -1 for all."""
    scale_names: Names = None
    """Further columns, by name."""
    feat_upper: float | list[float] | None = None
    """Larger values are cut down to this; a list gives one bound per scaled column."""
    feat_lower: float | list[float] | None = None
    with_mean: bool = True
    """standard_scale: subtract the mean."""
    with_std: bool = True
    """standard_scale: divide by the standard deviation."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_1(cls, value: Any) -> Any:
        return renamed({"scale_column_idx": "scale_col_indexes"}, {})(value)

    @model_validator(mode="after")
    def _bounds(self) -> FeatureScaleParams:
        for name, bound in (("feat_upper", self.feat_upper), ("feat_lower", self.feat_lower)):
            values = bound if isinstance(bound, list) else [] if bound is None else [bound]
            if self.mode == "cap" and not all(0 <= value <= 1 for value in values):
                raise ValueError(f"with mode cap, {name} is a quantile between 0 and 1")
        return self


FEATURE_SCALE = ComponentSpec(
    module="FeatureScale",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=FeatureScaleParams,
    implementation="fate_components.feature_scale.component:FeatureScale",
    model_outputs=1,
    legacy_defaults={"method": "min_max_scale"},
)
