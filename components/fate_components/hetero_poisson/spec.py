"""HeteroPoisson as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_components.linear.params import VerticalParams
from fate_federated.catalog.linear_params import LEGACY_LOGISTIC
from fate_federated.catalog.shared_params import AnyCase, PositiveInt
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroPoissonParams(VerticalParams):
    """FATE's parameters."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad"], AnyCase()] = "rmsprop"
    max_iter: PositiveInt = 20
    exposure_colname: str | None = None
    """A column of the guest's that says how much each row was exposed to what is counted: a factor of the
    prediction."""


HETERO_POISSON = ComponentSpec(
    module="HeteroPoisson",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    neutral_arbiter=True,
    params=HeteroPoissonParams,
    implementation="fate_components.hetero_poisson.component:HeteroPoisson",
    model_outputs=1,
    legacy_defaults=LEGACY_LOGISTIC | {"max_iter": 100},
)
