"""Trees as flat arrays: where rows go in them, and what their leaves add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fate_federated.errors import ModelError
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.model import Model

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Splits:
    """What one party asks in one tree; each array has shape (its nodes,), nodes rising.

    Attributes:
        nodes: ids in the tree.
        features: places in the party's header.
        bins: numbers of the bins up to which rows go left.
        thresholds: values up to which they do.
        missing_left: whether missing values go left.
    """

    nodes: Integers
    features: Integers
    bins: Integers
    thresholds: Floats
    missing_left: Bits

    @classmethod
    def none(cls) -> Splits:
        """Of a party that is not asked."""
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, nothing, np.empty(0), np.empty(0, np.bool_))

    def goes_left(self, features: Floats) -> Bits:
        """For each row and node, shape (rows, nodes).

        Args:
            features: in the order of the header, shape (rows, columns), missing values as NaN.
        """
        every = np.arange(len(features))
        left = [self.sends_left(node, features, every) for node in range(len(self.nodes))]
        return np.stack(left, axis=1) if left else np.empty((len(features), 0), np.bool_)

    def sends_left(self, node: int, features: Floats, rows: Integers) -> Bits:
        """For some rows at one node, given by its place in ``nodes``, shape (len(rows),)."""
        values = features[rows, self.features[node]]
        left: Bits = values <= self.thresholds[node]
        if self.missing_left[node]:
            left |= np.isnan(values)
        return left


@dataclass(frozen=True, slots=True)
class Gain:
    """What one split was worth.

    Attributes:
        site: who is asked.
        feature: its place in that party's header.
        node: where.
    """

    site: int
    feature: int
    gain: float
    node: int


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as the guest has it; node 0 is the root, each array has shape (nodes,).

    Attributes:
        left, right: ids of children; those of a leaf are its own.
        owner: place in the forest's sites; -1 for a leaf.
        weight: of leaves; zero elsewhere. Of a tree for all dimensions at once the shape is (nodes, dimensions).
        own: the guest's splits.
        gains: of the splits, where they are known.
    """

    left: Integers
    right: Integers
    owner: Integers
    weight: Floats
    own: Splits
    gains: tuple[Gain, ...] = ()

    def nodes_of(self, site: int) -> Integers:
        """The nodes at which this site is asked, rising."""
        return np.flatnonzero(self.owner == site)

    def leaves(self, features: Floats, answers: Mapping[int, Bits]) -> Integers:
        """The leaf of each row, shape (rows,).

        Args:
            features: the guest's.
            answers: what the other sites answer: whether each row goes left at each of their nodes.
        """
        asked = {node: (site, column) for site in answers for column, node in enumerate(self.nodes_of(site).tolist())}
        own = {node: column for column, node in enumerate(self.own.nodes.tolist())}
        place = np.empty(len(features), dtype=np.int64)
        # Each row is looked at only in the nodes that it comes to.
        waiting = [(0, np.arange(len(features)))]
        while waiting:
            node, rows = waiting.pop()
            if self.owner[node] < 0:
                place[rows] = node
                continue
            if node in own:
                left = self.own.sends_left(own[node], features, rows)
            else:
                site, column = asked[node]
                left = answers[site][rows, column]
            waiting.append((int(self.left[node]), rows[left]))
            waiting.append((int(self.right[node]), rows[~left]))
        return place


@dataclass(frozen=True, slots=True)
class Forest:
    """What the guest has learnt.

    Attributes:
        header: the guest's features.
        sites: who is asked: the guest first, then hosts, as ``role:party_id``.
        trees: round by round; in a round one for each dimension, or one for all.
        dimensions: 1, or the number of classes if these are more than two.
        start: the score before any tree, shape (dimensions,).
        classes: the labels of a classifier, rising; empty for predicted numbers.
    """

    header: tuple[str, ...]
    sites: tuple[str, ...]
    trees: tuple[Tree, ...]
    dimensions: int
    start: Floats
    learning_rate: float
    classes: Floats

    def scores(self, features: Floats, answers: Mapping[int, Sequence[Bits]]) -> Floats:
        """Sums of leaves and the start, shape (rows, dimensions).

        Args:
            answers: by site and tree, see :meth:`Tree.leaves`.
        """
        scores = np.tile(self.start, (len(features), 1))
        for number, tree in enumerate(self.trees):
            leaves = tree.leaves(features, {site: bits[number] for site, bits in answers.items()})
            scores[:, self.dimensions_of(number)] += self.learning_rate * tree.weight[leaves]
        return scores

    def dimensions_of(self, number: int) -> int | slice:
        """The part of the scores that a tree is for."""
        return slice(None) if self.trees[number].weight.ndim == 2 else number % self.dimensions


@dataclass(frozen=True, slots=True)
class HostForest:
    """What a host has learnt: its splits in each tree."""

    header: tuple[str, ...]
    trees: tuple[Splits, ...]

    def answers(self, features: Floats) -> npt.NDArray[np.uint8]:
        """Whether rows go left at all nodes of all trees, eight to a byte, shape (rows, bytes)."""
        asked = [(tree, node) for tree in self.trees for node in range(len(tree.nodes))]
        packed = np.zeros((-(-len(asked) // 8), len(features)), dtype=np.uint8)
        # Column by column: both the features and the bytes of a node lie together in memory.
        columns = np.asfortranarray(features)
        missing = np.isnan(columns)
        for number, (tree, node) in enumerate(asked):
            feature = tree.features[node]
            left = columns[:, feature] <= tree.thresholds[node]
            if tree.missing_left[node]:
                left |= missing[:, feature]
            packed[number // 8] |= left.view(np.uint8) << np.uint8(7 - number % 8)
        return np.ascontiguousarray(packed.T)


def unpacked_answers(packed: npt.NDArray[np.uint8], counts: Sequence[int]) -> list[Bits]:
    """What :meth:`HostForest.answers` packed, by tree; ``counts`` are the nodes in each."""
    ends = np.cumsum([0, *counts]).tolist()
    by_byte = np.ascontiguousarray(packed.T)
    bits = np.empty((ends[-1], len(packed)), dtype=np.bool_)
    for number, bit in enumerate(bits):
        np.not_equal(by_byte[number // 8] & np.uint8(128 >> number % 8), 0, out=bit)
    return [bits[start:end].T for start, end in pairwise(ends)]


def probability(scores: Floats) -> Floats:
    """Of the second of two classes, shape (rows, 1), or of each of several, shape (rows, classes)."""
    if scores.shape[1] == 1:
        tail = np.exp(-np.abs(scores))
        chance: Floats = np.where(scores >= 0, 1.0, tail) / (1.0 + tail)
        return chance
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def forest_of(model: Model) -> Forest:
    """The guest's trees.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = _messages(model)
    header = _header(param)
    sites: dict[str, int] = {}
    for message in param.trees_:
        for node in message.tree_:
            if not node.is_leaf:
                sites.setdefault(node.sitename, len(sites))
    ordered = sorted(sites, key=lambda site: (not site.startswith("guest:"), sites[site]))
    if not ordered or not ordered[0].startswith("guest:"):
        ordered.insert(0, "guest:")
    places = {site: place for place, site in enumerate(ordered)}
    return Forest(
        header, tuple(ordered), tuple(_tree(message, places) for message in param.trees_),
        max(param.tree_dim, len(param.init_score), 1), np.array(param.init_score),
        meta.learning_rate, np.array(param.labels),
    )  # fmt: skip


def host_forest_of(model: Model) -> HostForest:
    """A host's splits.

    Raises:
        ModelError: it is a model of something else.
    """
    _, param = _messages(model)
    return HostForest(_header(param), tuple(_splits(message, list(message.tree_)) for message in param.trees_))


def _messages(model: Model) -> tuple[pb.BoostingTreeModelMeta, pb.BoostingTreeModelParam]:
    meta, param = model.meta, model.param
    if not isinstance(meta, pb.BoostingTreeModelMeta) or not isinstance(param, pb.BoostingTreeModelParam):
        raise ModelError(f"A model of {model.module} holds no boosted trees.")
    return meta, param


def _header(param: pb.BoostingTreeModelParam) -> tuple[str, ...]:
    return tuple(param.feature_name_fid_mapping[place] for place in range(len(param.feature_name_fid_mapping)))


def _tree(message: pb.DecisionTreeModelParam, places: Mapping[str, int]) -> Tree:
    nodes = sorted(message.tree_, key=lambda node: node.id)
    if [node.id for node in nodes] != list(range(len(nodes))) or not nodes:
        raise ModelError("The nodes of a tree are not numbered from 0 on.")
    own = [node for node in nodes if not node.is_leaf and node.sitename.startswith("guest:")]
    outputs = max(len(node.mo_weight) for node in nodes)
    return Tree(
        left=np.array([node.id if node.is_leaf else node.left_nodeid for node in nodes]),
        right=np.array([node.id if node.is_leaf else node.right_nodeid for node in nodes]),
        owner=np.array([-1 if node.is_leaf else places[node.sitename] for node in nodes]),
        weight=np.array(
            [list(node.mo_weight) or [0.0] * outputs for node in nodes] if outputs else [node.weight for node in nodes]
        ),
        own=_splits(message, own),
        gains=tuple(
            Gain(places[node.sitename], node.anonymous_fid if node.fid < 0 else node.fid, node.gain, node.id)
            for node in nodes
            if not node.is_leaf and node.gain > 0
        ),
    )


def _splits(message: pb.DecisionTreeModelParam, nodes: list[pb.NodeParam]) -> Splits:
    nodes = sorted(nodes, key=lambda node: node.id)
    return Splits(
        np.array([node.id for node in nodes], dtype=np.int64),
        np.array([node.fid for node in nodes], dtype=np.int64),
        np.array([node.bid for node in nodes], dtype=np.int64),
        np.array([message.split_maskdict[node.id] for node in nodes], dtype=np.float64),
        np.array([message.missing_dir_maskdict.get(node.id, 1) != 1 for node in nodes], dtype=np.bool_),
    )
