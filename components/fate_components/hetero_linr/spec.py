"""HeteroLinR as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_components.linear.params import VerticalParams
from fate_federated.catalog.shared_params import AnyCase, PositiveInt
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class HeteroLinRParams(VerticalParams):
    """FATE's parameters."""

    optimizer: Annotated[Literal["sgd", "rmsprop", "adam", "adagrad", "sqn"], AnyCase()] = "sgd"
    max_iter: PositiveInt = 20


HETERO_LIN_R = ComponentSpec(
    module="HeteroLinR",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    needs=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    neutral_arbiter=True,
    params=HeteroLinRParams,
    implementation="fate_components.hetero_linr.component:HeteroLinR",
    model_outputs=1,
    legacy_defaults={
        "tol": 1e-5,
        "max_iter": 100,
        "alpha": 0.01,
        "early_stop": "weight_diff",
        "decay": 10,
        "decay_sqrt": False,
        "init_param": {"init_method": "zeros"},
    },
)
