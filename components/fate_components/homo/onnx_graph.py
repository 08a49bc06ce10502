"""Models of horizontally split data as ONNX, for whatever runs that: HomoLR and HomoSecureBoost.

The input ``X`` is float64 of shape (rows, columns), in the order that the model's metadata ``columns`` tells. A
classifier has the outputs ``label`` and ``probabilities``, of shape (rows,) and (rows, classes); what predicts numbers
has ``prediction``, (rows,). The package ``onnx`` is needed: ``pip install fate-federated[onnx]``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fate_components.homo.conversion import HOMO_LR, HOMO_SECURE_BOOST, no_such_form, part_and_classes
from fate_components.linear.model import Floats
from fate_components.secureboost.model import Forest, Tree, forest_of
from fate_federated.errors import ModelError
from fate_federated.task.model import Model

if TYPE_CHECKING:
    from onnx import NodeProto

OPSET, TREES_OPSET, IR_VERSION = 18, 3, 9
"""Of 2023: opset 3 of ai.onnx.ml is the first whose trees compare with float64."""


def as_onnx(model: Model) -> bytes:
    """A serialised ONNX model that predicts as the federation does.

    HomoLR's arithmetic is float64. HomoSecureBoost compares with float64 and sums leaves as the runtime does, whose
    result is float32.

    Raises:
        ModelError: the model is none of the two, or ``onnx`` is not installed.
    """
    if model.module == HOMO_LR:
        part, classes = part_and_classes(model)
        graph = _Graph(part.header)
        weighted = graph.add("MatMul", "X", graph.constant(part.weights))
        scores = graph.add("Add", weighted, graph.constant(part.intercepts))
        several = part.weights.shape[1] > 1
        chances = graph.add("Sigmoid", scores)
        return graph.classifier(_each_against_the_rest(graph, chances) if several else _of_two(graph, chances), classes)
    if model.module == HOMO_SECURE_BOOST:
        return _trees(forest_of(model), model.meta.objective_meta.objective)  # type: ignore[attr-defined]
    raise ModelError(no_such_form(model.module))


class _Graph:
    """Nodes and constants by names that are made up."""

    def __init__(self, header: Sequence[str]) -> None:
        try:
            import onnx
        except ImportError as error:
            raise ModelError("ONNX needs a package: pip install fate-federated[onnx]") from error
        self._onnx, self._header = onnx, tuple(header)
        self._nodes: list[NodeProto] = []
        self._constants: list[Any] = []

    def constant(self, values: Any) -> str:
        """A tensor; its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(self.tensor(values, name))
        return name

    def tensor(self, values: Any, name: str = "values") -> Any:
        return self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """A node of one output; the output's name."""
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], domain=domain, **attributes))
        return name

    def classifier(self, probabilities: str, classes: Floats) -> bytes:
        """The model whose classes have these probabilities."""
        self.add("Identity", probabilities, output="probabilities")
        best = self.add("ArgMax", "probabilities", axis=1, keepdims=0)
        self.add("Gather", self.constant(classes), best, output="label")
        return self._serialised({"label": ["rows"], "probabilities": ["rows", len(classes)]})

    def regressor(self, prediction: str) -> bytes:
        """The model that predicts these numbers, shape (rows, 1)."""
        self.add("Squeeze", prediction, self.constant(np.array([1])), output="prediction")
        return self._serialised({"prediction": ["rows"]})

    def _serialised(self, outputs: dict[str, list[str | int]]) -> bytes:
        helper, double = self._onnx.helper, self._onnx.TensorProto.DOUBLE
        graph = helper.make_graph(
            self._nodes,
            "model",
            [helper.make_tensor_value_info("X", double, ["rows", len(self._header)])],
            [helper.make_tensor_value_info(name, double, shape) for name, shape in outputs.items()],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
        made = helper.make_model(graph, producer_name="fate-federated", opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(made, {"columns": json.dumps(self._header)})
        self._onnx.checker.check_model(made, full_check=True)
        content: bytes = made.SerializeToString(deterministic=True)
        return content


def _of_two(graph: _Graph, chances: str) -> str:
    """Both classes' probabilities, from the larger one's of shape (rows, 1)."""
    return graph.add("Concat", graph.add("Sub", graph.constant(np.ones(1)), chances), chances, axis=1)


def _each_against_the_rest(graph: _Graph, chances: str) -> str:
    """What each class has against the rest, as scikit-learn makes probabilities of it: with a sum of 1."""
    return graph.add("Div", chances, graph.add("ReduceSum", chances, graph.constant(np.array([1])), keepdims=1))


def _trees(forest: Forest, objective: str) -> bytes:
    graph = _Graph(forest.header)
    nodes, leaves = [_nodes(tree) for tree in forest.trees], [_leaves(forest, at) for at in range(len(forest.trees))]
    trees = np.repeat(np.arange(len(forest.trees)), [len(each.numbers) for each in nodes])
    of_nodes: dict[str, Any] = {
        "nodes_treeids": trees.tolist(),
        "nodes_nodeids": [number for each in nodes for number in each.numbers],
        "nodes_modes": [mode for each in nodes for mode in each.modes],
        "nodes_featureids": [feature for each in nodes for feature in each.features],
        "nodes_values_as_tensor": graph.tensor(np.concatenate([each.thresholds for each in nodes])),
        "nodes_missing_value_tracks_true": [left for each in nodes for left in each.missing_left],
        "nodes_truenodeids": [child for each in nodes for child in each.left],
        "nodes_falsenodeids": [child for each in nodes for child in each.right],
    }
    of_leaves: dict[str, Any] = {
        "target_treeids": [leaf.tree for each in leaves for leaf in each],
        "target_nodeids": [leaf.node for each in leaves for leaf in each],
        "target_ids": [leaf.dimension for each in leaves for leaf in each],
        "target_weights_as_tensor": graph.tensor(np.array([leaf.weight for each in leaves for leaf in each])),
    }
    start = graph.tensor(np.asarray(forest.start, dtype=np.float64))
    summed = graph.add(
        "TreeEnsembleRegressor", "X", output="scores", domain="ai.onnx.ml",
        n_targets=forest.dimensions, base_values_as_tensor=start, **of_nodes, **of_leaves,
    )  # fmt: skip
    scores = graph.add("CastLike", summed, "X")
    if not len(forest.classes):
        return graph.regressor(graph.add("Exp", scores) if objective == "tweedie" else scores)
    if forest.dimensions == 1:
        return graph.classifier(_of_two(graph, graph.add("Sigmoid", scores)), forest.classes)
    return graph.classifier(graph.add("Softmax", scores, axis=1), forest.classes)


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A tree as ONNX lists it, leaves among the nodes: these have zeros."""

    numbers: list[int]
    modes: list[str]
    features: list[int]
    thresholds: Floats
    missing_left: list[int]
    left: list[int]
    right: list[int]


def _nodes(tree: Tree) -> _Nodes:
    count, own = len(tree.owner), tree.own
    features, missing_left = np.zeros(count, np.int64), np.zeros(count, np.int64)
    thresholds = np.zeros(count)
    features[own.nodes], missing_left[own.nodes], thresholds[own.nodes] = own.features, own.missing_left, own.thresholds
    splits = tree.owner >= 0
    return _Nodes(
        numbers=list(range(count)),
        modes=np.where(splits, "BRANCH_LEQ", "LEAF").tolist(),
        features=features.tolist(),
        thresholds=thresholds,
        missing_left=missing_left.tolist(),
        left=np.where(splits, tree.left, 0).tolist(),
        right=np.where(splits, tree.right, 0).tolist(),
    )


class _Leaf(NamedTuple):
    """What a leaf adds to the scores of one dimension."""

    tree: int
    node: int
    dimension: int
    weight: float


def _leaves(forest: Forest, number: int) -> list[_Leaf]:
    tree, place = forest.trees[number], forest.dimensions_of(number)
    dimensions = range(forest.dimensions) if isinstance(place, slice) else (place,)
    added = tree.weight.reshape(len(tree.owner), len(dimensions)) * forest.learning_rate
    return [
        _Leaf(number, node, dimension, float(weight))
        for node in np.flatnonzero(tree.owner < 0).tolist()
        for dimension, weight in zip(dimensions, added[node], strict=True)
    ]
