"""HeteroFeatureBinning as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fate_components.linear.params import PaillierParams
from fate_federated.catalog.modules.feature import BinningParams
from fate_federated.catalog.modules.roles import GUEST, GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, renamed
from fate_federated.catalog.spec import ComponentSpec

_LEGACY: dict[str, object] = {"error": 1e-3}


class HeteroFeatureBinningParams(BinningParams):
    """FATE's parameters. Quantiles are exact: error, compress_thres and head_size of the sketch that FATE takes them
    from change nothing.
    """

    method: Annotated[Literal["quantile", "bucket", "optimal"], AnyCase()] = "quantile"
    encrypt_param: PaillierParams = Field(default_factory=PaillierParams)
    """Of the labels, which never leave the guest in clear."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_version_1_1(cls, value: Any) -> Any:
        return renamed({"cols": "bin_indexes"}, _LEGACY)(value)

    @model_validator(mode="after")
    def _optimal_by_statistics(self) -> HeteroFeatureBinningParams:
        if self.skip_static and self.method == "optimal":
            raise ValueError("method optimal goes by the statistics that skip_static leaves out")
        if self.skip_static and self.transform_param.transform_type == "woe":
            raise ValueError("transform_type woe goes by the statistics that skip_static leaves out")
        optimal = self.optimal_binning_param
        if optimal.min_bin_pct > optimal.max_bin_pct:
            raise ValueError("min_bin_pct is above max_bin_pct")
        return self


HETERO_FEATURE_BINNING = ComponentSpec(
    module="HeteroFeatureBinning",
    roles=GUEST_HOST,
    needs=GUEST,
    params=HeteroFeatureBinningParams,
    implementation="fate_components.feature_binning.component:HeteroFeatureBinning",
    model_outputs=1,
    legacy_defaults=_LEGACY,
)
