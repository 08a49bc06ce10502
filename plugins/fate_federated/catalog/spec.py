"""What a component declares about itself, cheap enough to read while a DAG is parsed."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from fate_federated.party import Role


class ComponentParams(BaseModel):
    """Base of every component's parameters: FATE's names, its defaults, their bounds.

    A field that FATE has and this component does not honour is not declared, so that asking for it is an error
    with a place rather than a silent difference.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """A component as the DAG factory sees it. Importing the module that holds one must not import NumPy.

    Attributes:
        module: FATE's name of it, such as ``HeteroLR``.
        roles: the roles that take part. A party in another role follows the outcome and computes nothing.
        needs: those of the roles without which it cannot run at all.
        params: its parameters.
        implementation: ``package.module:Class`` of the :class:`~fate_federated.task.component.Component`, imported
            only where it runs.
        data_outputs, model_outputs: how many outputs of each kind a dsl may name.
        deploy: whether it is part of a prediction pipeline unless the dsl says otherwise.
        legacy_defaults: parameters whose defaults differ in FATE up to 1.4 (dsl version 1).
    """

    module: str
    roles: frozenset[Role]
    params: type[ComponentParams]
    implementation: str
    data_outputs: int = 1
    model_outputs: int = 0
    deploy: bool = True
    legacy_defaults: dict[str, object] = field(default_factory=dict)
    needs: frozenset[Role] = frozenset()
