"""Running one component at one party: the same for an Airflow task and for a federation in one process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from pydantic import ValidationError

from fate_federated.catalog.discovery import component_names, find_component, load_component
from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.dsl.findings import explain
from fate_federated.dsl.pipeline import EdgeKind, Node
from fate_federated.errors import DslError, DslProblem, ModelError, suggest
from fate_federated.party import Party, Role
from fate_federated.pb.model.not_run_pb2 import NotRun
from fate_federated.task.cache import Cache, CacheReader
from fate_federated.task.component import Catalogue, Inputs, Outputs
from fate_federated.task.context import TaskContext, Traffic
from fate_federated.task.model import Model, ModelReader
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

PASS_THROUGH_PORTS = ("data", "train_data", "validate_data", "test_data", "eval_data")


class OutputStore(Protocol):
    """What the components of a job at one party leave for those that come after them."""

    @property
    def tables(self) -> Catalogue:
        """The site's catalogue."""
        ...

    def load_table(self, component: str, output: str) -> Table | None:
        """A data output, None where the component made none at this party."""
        ...

    def save_table(self, component: str, output: str, table: Table) -> None:
        """Keep a data output."""
        ...

    def load_model(self, component: str, alias: str) -> Model | None:
        """A model output, None where the component made none at this party."""
        ...

    def save_model(self, component: str, alias: str, model: Model) -> None:
        """Keep a model output."""
        ...

    def save_checkpoint(self, component: str, alias: str, step: int, model: Model) -> None:
        """Keep a model that is still being trained, whatever becomes of the task."""
        ...

    @property
    def caches(self) -> CacheReader:
        """What this party's earlier jobs kept."""
        ...

    @property
    def earlier_models(self) -> ModelReader | None:
        """What this party's earlier jobs learnt; None where there is no registry."""
        ...

    def load_cache(self, component: str, name: str) -> Cache | None:
        """A cache output, None where the component made none at this party."""
        ...

    def save_cache(self, component: str, name: str, cache: Cache) -> None:
        """Keep a cache output."""
        ...

    def load_trained(self, component: str, alias: str) -> Model | None:
        """A model output of the job that trained what this job predicts with, None where it left none here.

        Raises:
            ModelError: no such job is named.
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a component went at one party."""

    outputs: Outputs
    traffic: Traffic
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of the first data output."""
        return len(self.outputs.data[0]) if self.outputs.data else 0


def spec_of(module: str) -> ComponentSpec:
    """The spec of an installed component.

    Raises:
        DslError: there is none of that name.
    """
    spec = find_component(module)
    if spec is None:
        raise DslError.at("", f"no component is named {module!r}", suggest(module, component_names()))
    return spec


def build_params(spec: ComponentSpec, parameters: Mapping[str, Any], pointer: str = "") -> ComponentParams:
    """A component's parameters from JSON values, its defaults filled in.

    Args:
        pointer: JSON pointer to ``parameters``.

    Raises:
        DslError: with one problem per wrong parameter.
    """
    try:
        return spec.params.model_validate(dict(parameters))
    except ValidationError as error:
        raise DslError(
            [
                DslProblem("/".join((pointer, *map(str, found.where))), found.message, found.remedy, kind=found.kind)
                for found in explain(error, spec.params, dict(parameters))
            ]
        ) from error


def gather_inputs(node: Node, party: Party, store: OutputStore) -> Inputs:
    """What the components before a node made for it at one party.

    Raises:
        ModelError: a model is missing. An arbiter may do without: not every component leaves one there.
    """
    data: dict[str, list[Table]] = {}
    sources: dict[str, list[str]] = {}
    caches: dict[str, Cache] = {}
    models: dict[EdgeKind, dict[str, Model]] = {EdgeKind.MODEL: {}, EdgeKind.ISOMETRIC_MODEL: {}}
    for edge in node.inputs:
        if edge.kind is EdgeKind.DATA:
            table = store.load_table(edge.source, edge.output)
            if table is not None:
                data.setdefault(edge.port, []).append(table)
                sources.setdefault(edge.port, []).append(edge.source)
        elif edge.kind in models:
            load = store.load_trained if edge.trained else store.load_model
            model = load(edge.source, edge.output)
            if model is not None:
                models[edge.kind][edge.source] = model
            elif party.role is not Role.ARBITER:
                of = "the training's " if edge.trained else ""
                raise ModelError(
                    f"{node.name} needs the model {edge.output!r} of {of}{edge.source}, which left none at {party}."
                )
        else:
            cache = store.load_cache(edge.source, edge.output)
            if cache is None:
                raise ModelError(f"{node.name} needs the cache {edge.output!r} of {edge.source}, which left none.")
            caches[edge.source] = cache
    return Inputs(
        data=data,
        cache=caches,
        caches=store.caches,
        models=store.earlier_models,
        model=next(iter(models[EdgeKind.MODEL].values()), None),
        isometric=models[EdgeKind.ISOMETRIC_MODEL],
        tables=store.tables,
        sources=sources,
    )


def run_component(spec: ComponentSpec, params: ComponentParams, ctx: TaskContext, inputs: Inputs) -> TaskResult:
    """Run a component for ``ctx.party``.

    With FATE's ``need_run: false`` the data passes unchanged, here and where the model that this leaves is applied.
    """
    started = perf_counter()
    not_trained = inputs.model is not None and isinstance(inputs.model.meta, NotRun)
    if getattr(params, "need_run", True) and not not_trained:
        outputs = load_component(spec)(params).run(ctx, inputs)
    else:
        why = "what trained its model did not run" if not_trained else "need_run is false"
        log.info("%s at %s: %s, the data passes unchanged", ctx.component, ctx.party, why)
        table = inputs.first(*PASS_THROUGH_PORTS)
        outputs = Outputs(
            data=() if table is None else (table,), model=inputs.model or Model(spec.module, NotRun(), NotRun())
        )
    result = TaskResult(outputs, ctx.traffic, perf_counter() - started)
    log.info(
        "%s at %s: %d rows out, %d messages (%d bytes) sent, %d received, %.2f s",
        ctx.component, ctx.party, result.rows, ctx.traffic.sent, ctx.traffic.sent_bytes, ctx.traffic.received,
        result.seconds,
    )  # fmt: skip
    return result


def run_task(node: Node, parameters: Mapping[str, Any], ctx: TaskContext, store: OutputStore) -> TaskResult:
    """Run a node of a pipeline for ``ctx.party``: read its inputs, run it, keep its outputs.

    Args:
        parameters: of this party, as the user gave them.

    Raises:
        DslError: no such component, or wrong parameters.
    """
    spec = spec_of(node.module)
    params = build_params(spec, parameters, f"/{node.name}")
    if node.model_outputs:
        ctx.keep = partial(store.save_checkpoint, node.name, node.model_outputs[0])
    result = run_component(spec, params, ctx, gather_inputs(node, ctx.party, store))
    save_outputs(node, result.outputs, store)
    return result


def save_outputs(node: Node, outputs: Outputs, store: OutputStore) -> None:
    """Keep what a component made under the names that the dsl gives it; what the dsl does not name is not kept."""
    for name, table in zip(node.data_outputs, outputs.data, strict=False):
        store.save_table(node.name, name, table)
    if outputs.model is not None and node.model_outputs:
        store.save_model(node.name, node.model_outputs[0], outputs.model)
    if outputs.cache is not None and node.cache_outputs:
        store.save_cache(node.name, node.cache_outputs[0], outputs.cache)
