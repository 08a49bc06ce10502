"""HomoFeatureBinning as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from fate_federated.catalog.modules.feature import BinningParams
from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import AnyCase, PositiveInt, TransformParams
from fate_federated.catalog.spec import ComponentSpec, unavailable

ALIKE = (
    "bin_num", "bin_indexes", "bin_names", "category_indexes", "category_names", "split_points_by_index",
    "split_points_by_col_name",
)  # fmt: skip
"""Parameters that have to be the same at all parties."""


class HomoFeatureBinningParams(BinningParams):
    """Bins whose borders are those of all parties' rows together. Either method finds quantiles to 20 bits: error,
    compress_thres, head_size, sample_bins and max_iter of the ways that FATE finds them in change nothing. Nor do
    adjustment_factor, skip_static, optimal_binning_param and encrypt_param: no statistics by label are made.
    """

    method: Annotated[Literal["virtual_summary", "recursive_query"], AnyCase()] = "virtual_summary"
    sample_bins: PositiveInt = 100
    max_iter: int = Field(100, ge=1, le=100)

    @field_validator("transform_param")
    @classmethod
    def _by_number(cls, value: TransformParams) -> TransformParams:
        if value.transform_type == "woe":
            raise unavailable("transform_type woe is not available for HomoFeatureBinning: use bin_num")
        return value

    @field_validator("local_only")
    @classmethod
    def _of_all(cls, value: bool) -> bool:
        if value:
            raise unavailable("local_only is not available for HomoFeatureBinning: use HeteroFeatureBinning")
        return value


HOMO_FEATURE_BINNING = ComponentSpec(
    module="HomoFeatureBinning",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoFeatureBinningParams,
    implementation="fate_components.homo_feature_binning.component:HomoFeatureBinning",
    model_outputs=1,
)
