"""Parts of versions to a folder outside of the site, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import fsspec

from fate_components.model_store.spec import ModelRestoreParams, ModelStoreParams
from fate_federated.errors import ModelError, RegistryError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import ModelReader


class ModelStore(Component[ModelStoreParams]):
    """Each party writes its own part of a version as FATE's zip. The first says which version that is; nothing else
    is sent.
    """

    Params = ModelStoreParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._store(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._store(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._store(ctx, inputs)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._store(ctx, inputs)

    def _store(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        registry = _registry(ctx, inputs)
        others = {peer.party: peer for peer in (*ctx.guests, *ctx.hosts, *ctx.arbiters)}
        first = ctx.participants[0]
        if ctx.party == first:
            version = registry.version(self.params.model_version, self.params.model_id or "")
            for peer in others.values():
                peer.push("version", version)
        else:
            version = str(others[first].pull("version"))
        with tempfile.TemporaryDirectory() as name:
            file = registry.export(version, Path(name))
            filesystem, folder = fsspec.url_to_fs(self.params.store_address.path)
            target = f"{folder.rstrip('/')}/{file.name}"
            if filesystem.exists(target) and not self.params.force_update:
                raise ModelError(f"{target} is there already: set force_update to write over it.")
            filesystem.makedirs(folder, exist_ok=True)
            filesystem.put_file(str(file), target)
        ctx.tracker.set_summary({"model_version": version, "stored": target})
        return Outputs()


class ModelRestore(Component[ModelRestoreParams]):
    """Each party hands in its own part; the version is there at all of them when the last has done so."""

    Params = ModelRestoreParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._restore(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._restore(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._restore(ctx, inputs)

    def run_local(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._restore(ctx, inputs)

    def _restore(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        registry = _registry(ctx, inputs)
        version, others = self.params.model_version, (*ctx.guests, *ctx.hosts, *ctx.arbiters)
        first = ctx.participants[0]
        with tempfile.TemporaryDirectory() as name:
            file = self._fetch(ctx, Path(name))
            if ctx.party == first:
                for peer in others:
                    peer.pull("handed in")
                registry.import_part(file)
            else:
                try:
                    registry.import_part(file)
                except RegistryError as error:
                    if "is unpacked and waits" not in str(error):
                        raise
                next(peer for peer in others if peer.party == first).push("handed in", True)
        ctx.tracker.set_summary({"model_version": version})
        return Outputs()

    def _fetch(self, ctx: TaskContext, folder: Path) -> Path:
        filesystem, place = fsspec.url_to_fs(self.params.store_address.path)
        end = f"_{self.params.model_version}.zip"
        start = f"{ctx.party.role}#{ctx.party.party_id}#{self.params.model_id or ''}"
        listed = filesystem.ls(place, detail=False) if filesystem.isdir(place) else []
        found = [
            str(each) for each in listed if str(each).rpartition("/")[2].startswith(start) and str(each).endswith(end)
        ]
        if len(found) != 1:
            raise ModelError(
                f"{self.params.store_address.path} has {len(found)} parts of version {self.params.model_version} of "
                f"{ctx.party}. `fate model export` and ModelStore call them {start}…{end}."
            )
        filesystem.get_file(found[0], str(folder / "part.zip"))
        return folder / "part.zip"


def _registry(ctx: TaskContext, inputs: Inputs) -> ModelReader:
    if inputs.models is None:
        raise ModelError(f"{ctx.component} has no registry.")
    return inputs.models
