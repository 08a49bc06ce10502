"""A component's parameters at one party: layers laid over each other, each value knowing where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from typing import Any

from pydantic import ValidationError

from fate_federated.catalog.spec import ModuleSpec
from fate_federated.dsl.document import Document, Path
from fate_federated.dsl.findings import MAX_FINDINGS, Explained, Findings, explain, place_of
from fate_federated.party import Party


class Layers:
    """Parameters merged from several places of a conf. Objects merge key by key; of anything else the last wins.

    Attributes:
        values: the merged parameters.
    """

    def __init__(self, base: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = deepcopy(dict(base or {}))
        self._origins: dict[Path, Path] = {}

    def lay(self, value: object, at: Path, where: Path = ()) -> None:
        """Lay what stands at a path of the conf over the parameter ``where``, by default over all of them."""
        self._origins[where] = at
        if isinstance(value, Mapping):
            self._open(where)
            for key, inner in value.items():
                self.lay(inner, (*at, key), (*where, key))
        else:
            self._open(where[:-1])[where[-1]] = value

    def origin(self, where: Path) -> Path:
        """The path in the conf of a parameter, or of the nearest one around it."""
        for depth in range(len(where), -1, -1):
            if where[:depth] in self._origins:
                return self._origins[where[:depth]] + where[depth:]
        return ()

    def rename(self, old: str, new: str) -> None:
        """Call a parameter otherwise, unless there is one of that name which was laid, too."""
        if old in self.values:
            value = self.values.pop(old)
            if (new,) not in self._origins:
                self.lay(value, self._origins[(old,)], (new,))

    def drop(self, where: Path) -> None:
        """Forget a parameter."""
        values: Any = self.values
        for part in where[:-1]:
            values = values[part]
        del values[where[-1]]

    def _open(self, where: Path) -> dict[Any, Any]:
        """The object at a place, made where there is none."""
        values: dict[Any, Any] = self.values
        for part in where:
            if not isinstance(values.get(part), dict):
                values[part] = {}
            values = values[part]
        return values


def check_parameters(
    name: str,
    spec: ModuleSpec,
    layers: Mapping[Party, Layers],
    conf: Document,
    findings: Findings,
    *,
    ignore_unknown: bool,
    complete: bool = True,
) -> dict[Party, Mapping[str, Any]]:
    """Check a component's parameters at each party against its schema.

    Args:
        layers: by participating party.
        ignore_unknown: drop unknown parameters with a warning, as FATE up to 1.4 did.
        complete: nothing else will be laid over or under these; else what is missing gives only a warning.

    Returns:
        the parameters as the user gave them; wrong ones are noted in ``findings``.
    """
    said: dict[tuple[Path, Explained, bool], list[Party]] = {}
    for party, layer in layers.items():
        for found, ignored in _problems(spec, layer, ignore_unknown=ignore_unknown):
            at = layer.origin(found.where)
            said.setdefault((at, replace(found, where=()), ignored), []).append(party)
    for (path, found, ignored), parties in said.items():
        at_parties = "" if len(parties) == len(layers) else f" at {', '.join(map(str, parties))}"
        message = f"{name}{at_parties}: {found.message}"
        if found.missing and len(conf.nearest(path)) < 2:  # nothing is said of the component at all
            place = f"/algorithm_parameters/{name}" if ignore_unknown else f"/component_parameters/common/{name}"
            found = replace(found, remedy=f"Write it in {place}, or for each role by itself.")
        if ignored:
            findings.warn(conf, path, f"{message} and is ignored", found.remedy)
        elif found.missing and not complete:
            findings.warn(conf, path, f"{message} here: it has to come from the job that trained", found.remedy)
        else:
            findings.error(conf, path, message, found.remedy, found.kind)
    return {party: layer.values for party, layer in layers.items()}


def _problems(spec: ModuleSpec, layer: Layers, *, ignore_unknown: bool) -> list[tuple[Explained, bool]]:
    """What is wrong with one party's parameters, and whether it is ignored."""
    try:
        spec.params.model_validate(layer.values)
    except ValidationError as error:
        problems = list(islice(explain(error, spec.params, layer.values), MAX_FINDINGS))
        unknown: set[Path] = set()
        if ignore_unknown:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            extra = [detail for detail in details if detail["type"] == "extra_forbidden"]
            unknown.update(place_of(detail, layer.values) for detail in extra)
            for where in unknown:
                layer.drop(where)
        return [(found, found.where in unknown) for found in problems]
    return []
