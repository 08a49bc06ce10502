"""SBTFeatureTransformer as a dsl sees it."""

from __future__ import annotations

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import ModuleParams
from fate_federated.catalog.spec import ComponentSpec


class SBTFeatureTransformerParams(ModuleParams):
    """Leaves of boosted trees as features. Of FATE 1.6."""

    dense_format: bool = True
    """Columns of double numbers; otherwise of integers of one byte."""


SBT_FEATURE_TRANSFORMER = ComponentSpec(
    module="SBTFeatureTransformer",
    roles=GUEST_HOST,
    needs=GUEST_HOST,
    params=SBTFeatureTransformerParams,
    implementation="fate_components.sbt_feature_transformer.component:SBTFeatureTransformer",
    model_outputs=1,
)
