"""Modules that change rows, labels and columns."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, ModuleParams
from fate_federated.catalog.spec import ModuleSpec


class PositiveUnlabeledParams(ModuleParams):
    """Makes rows without a label positive that a model finds most likely so."""

    strategy: Annotated[Literal["probability", "quantity", "proportion", "distribution"], AnyCase()] = "probability"
    threshold: float = 0.9


POSITIVE_UNLABELED = ModuleSpec(
    module="PositiveUnlabeled", roles=GUEST_HOST, params=PositiveUnlabeledParams, model_outputs=1
)
