"""A training's models and summary, in FATE's forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fate_components.columns import anonymous_name
from fate_components.secureboost.model import Forest, Gain, HostForest, Splits, Tree
from fate_components.secureboost.spec import TreeTrainingParams
from fate_components.tables import label_text
from fate_federated.party import Party
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.model import Model


@dataclass(frozen=True, slots=True)
class Importance:
    """How often a feature was asked for and what that gained."""

    splits: int = 0
    gain: float = 0.0


Importances = dict[tuple[str, int], Importance]
"""By site and place of the feature."""


def with_gains(before: Importances, gains: Sequence[Gain], sites: Sequence[str]) -> Importances:
    """Importances with those of more splits."""
    found = dict(before)
    for some in gains:
        place = (sites[some.site], some.feature)
        old = found.get(place, Importance())
        found[place] = Importance(old.splits + 1, old.gain + some.gain)
    return found


def importances_of(model: Model) -> Importances:
    """Those of a guest's model."""
    assert isinstance(model.param, pb.BoostingTreeModelParam)  # noqa: S101 - forest_of has checked it
    found = {}
    for info in model.param.feature_importances:
        of_split, of_gain = (
            (info.importance, info.importance2) if info.main == "split" else (info.importance2, info.importance)
        )
        found[info.sitename, info.fid] = Importance(round(of_split), of_gain)
    return found


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a training at the guest leaves."""

    forest: Forest
    losses: tuple[float, ...]
    converged: bool
    best_iteration: int
    importances: Importances


def site_name(party: Party) -> str:
    """As a node names its party."""
    return f"{party.role}:{party.party_id}"


def guest_model(module: str, params: TreeTrainingParams, learnt: Learnt) -> Model:
    """The guest's: trees with leaves, and which party each node asks."""
    forest = learnt.forest
    param = _param(forest.header, [_tree(tree, forest.sites) for tree in forest.trees], trees_in_round(forest))
    param.init_score.extend(forest.start.tolist())
    param.losses.extend(learnt.losses)
    param.num_classes = len(forest.classes)
    param.classes_.extend(label_text(label) for label in forest.classes.tolist())
    param.labels.extend(forest.classes.tolist())
    param.best_iteration, param.is_converged = learnt.best_iteration, learnt.converged
    main = params.tree_param.feature_importance_type
    for (site, place), found in _ranked(learnt.importances, main):
        values = (found.splits, found.gain) if main == "split" else (found.gain, found.splits)
        param.feature_importances.add(
            sitename=site, fid=place, importance=values[0], importance2=values[1], main=main,
            fullname=full_name(site, place, forest.header),
        )  # fmt: skip
    return Model(module, _meta(params), param)


def host_model(module: str, params: TreeTrainingParams, forest: HostForest, site: str, dimensions: int) -> Model:
    """A host's: the nodes that ask for its features."""
    trees = []
    for tree in forest.trees:
        message = pb.DecisionTreeModelParam()
        _add_splits(message, tree, site)
        trees.append(message)
    return Model(module, _meta(params), _param(forest.header, trees, dimensions))


def trees_in_round(forest: Forest) -> int:
    """One for all dimensions, or one for each."""
    return 1 if any(tree.weight.ndim == 2 for tree in forest.trees) else forest.dimensions


def guest_summary(learnt: Learnt, main: str, validation: Mapping[str, Any]) -> dict[str, Any]:
    """FATE's summary."""
    header = learnt.forest.header
    ranked = _ranked(learnt.importances, main)
    return {
        "loss_history": list(learnt.losses),
        "best_iteration": learnt.best_iteration,
        "is_converged": learnt.converged,
        "feature_importance": {
            full_name(site, place, header): found.splits if main == "split" else found.gain
            for (site, place), found in ranked
        },
        "validation_metrics": dict(validation),
    }


def full_name(site: str, place: int, header: Sequence[str]) -> str:
    """The guest's own feature by name, a host's by its anonymous name."""
    role, _, party_id = site.partition(":")
    return header[place] if role == "guest" else anonymous_name(Party.parse(f"{role}-{party_id}"), place)


def rescaled(forest: Forest, learning_rate: float) -> tuple[Tree, ...]:
    """The trees of a forest for another learning rate."""
    factor = forest.learning_rate / learning_rate
    return tuple(replace(tree, weight=tree.weight * factor) for tree in forest.trees)


def _ranked(importances: Importances, main: str) -> list[tuple[tuple[str, int], Importance]]:
    return sorted(importances.items(), key=lambda item: -(item[1].splits if main == "split" else item[1].gain))


def _meta(params: TreeTrainingParams) -> pb.BoostingTreeModelMeta:
    tree, objective = params.tree_param, params.objective_param
    return pb.BoostingTreeModelMeta(
        tree_meta=pb.DecisionTreeModelMeta(
            criterion_meta=pb.CriterionMeta(criterion_method=tree.criterion_method, criterion_param=params.penalties),
            max_depth=tree.max_depth, min_sample_split=tree.min_sample_split,
            min_impurity_split=tree.min_impurity_split, min_leaf_node=tree.min_leaf_node,
            use_missing=params.knows_missing, zero_as_missing=params.zero_is_missing,
        ),
        learning_rate=params.learning_rate, num_trees=params.num_trees,
        quantile_meta=pb.QuantileMeta(quantile_method="exact", bin_num=params.bin_num),
        objective_meta=pb.ObjectiveMeta(objective=objective.objective or "", param=objective.params or ()),
        task_type=params.task_type, n_iter_no_change=params.n_iter_no_change, tol=params.tol,
    )  # fmt: skip


def _param(
    header: Sequence[str], trees: Sequence[pb.DecisionTreeModelParam], dimensions: int
) -> pb.BoostingTreeModelParam:
    return pb.BoostingTreeModelParam(
        tree_num=len(trees), trees_=trees, tree_dim=dimensions, feature_name_fid_mapping=dict(enumerate(header)),
        best_iteration=-1,
    )  # fmt: skip


def _tree(tree: Tree, sites: Sequence[str]) -> pb.DecisionTreeModelParam:
    message = pb.DecisionTreeModelParam()
    _add_splits(message, tree.own, sites[0])
    nodes = {node.id: node for node in message.tree_}
    rows = zip(tree.left.tolist(), tree.right.tolist(), tree.owner.tolist(), tree.weight.tolist(), strict=True)
    for number, (left, right, owner, weight) in enumerate(rows):
        node = nodes.get(number) or message.tree_.add(id=number, fid=-1, bid=-1)
        if owner < 0:
            node.is_leaf, node.left_nodeid, node.right_nodeid = True, -1, -1
            if isinstance(weight, list):
                node.mo_weight.extend(weight)
            else:
                node.weight = weight
        else:
            node.sitename, node.left_nodeid, node.right_nodeid = sites[owner], left, right
    message.tree_.sort(key=lambda node: node.id)
    for gain in tree.gains:
        node = message.tree_[gain.node]
        node.gain, node.anonymous_fid = gain.gain, gain.feature
    return message


def _add_splits(message: pb.DecisionTreeModelParam, splits: Splits, site: str) -> None:
    columns = (splits.nodes, splits.features, splits.bins, splits.thresholds, splits.missing_left)
    for node, feature, last, threshold, missing_left in zip(*(column.tolist() for column in columns), strict=True):
        direction = -1 if missing_left else 1
        message.tree_.add(id=node, sitename=site, fid=feature, bid=last, missing_dir=direction)
        message.split_maskdict[node] = threshold
        message.missing_dir_maskdict[node] = direction
