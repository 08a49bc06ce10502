"""What a module of a dsl declares about itself, cheap enough to read while a DAG is parsed."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from fate_federated.party import Role

UNAVAILABLE = "unavailable"
"""Type of pydantic error for what FATE does and the installed component does not."""


class ComponentParams(BaseModel):
    """Base of every module's parameters: FATE's names, its defaults, their bounds.

    Every parameter of FATE's is declared. A component that does not honour one of them, or one of its values, refuses
    it in a validator with :func:`unavailable`, so that asking for it is an error with a place rather than a silent
    difference, and no mistake in the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def unavailable(message: str) -> PydanticCustomError:
    """The error that a validator raises at a value that FATE knows and the installed component does not honour."""
    return PydanticCustomError(UNAVAILABLE, "{message}", {"message": message})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSpec:
    """A module as FATE knows it, whether or not a component that runs it is installed.

    Attributes:
        module: FATE's name of it, such as ``HeteroLR``.
        roles: the roles that take part. A party in another role follows the outcome and computes nothing.
        needs: those of the roles without which it cannot run at all.
        needs_data: it cannot run without a data input.
        neutral_arbiter: its arbiter decrypts for the others, so that a guest which is the arbiter too would read what
            hosts encrypt.
        params: its parameters.
        data_outputs, model_outputs, cache_outputs: how many outputs of each kind a dsl may name.
        deploy: whether it is part of a prediction pipeline unless the dsl says otherwise.
        legacy_defaults: parameters whose defaults differ in FATE up to 1.4 (dsl version 1).
        legacy_names: today's name of parameters that were called otherwise then.
    """

    module: str
    roles: frozenset[Role]
    params: type[ComponentParams]
    data_outputs: int = 1
    model_outputs: int = 0
    cache_outputs: int = 0
    deploy: bool = True
    legacy_defaults: dict[str, object] = field(default_factory=dict)
    legacy_names: dict[str, str] = field(default_factory=dict)
    needs: frozenset[Role] = frozenset()
    needs_data: bool = True
    neutral_arbiter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec(ModuleSpec):
    """A module that an installed package runs. Importing the Python module that holds one must not import NumPy.

    Attributes:
        implementation: ``package.module:Class`` of the :class:`~fate_federated.task.component.Component`, imported
            only where it runs.
    """

    implementation: str
