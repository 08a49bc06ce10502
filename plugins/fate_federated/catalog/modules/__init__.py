"""FATE's modules, of its releases 1.0 to 1.11: what a dsl may name, with the parameters that FATE gives each."""

from __future__ import annotations

MODULES: dict[str, str] = {}
"""By module, ``python.module:NAME`` of its :class:`~fate_federated.catalog.spec.ModuleSpec`, imported when it is asked
for."""
