"""Handing on a model that an earlier job made."""

from __future__ import annotations

from fate_components.model_loader.spec import ModelLoaderParams
from fate_federated.errors import ModelError
from fate_federated.party import Role
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import Peer, TaskContext


class ModelLoader(Component[ModelLoaderParams]):
    """Each party hands on its own part. The first of them says which version that is, so that all take the same."""

    Params = ModelLoaderParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._load(ctx, inputs)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._load(ctx, inputs)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._load(ctx, inputs)

    def _load(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        reader, component, alias = inputs.models, self.params.component_name, self.params.model_alias
        if reader is None or not (self.params.model_version and component):
            raise ModelError(f"{ctx.component} names no model: write model_version and component_name.")
        others = {peer.party: peer for peer in (*ctx.guests, *ctx.hosts, *ctx.arbiters)}
        first = ctx.participants[0]
        leads = ctx.party == first
        followers = list(others.values()) if leads else []
        if leads:
            version = reader.version(self.params.model_version, self.params.model_id or "")
            for peer in followers:
                peer.push("version", version)
        else:
            version = str(others[first].pull("version"))
        step = self.params.step_index
        if step is None:
            model = reader.read(version, component, alias)
        else:
            kept = reader.checkpoints(version, component, alias, step)
            if leads:
                attempt = self._common_attempt(version, kept, followers)
            else:
                others[first].push("attempts", list(kept))
                attempt = int(others[first].pull("attempt"))
            model = reader.read_checkpoint(version, component, alias, step, attempt) if attempt in kept else None
        if model is None and ctx.party.role is not Role.ARBITER:
            raise ModelError(f"{ctx.party} has no model {alias!r} of {component} in version {version}.")
        said = {"model_version": version, "component_name": component, "model_alias": alias}
        ctx.tracker.set_summary(said if step is None else {**said, "step_index": step})
        return Outputs(model=model)

    def _common_attempt(self, version: str, kept: tuple[int, ...], followers: list[Peer]) -> int:
        """The newest attempt in which every party that keeps the component's models kept this step."""
        common = set(kept)
        for peer in followers:
            theirs = set(peer.pull("attempts"))
            # An arbiter keeps none.
            if theirs or peer.party.role is not Role.ARBITER:
                common &= theirs
        for peer in followers:
            peer.push("attempt", max(common, default=0))
        if not common:
            raise ModelError(
                f"Step {self.params.step_index} of {self.params.component_name} in job {version} was not kept at all "
                "parties. The log of that task says which steps were."
            )
        return max(common)
