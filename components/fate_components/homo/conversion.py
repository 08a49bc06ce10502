"""Models of horizontally split data as other tools know them: every party has the whole model, so it can stand alone.

A conversion holds one component. Columns are those that came into it, after whatever the components before it did.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer

from fate_components.linear.model import LinearPart, linear_part
from fate_components.secureboost.model import Forest, forest_of
from fate_federated.errors import ModelError
from fate_federated.task.model import Model

HOMO_LR, HOMO_SECURE_BOOST = "HomoLR", "HomoSecureBoost"
_CANNOT = (
    "{} has no such form outside of its federation: only models of horizontally split data have, where every party has "
    "the whole. HomoLR becomes sklearn, onnx or pmml, HomoSecureBoost lightgbm or onnx."
)
PMML = "http://www.dmg.org/PMML-4_4"


def no_such_form(module: str) -> str:
    """Why a component's model cannot be converted."""
    return _CANNOT.format(module)


def as_sklearn(model: Model) -> LogisticRegression | OneVsRestClassifier:
    """A fitted estimator that predicts as the model does; more than two classes are each against the rest.

    Raises:
        ModelError: the model is none of HomoLR.
    """
    part, classes = part_and_classes(model)
    if len(classes) == 2:
        return _binary(part, 0, classes)
    against = OneVsRestClassifier(LogisticRegression())
    against.estimators_ = [_binary(part, index, np.array([0, 1])) for index in range(len(classes))]
    against.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(classes)
    against.classes_ = classes
    against.n_features_in_ = len(part.header)
    return against


def as_pmml(model: Model) -> bytes:
    """A PMML 4.4 document: a regression with the logit for two classes.

    Raises:
        ModelError: the model is none of HomoLR, or has more than two classes.
    """
    part, classes = part_and_classes(model)
    if len(classes) != 2:
        raise ModelError(f"A model of {len(classes)} classes is one regression for each: convert it to sklearn.")
    root = ET.Element("PMML", {"xmlns": PMML, "version": "4.4"})
    ET.SubElement(root, "Header", {"copyright": "", "description": "HomoLR"})
    dictionary = ET.SubElement(root, "DataDictionary")
    label = ET.SubElement(dictionary, "DataField", {"name": "label", "optype": "categorical", "dataType": "double"})
    for value in classes:
        ET.SubElement(label, "Value", {"value": repr(float(value))})
    for name in part.header:
        ET.SubElement(dictionary, "DataField", {"name": name, "optype": "continuous", "dataType": "double"})
    regression = ET.SubElement(
        root, "RegressionModel", {"functionName": "classification", "normalizationMethod": "logit"}
    )
    schema = ET.SubElement(regression, "MiningSchema")
    ET.SubElement(schema, "MiningField", {"name": "label", "usageType": "target"})
    for name in part.header:
        ET.SubElement(schema, "MiningField", {"name": name})
    intercept = repr(float(part.intercepts[0]))
    larger = ET.SubElement(
        regression, "RegressionTable", {"targetCategory": repr(float(classes[1])), "intercept": intercept}
    )
    for name, weight in zip(part.header, part.weights[:, 0], strict=True):
        ET.SubElement(larger, "NumericPredictor", {"name": name, "coefficient": repr(float(weight))})
    ET.SubElement(regression, "RegressionTable", {"targetCategory": repr(float(classes[0])), "intercept": "0"})
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def as_lightgbm(model: Model) -> str:
    """LightGBM's text format, for ``lightgbm.Booster(model_str=...)``: the same scores, and so the same probabilities.

    Raises:
        ModelError: the model is none of HomoSecureBoost, or its trees are for several classes at once.
    """
    if model.module != HOMO_SECURE_BOOST:
        raise ModelError(no_such_form(model.module))
    forest = forest_of(model)
    if any(tree.weight.ndim == 2 for tree in forest.trees):
        raise ModelError("LightGBM knows no trees that are for several classes at once.")
    blocks = [_lightgbm_tree(forest, number) for number in range(len(forest.trees))]
    objective = "regression"
    if len(forest.classes):
        objective = "binary sigmoid:1" if forest.dimensions == 1 else f"multiclass num_class:{forest.dimensions}"
    elif model.meta.objective_meta.objective == "tweedie":  # type: ignore[attr-defined]
        objective = "tweedie"
    head = {
        "version": "v4",
        "num_class": forest.dimensions,
        "num_tree_per_iteration": forest.dimensions,
        "label_index": 0,
        "max_feature_idx": len(forest.header) - 1,
        "objective": objective,
        "feature_names": " ".join(name.replace(" ", "_") for name in forest.header),
        "feature_infos": " ".join(["[-1e+308:1e+308]"] * len(forest.header)),
        "tree_sizes": " ".join(str(len(block.encode())) for block in blocks),
    }
    lines = ["tree", *(f"{key}={value}" for key, value in head.items()), ""]
    return "\n".join(lines) + "\n" + "".join(blocks) + "end of trees\n"


def _lightgbm_tree(forest: Forest, number: int) -> str:
    tree = forest.trees[number]
    leaves = np.flatnonzero(tree.owner < 0).tolist()
    # LightGBM numbers inner nodes and leaves apart, from 0; a leaf is written as its complement.
    place = {node: ~at for at, node in enumerate(leaves)} | {int(node): at for at, node in enumerate(tree.own.nodes)}
    start = forest.start[number] if number < forest.dimensions else 0.0
    values = [forest.learning_rate * float(tree.weight[leaf]) + float(start) for leaf in leaves]
    inner = len(tree.own.nodes)
    missing_nan, default_left = 8, 2
    fields: dict[str, list[object]] = {
        "split_feature": tree.own.features.tolist(),
        "split_gain": [0] * inner,
        "threshold": [repr(value) for value in tree.own.thresholds.tolist()],
        "decision_type": [missing_nan + default_left * bool(left) for left in tree.own.missing_left],
        "left_child": [place[int(tree.left[node])] for node in tree.own.nodes],
        "right_child": [place[int(tree.right[node])] for node in tree.own.nodes],
        "leaf_value": [repr(value) for value in values],
        "leaf_weight": [0] * len(leaves),
        "leaf_count": [0] * len(leaves),
        "internal_value": [0] * inner,
        "internal_weight": [0] * inner,
        "internal_count": [0] * inner,
    }
    if not inner:
        fields = {"leaf_value": fields["leaf_value"]}
    lines = [f"Tree={number}", f"num_leaves={len(leaves)}", "num_cat=0"]
    lines += [f"{key}={' '.join(map(str, each))}" for key, each in fields.items()]
    return "\n".join([*lines, "is_linear=0", "shrinkage=1", "", "", ""])


def part_and_classes(model: Model) -> tuple[LinearPart, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Weights and labels of a HomoLR.

    Raises:
        ModelError: the model is none.
    """
    if model.module != HOMO_LR:
        raise ModelError(no_such_form(model.module))
    part = linear_part(model, HOMO_LR)
    classes = np.array(getattr(model.param, "classes", ()), dtype=np.float64)
    if len(classes) < 2:
        raise ModelError("The model does not say which classes it tells apart.")
    return part, classes


def _binary(part: LinearPart, index: int, classes: np.ndarray[tuple[int], np.dtype[np.float64]]) -> LogisticRegression:
    one = LogisticRegression()
    one.coef_ = part.weights[:, index][None, :].copy()
    one.intercept_ = part.intercepts[index : index + 1].copy()
    one.classes_ = classes
    one.n_features_in_ = len(part.header)
    one.feature_names_in_ = np.array(part.header, dtype=object)
    one.n_iter_ = np.array([0])
    return one
