"""Choice of features by filters that are applied one after the other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fate_federated.catalog.modules.roles import GUEST, GUEST_HOST
from fate_federated.catalog.shared_params import (
    AnyCase,
    Columns,
    Fraction,
    ModuleParams,
    Names,
    ParameterGroup,
    PositiveFloat,
    PositiveInt,
    renamed,
)
from fate_federated.catalog.spec import ModuleSpec

Filter = Annotated[
    Literal[
        "unique_value", "iv_value_thres", "iv_percentile", "iv_top_k", "coefficient_of_variation_value_thres",
        "outlier_cols", "manually", "percentage_value", "iv_filter", "statistic_filter", "psi_filter",
        "hetero_sbt_filter", "homo_sbt_filter", "hetero_fast_sbt_filter", "vif_filter", "correlation_filter",
    ],
    AnyCase(),
]  # fmt: skip
FilterType = Annotated[Literal["threshold", "top_k", "top_percentile"], AnyCase()]
ClassMerge = Annotated[Literal["average", "max", "min"], AnyCase()]


class UniqueParams(ParameterGroup):
    """unique_value: columns whose values differ by more than this."""

    eps: PositiveFloat = 1e-5


class IvValueParams(ParameterGroup):
    """iv_value_thres: columns whose information value is at least this."""

    value_threshold: float = 0
    host_thresholds: float | list[float] | None = None
    local_only: bool = False


class IvPercentileParams(ParameterGroup):
    """iv_percentile: the share of the columns with the highest information value."""

    percentile_threshold: Fraction = 1
    local_only: bool = False


class IvTopKParams(ParameterGroup):
    """iv_top_k: so many columns with the highest information value."""

    k: PositiveInt = 10
    local_only: bool = False


class VarianceCoeParams(ParameterGroup):
    """coefficient_of_variation_value_thres: columns that vary at least so much."""

    value_threshold: PositiveFloat = 1


class OutlierParams(ParameterGroup):
    """outlier_cols: columns whose quantile is at most this."""

    percentile: Fraction = 1
    upper_threshold: float = 1


class ManuallyParams(ParameterGroup):
    """manually: columns to leave out, or the only ones to keep."""

    filter_out_indexes: Columns | None = None
    filter_out_names: Names = None
    left_col_indexes: Columns | None = None
    left_col_names: Names = None

    @model_validator(mode="after")
    def _one_way(self) -> ManuallyParams:
        if (self.filter_out_indexes or self.filter_out_names) and (self.left_col_indexes or self.left_col_names):
            raise ValueError("write either what to filter out or what is left, not both")
        return self


class PercentageValueParams(ParameterGroup):
    """percentage_value: columns in which no value has more than this share of the rows."""

    upper_pct: float = Field(1, ge=0.1, le=1)


class MetricFilterParams(ParameterGroup):
    """A filter by what another component measured. With several metrics, each of the rest is a list with one entry
    for each, or one value for all.
    """

    metrics: str | list[str]
    filter_type: FilterType | list[FilterType] = "threshold"
    threshold: float | list[float] = 1
    take_high: bool | list[bool] = True
    host_thresholds: float | list[float] | list[list[float]] | None = None
    select_federated: bool | list[bool] = True

    @model_validator(mode="after")
    def _one_for_each_metric(self) -> MetricFilterParams:
        for name in ("filter_type", "threshold", "take_high", "select_federated"):
            value = getattr(self, name)
            if isinstance(value, list) and (isinstance(self.metrics, str) or len(value) != len(self.metrics)):
                raise ValueError(f"{name} is a list: metrics has to be a list of the same length")
        return self


class IvParams(MetricFilterParams):
    """iv_filter."""

    metrics: str | list[str] = "iv"
    mul_class_merge_type: ClassMerge | list[ClassMerge] = "average"


class StatisticParams(MetricFilterParams):
    """statistic_filter."""

    metrics: str | list[str] = "mean"


class PsiFilterParams(MetricFilterParams):
    """psi_filter."""

    metrics: str | list[str] = "psi"
    take_high: bool | list[bool] = False


class VifParams(MetricFilterParams):
    """vif_filter."""

    metrics: str | list[str] = "vif"
    threshold: float | list[float] = 5
    take_high: bool | list[bool] = False


class SbtParams(MetricFilterParams):
    """hetero_sbt_filter, homo_sbt_filter, hetero_fast_sbt_filter."""

    metrics: str | list[str] = "feature_importance"


class CorrelationParams(ParameterGroup):
    """correlation_filter: of columns that go together, the one that is sorted first."""

    sort_metric: Annotated[Literal["iv"], AnyCase()] = "iv"
    threshold: float = 0.1
    select_federated: bool = True


class HeteroFeatureSelectionParams(ModuleParams):
    """The filters in their order, and the parameters of each."""

    select_col_indexes: Columns | None = -1
    select_names: Names = None
    filter_methods: list[Filter] | None = None
    unique_param: UniqueParams = Field(default_factory=UniqueParams)
    iv_value_param: IvValueParams = Field(default_factory=IvValueParams)
    iv_percentile_param: IvPercentileParams = Field(default_factory=IvPercentileParams)
    iv_top_k_param: IvTopKParams = Field(default_factory=IvTopKParams)
    variance_coe_param: VarianceCoeParams = Field(default_factory=VarianceCoeParams)
    outlier_param: OutlierParams = Field(default_factory=OutlierParams)
    manually_param: ManuallyParams = Field(default_factory=ManuallyParams)
    percentage_value_param: PercentageValueParams = Field(default_factory=PercentageValueParams)
    iv_param: IvParams = Field(default_factory=IvParams)
    statistic_param: StatisticParams = Field(default_factory=StatisticParams)
    psi_param: PsiFilterParams = Field(default_factory=PsiFilterParams)
    vif_param: VifParams = Field(default_factory=VifParams)
    sbt_param: SbtParams = Field(default_factory=SbtParams)
    correlation_param: CorrelationParams = Field(default_factory=CorrelationParams)
    use_anonymous: bool = False

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_1(cls, value: Any) -> Any:
        return renamed({"select_cols": "select_col_indexes"}, {})(value)


HETERO_FEATURE_SELECTION = ModuleSpec(
    module="HeteroFeatureSelection",
    roles=GUEST_HOST,
    needs=GUEST,
    params=HeteroFeatureSelectionParams,
    model_outputs=1,
)
