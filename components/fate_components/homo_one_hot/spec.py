"""HomoOneHotEncoder as a dsl sees it."""

from __future__ import annotations

from fate_components.one_hot_encoder.spec import OneHotEncoderParams
from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST_ARBITER
from fate_federated.catalog.spec import ComponentSpec


class HomoOneHotEncoderParams(OneHotEncoderParams):
    """FATE's parameters."""

    need_alignment: bool = True
    """Encode the categories of all parties; else each party its own."""


HOMO_ONE_HOT_ENCODER = ComponentSpec(
    module="HomoOneHotEncoder",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoOneHotEncoderParams,
    implementation="fate_components.homo_one_hot.component:HomoOneHotEncoder",
    model_outputs=1,
)
