"""Finding components by entry point and what FATE's modules are, and loading the class that runs one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from fate_federated.catalog.modules import MODULES
from fate_federated.catalog.spec import ComponentSpec, ModuleSpec
from fate_federated.errors import ConfigError

if TYPE_CHECKING:
    from fate_federated.task.component import Component

GROUP = "fate_federated.components"


@cache
def _points() -> dict[str, EntryPoint]:
    """All at once: a look into the metadata of every installed package costs some 30 ms."""
    return {point.name: point for point in entry_points(group=GROUP)}


def component_names() -> frozenset[str]:
    """The modules that installed packages provide, without importing any."""
    return frozenset(_points())


def module_names() -> frozenset[str]:
    """All that a dsl may name: installed components and FATE's modules."""
    return component_names() | MODULES.keys()


@cache
def find_component(module: str) -> ComponentSpec | None:
    """The spec of a module, or None when no installed package provides it.

    Raises:
        ConfigError: an installed package's entry point is broken.
    """
    point = _points().get(module)
    if point is None:
        return None
    try:
        spec = point.load()
    except Exception as error:  # whatever somebody else's package raises while it is imported
        raise ConfigError(f"The component {module} ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(spec, ComponentSpec):
        raise ConfigError(f"The entry point {point.value} of {module} is not a ComponentSpec.")
    return spec


@cache
def find_module(module: str) -> ModuleSpec | None:
    """The spec of a module that a dsl names: the component's where one is installed, else what is known of FATE's.

    Raises:
        ConfigError: an installed package's entry point is broken.
    """
    component = find_component(module)
    if component is not None or module not in MODULES:
        return component
    python_module, _, name = MODULES[module].partition(":")
    spec: ModuleSpec = getattr(import_module(python_module), name)
    return spec


def load_component(spec: ComponentSpec) -> type[Component[Any]]:
    """The class that runs a component; imports what it computes with."""
    module, _, name = spec.implementation.partition(":")
    implementation: type[Component[Any]] = getattr(import_module(module), name)
    return implementation
