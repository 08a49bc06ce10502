"""Boosted trees as plain values for a board, and as text that Graphviz draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fate_components.secureboost.model import Forest, Tree
from fate_components.secureboost.outputs import full_name
from fate_components.tables import label_text
from fate_federated.task.context import Tracker

Drawn = dict[str, Any]
"""What JSON holds."""


def log_trees(tracker: Tracker, forest: Forest) -> None:
    """Tell the tracker a forest's trees, as the metric ``trees``."""
    trees = drawn_trees(forest)
    meta = {"metric_type": "TREES", "name": "trees", "trees": trees, "dot": [graphviz(tree) for tree in trees]}
    tracker.log_metric("train", "trees", (), meta)


def drawn_trees(forest: Forest) -> list[Drawn]:
    """Every tree as a dictionary.

    Returns:
        ``tree``: its number. ``class``: the label that it is for, None where it is for all. ``nodes``: see
        :func:`drawn_nodes`.
    """
    classes = [label_text(label) for label in forest.classes.tolist()]
    trees = []
    for number, tree in enumerate(forest.trees):
        dimension = forest.dimensions_of(number)
        one = classes[dimension] if isinstance(dimension, int) and forest.dimensions > 1 else None
        trees.append({"tree": number, "class": one, "nodes": drawn_nodes(tree, forest.sites, forest.header)})
    return trees


def drawn_nodes(tree: Tree, sites: Sequence[str], header: Sequence[str]) -> list[Drawn]:
    """The nodes of a tree by their ids, the root first.

    Returns:
        ``id``; ``party``: who is asked, as ``host:10000``, None of a leaf; ``feature``: the guest's own name or a
        host's anonymous one; ``threshold``: rows with values up to it go left, None where a host keeps it;
        ``missing``: the side of missing values, likewise; ``gain``: of the split; ``weight``: of a leaf, a list in a
        tree for all classes; ``left`` and ``right``: ids of the children, None of a leaf.
    """
    gains = {gain.node: gain for gain in tree.gains}
    own = tree.own
    splits = {
        node: (header[feature], threshold, "left" if missing_left else "right")
        for node, feature, threshold, missing_left in zip(
            own.nodes.tolist(), own.features.tolist(), own.thresholds.tolist(), own.missing_left.tolist(), strict=True
        )
    }
    nodes = []
    for node, (owner, left, right, weight) in enumerate(
        zip(tree.owner.tolist(), tree.left.tolist(), tree.right.tolist(), tree.weight.tolist(), strict=True)
    ):
        leaf, gain = owner < 0, gains.get(node)
        feature, threshold, missing = splits.get(node, (None, None, None))
        if feature is None and gain is not None:
            feature = full_name(sites[owner], gain.feature, header)
        nodes.append(
            {
                "id": node, "party": None if leaf else sites[owner], "feature": feature, "threshold": threshold,
                "missing": missing, "gain": None if gain is None else gain.gain, "weight": weight if leaf else None,
                "left": None if leaf else left, "right": None if leaf else right,
            }
        )  # fmt: skip
    return nodes


def graphviz(tree: Drawn) -> str:
    """A digraph of Graphviz's of a tree that :func:`drawn_trees` gave."""
    title = f"tree {tree['tree']}" + ("" if tree["class"] is None else f", class {tree['class']}")
    lines = ["digraph tree {", f"    label={json.dumps(title, ensure_ascii=False)};", "    node [shape=box];"]
    for node in tree["nodes"]:
        label, shape = _label(node), ", shape=ellipse" if node["party"] is None else ""
        lines.append(f"    {node['id']} [label={json.dumps(label, ensure_ascii=False)}{shape}];")
        if node["party"] is not None:
            lines.append(f'    {node["id"]} -> {node["left"]} [label="yes"];')
            lines.append(f'    {node["id"]} -> {node["right"]} [label="no"];')
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: Drawn) -> str:
    if node["party"] is None:
        weights = node["weight"] if isinstance(node["weight"], list) else [node["weight"]]
        return "\n".join(f"{weight:.6g}" for weight in weights)
    asked = "a feature" if node["feature"] is None else str(node["feature"])
    if node["threshold"] is not None:
        asked += f" <= {node['threshold']:.6g}"
    return "\n".join([asked, node["party"], *([] if node["gain"] is None else [f"gain {node['gain']:.6g}"])])
