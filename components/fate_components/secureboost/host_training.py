"""A host's part in a training."""

from __future__ import annotations

import logging

import numpy as np

from fate_components.crypto.paillier import PublicKey
from fate_components.secureboost.bins import Binned
from fate_components.secureboost.host import HostTree
from fate_components.secureboost.messages import Plan, Verdict
from fate_components.secureboost.model import HostForest, Splits, host_forest_of
from fate_components.secureboost.outputs import host_model, site_name
from fate_components.secureboost.packing import Layout
from fate_components.secureboost.prediction import check_goes_on, features_of, push_answers
from fate_components.secureboost.sampling import columns_of_tree
from fate_components.secureboost.spec import HeteroSecureBoostParams
from fate_components.secureboost.turns import Turns
from fate_federated.errors import DataError, ModelError
from fate_federated.party import Role
from fate_federated.task.component import Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


def train_host(
    ctx: TaskContext,
    module: str,
    params: HeteroSecureBoostParams,
    plan: Plan,
    train: Table,
    validate: Table | None,
    before: Model | None,
) -> Outputs:
    """Grow trees with the guest; ``before`` is a model to go on from."""
    key = PublicKey.from_wire(ctx.guest.pull("public_key"))
    if key.bits != params.encrypt_param.key_length:
        raise DataError(f"The guest's key has {key.bits} bits, not those of encrypt_param.key_length.", public=True)
    header = train.feature_names
    features = features_of(train, header, params)
    validated = None if validate is None else features_of(validate, header, params)
    if plan.goes_on != (before is not None):
        raise ModelError(f"The guest and {ctx.party} do not both go on from a model.")
    trees: list[Splits] = []
    if before is not None:
        old = host_forest_of(before)
        check_goes_on(before, old.header, header, params)
        trees += old.trees
        push_answers(ctx, old, features, "train_before")
        if validated is not None:
            push_answers(ctx, old, validated, "validate_before")
    binned = Binned.of(features, params.bin_num)
    log.info("%d features in up to %d bins", len(header), binned.count)
    layout = Layout.of(key.bits, plan.rows, params.precision, compress=params.cipher_compress, outputs=plan.outputs)
    hosts = [party for party in ctx.participants if party.role is Role.HOST]
    turns, site = Turns(params, len(hosts)), 1 + hosts.index(ctx.party)
    rounds = range(len(trees) // plan.dimensions, len(trees) // plan.dimensions + params.num_trees)
    nodes = sum(1 << depth for number in rounds for depth in turns.depths(number, site))
    answers = -(-sum(map(len, binned.points)) * layout.parts // layout.slots)
    # Deep nodes have few splits: half of what the roots' would make of it.
    key = key.expecting(nodes * plan.dimensions * answers // 2)
    seed = params.random_seed if params.random_seed is not None else int(ctx.rng.integers(1 << 62))
    grown: list[Splits] = []

    def model_of(some: list[Splits]) -> Model:
        return host_model(module, params, HostForest(header, tuple(some)), site_name(ctx.party), plan.dimensions)

    for number in rounds:
        depths = turns.depths(number, site)
        for dimension in range(plan.dimensions):
            step = (number, dimension)
            splits = Splits.none()
            if depths:
                rng = np.random.default_rng([abs(seed), *step])
                columns = columns_of_tree(len(header), params.subsample_feature_rate, rng)
                tree = HostTree(ctx, key, layout, binned, columns, params.tree_param.min_leaf_node)
                splits = tree.grow(step, depths)
            grown.append(splits)
            if validated is not None:
                push_answers(ctx, HostForest(header, (splits,)), validated, "validate", step)
        if params.keeps(number):
            ctx.keep(number, model_of([*trees, *grown]))
        verdict = Verdict.from_wire(ctx.guest.pull("verdict", number))
        if verdict.stop:
            trees += grown[: verdict.trees]
            break
    ctx.tracker.set_summary({"trees": len(trees), "nodes": sum(len(tree.nodes) for tree in trees)})
    return Outputs(model=model_of(trees))
