"""Handing on what a component of an earlier job kept."""

from __future__ import annotations

from fate_components.cache_loader.spec import CacheLoaderParams
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext


class CacheLoader(Component[CacheLoaderParams]):
    """Each party hands on its own part of the cache; nothing is sent."""

    Params = CacheLoaderParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._load(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._load(ctx, inputs)

    def _load(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        job_id, component, name = self.params.job_id, self.params.component_name, self.params.cache_name
        if not (job_id and component and name):
            raise DataError(
                f"{ctx.component} names no cache: write job_id, component_name and cache_name of a job that ran with "
                "run_cache."
            )
        cache = None if inputs.caches is None else inputs.caches.read(job_id, component, name)
        if cache is None:
            raise DataError(
                f"{ctx.party} has no cache {name!r} of {component} in job {job_id}. "
                "Name a job that ran to its end with run_cache, and that this party took part in.",
                public=True,
            )
        info = {"job_id": job_id, "component_name": component, "cache_name": name, "module": cache.module}
        ctx.tracker.log_metric("cache_loader", name, (), {"metric_type": "cache_info", "cache_info": info})
        ctx.tracker.set_summary(info)
        return Outputs(cache=cache)
