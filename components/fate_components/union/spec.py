"""Union as a dsl sees it."""

from __future__ import annotations

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import ModuleParams
from fate_federated.catalog.spec import ComponentSpec


class UnionParams(ModuleParams):
    """FATE's parameters."""

    allow_missing: bool = False
    """Take tables that lack columns of the others; there the values are missing."""
    keep_duplicate: bool = False
    """Keep rows with an id that another table has as well: every row gets the id ``<id>_<component>``, after the
    component that made its table. Otherwise the first row of an id stays."""


UNION = ComponentSpec(
    module="Union",
    roles=GUEST_HOST,
    params=UnionParams,
    implementation="fate_components.union.component:Union",
)
