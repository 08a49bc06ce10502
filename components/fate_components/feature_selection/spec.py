"""HeteroFeatureSelection as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

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
from fate_federated.catalog.spec import ComponentSpec

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
    """unique_value: columns whose largest value is at least this much above the smallest."""

    eps: PositiveFloat = 1e-5


class IvValueParams(ParameterGroup):
    """iv_value_thres: columns whose information value is at least this."""

    value_threshold: float = 0
    host_thresholds: float | list[float] | None = None
    """For the columns of each host, in the conf's order, in place of value_threshold; one number for all of them."""
    local_only: bool = False
    """The guest chooses among its own columns alone."""

    @model_validator(mode="after")
    def _some_hosts(self) -> IvValueParams:
        if self.host_thresholds == []:
            raise ValueError("host_thresholds is an empty list: write one threshold for each host, or null")
        return self


class IvPercentileParams(ParameterGroup):
    """iv_percentile: this share of the columns, those with the highest information value."""

    percentile_threshold: Fraction = 1
    local_only: bool = False


class IvTopKParams(ParameterGroup):
    """iv_top_k: so many columns with the highest information value."""

    k: PositiveInt = 10
    local_only: bool = False


class VarianceCoeParams(ParameterGroup):
    """coefficient_of_variation_value_thres: columns whose deviation is at least so many times their mean."""

    value_threshold: PositiveFloat = 1


class OutlierParams(ParameterGroup):
    """outlier_cols: columns whose quantile at percentile is at most upper_threshold."""

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
    """percentage_value: columns in which no value has more than this share of the rows. Missing is a value too."""

    upper_pct: float = Field(1, ge=0.1, le=1)


class MetricFilterParams(ParameterGroup):
    """A filter by what another component measured. With several metrics, each is a step of its own, and each of the
    rest is a list with one entry for each, or one value for all.
    """

    known_metrics: ClassVar[frozenset[str] | None] = None
    """None for any that the other component knows."""
    guest_knows_hosts: ClassVar[bool] = False
    """Whether the guest may choose among the hosts' columns."""

    metrics: str | list[str]
    filter_type: FilterType | list[FilterType] = "threshold"
    """threshold: columns that reach it; top_k: so many of the best; top_percentile: this share of them."""
    threshold: float | list[float] = 1
    take_high: bool | list[bool] = True
    """Whether high values are the good ones."""
    host_thresholds: float | list[float] | list[list[float]] | None = None
    """Of type threshold, in place of it for the columns of each host, in the conf's order; of several metrics a list of
    such lists. One number is for all hosts.
    """
    select_federated: bool | list[bool] = True
    """Whether the guest chooses among the hosts' columns too, where it knows what they are worth."""

    @model_validator(mode="after")
    def _one_for_each_metric(self) -> MetricFilterParams:
        for name in self._of_each_metric():
            value = getattr(self, name)
            if isinstance(value, list) and (isinstance(self.metrics, str) or len(value) != len(self.metrics)):
                raise ValueError(f"{name} is a list: metrics has to be a list of the same length")
        metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        if not metrics:
            raise ValueError("metrics is an empty list: name what the filter goes by")
        unknown = set() if self.known_metrics is None else set(metrics) - self.known_metrics
        if unknown:
            raise ValueError(f"this filter does not go by {', '.join(sorted(unknown))}")
        if self.host_thresholds == []:
            raise ValueError("host_thresholds is an empty list: write one threshold for each host, or null")
        nested = isinstance(self.host_thresholds, list) and any(isinstance(one, list) for one in self.host_thresholds)
        if nested and len(self.host_thresholds or ()) != len(metrics):  # type: ignore[arg-type]
            raise ValueError("host_thresholds is a list of lists: it needs one list for each metric")
        self._check_host_thresholds()
        for one in self.of_metrics():
            threshold = one["threshold"]
            if one["filter_type"] == "top_k" and (threshold < 1 or threshold != int(threshold)):
                raise ValueError(f"top_k takes a whole number of columns, at least 1, not {threshold}")
            if one["filter_type"] == "top_percentile" and not 0 <= threshold <= 1:
                raise ValueError(f"top_percentile takes a share from 0 to 1, not {threshold}")
        return self

    def _check_host_thresholds(self) -> None:
        if self.host_thresholds is None:
            return
        if not self.guest_knows_hosts:
            raise ValueError("host_thresholds has no effect, each party goes by itself: give hosts their own threshold")
        if all(one["filter_type"] != "threshold" for one in self.of_metrics()):
            raise ValueError("host_thresholds is for filter_type threshold")

    @classmethod
    def _of_each_metric(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in ("metrics", "host_thresholds")]

    def of_metrics(self) -> list[dict[str, Any]]:
        """Of each metric in turn, the parameters of its step; its name as ``metric``."""
        metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        found = []
        for place, metric in enumerate(metrics):
            one: dict[str, Any] = {"metric": metric}
            for name in self._of_each_metric():
                value = getattr(self, name)
                one[name] = value[place] if isinstance(value, list) else value
            hosts = self.host_thresholds
            one["host_thresholds"] = hosts[place] if isinstance(hosts, list) and isinstance(hosts[0], list) else hosts
            found.append(one)
        return found


class IvParams(MetricFilterParams):
    """iv_filter."""

    known_metrics = frozenset({"iv"})
    guest_knows_hosts = True
    metrics: str | list[str] = "iv"
    mul_class_merge_type: ClassMerge | list[ClassMerge] = "average"
    """What a column is worth that has an information value for each of several classes."""

    @field_validator("take_high")
    @classmethod
    def _high(cls, value: bool | list[bool]) -> bool | list[bool]:
        if value is False or (isinstance(value, list) and False in value):
            raise ValueError("the columns that are worth keeping have high information values: take_high is true")
        return value


class StatisticParams(MetricFilterParams):
    """statistic_filter: by DataStatistics. Each party by itself."""

    metrics: str | list[str] = "mean"


class PsiFilterParams(MetricFilterParams):
    """psi_filter: by PSI. Each party by itself."""

    known_metrics = frozenset({"psi"})
    metrics: str | list[str] = "psi"
    take_high: bool | list[bool] = False


class VifParams(MetricFilterParams):
    """vif_filter: by the variance inflation factors of HeteroPearson. Each party by itself."""

    known_metrics = frozenset({"vif"})
    metrics: str | list[str] = "vif"
    threshold: float | list[float] = 5
    take_high: bool | list[bool] = False


class SbtParams(MetricFilterParams):
    """hetero_sbt_filter, homo_sbt_filter, hetero_fast_sbt_filter: by the importance that boosted trees gave. top_k and
    top_percentile are of each party's columns.
    """

    known_metrics = frozenset({"feature_importance"})
    guest_knows_hosts = True
    metrics: str | list[str] = "feature_importance"


class CorrelationParams(ParameterGroup):
    """correlation_filter: of columns whose correlation is above the threshold in magnitude, the one that is worth most.
    Two columns of hosts are not compared.
    """

    sort_metric: Annotated[Literal["iv"], AnyCase()] = "iv"
    threshold: Fraction = 0.1
    select_federated: bool = True
    """Whether the guest compares its columns with the hosts', and chooses among these."""


class HeteroFeatureSelectionParams(ModuleParams):
    """FATE's parameters. Where the guest chooses among a host's columns it goes by its own parameters, and the host has
    to name the same of these filters; all other filters may differ from party to party.
    """

    select_col_indexes: Columns | None = -1
    """Columns that filters may take away; the others stay."""
    select_names: Names = None
    filter_methods: list[Filter] | None = None
    """The filters, in the order in which they are applied: each sees what those before it left. Without any, all
    columns stay."""
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
    """Names of columns are anonymous, as host_10000_3 or host_10000_x3; those of other parties are passed over."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_1(cls, value: Any) -> Any:
        return renamed({"select_cols": "select_col_indexes"}, {})(value)


HETERO_FEATURE_SELECTION = ComponentSpec(
    module="HeteroFeatureSelection",
    roles=GUEST_HOST,
    needs=GUEST,
    params=HeteroFeatureSelectionParams,
    implementation="fate_components.feature_selection.component:HeteroFeatureSelection",
    model_outputs=1,
)
