"""Whether parties that train together were given the same values of the parameters that all of them go by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fate_federated.catalog.spec import ComponentParams
from fate_federated.errors import ConfigError
from fate_federated.party import Party
from fate_federated.task.context import TaskContext


def stated(params: ComponentParams, names: Sequence[str]) -> dict[str, str]:
    """Some parameters as JSON, by name; ``cv_param.n_splits`` is one in a group."""
    found = {}
    for name in names:
        value: Any = params.model_dump(mode="json")
        for part in name.split("."):
            value = value[part]
        found[name] = json.dumps(value, sort_keys=True)
    return found


def check_alike(ctx: TaskContext, lead: Party, own: Mapping[str, str], theirs: Mapping[str, Any]) -> None:
    """Compare what two parties stated.

    Raises:
        ConfigError: parameters differ.
    """
    different = sorted(name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name))
    if different:
        raise ConfigError(
            f"{lead} and {ctx.party} have other values of {', '.join(different)} for {ctx.component}. "
            "Give all parties the same."
        )
