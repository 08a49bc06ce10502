"""Models of HomoLR in scikit-learn, ONNX and PMML, of HomoSecureBoost in LightGBM and ONNX."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from fate_components.homo.conversion import PMML, as_lightgbm, as_pmml, as_sklearn
from fate_components.homo.onnx_graph import as_onnx
from fate_components.secureboost.model import forest_of
from fate_federated.errors import ModelError
from fate_federated.pb.model.boosting_tree_pb2 import BoostingTreeModelMeta, BoostingTreeModelParam
from fate_federated.pb.model.linear_model_pb2 import LRModelMeta, LRModelParam, OneVsRestResult, SingleModel
from fate_federated.task.model import Model

NAMES = ["x0", "x1", "x2", "x3"]

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")


def fitted(classes: int) -> tuple[Model, list[LogisticRegression], np.ndarray, np.ndarray]:
    """A model as HomoLR writes it, of what scikit-learn fitted: one estimator, or one for each class."""
    features, label = load_iris(return_X_y=True)
    if classes == 2:
        features, label = features[label > 0], label[label > 0]
    against = [2] if classes == 2 else [0, 1, 2]
    estimators = [LogisticRegression().fit(features, label == each) for each in against]
    singles = [
        SingleModel(
            weight=dict(zip(NAMES, one.coef_[0].tolist(), strict=True)),
            intercept=float(one.intercept_[0]),
            header=NAMES,
        )
        for one in estimators
    ]
    param = LRModelParam(header=NAMES, classes=sorted(set(label.tolist())))
    if classes == 2:
        param.weight.update(singles[0].weight)
        param.intercept = singles[0].intercept
    else:
        param.need_one_vs_rest = True
        param.one_vs_rest_result.CopyFrom(OneVsRestResult(completed_models=singles))
    return Model("HomoLR", LRModelMeta(), param), estimators, features, label


def test_two_classes_predict_the_same_in_sklearn() -> None:
    model, (original,), features, _ = fitted(2)
    converted = as_sklearn(model)
    np.testing.assert_allclose(converted.predict_proba(features), original.predict_proba(features), rtol=1e-12)
    assert set(converted.predict(features)) == {1.0, 2.0}


def test_more_classes_are_each_against_the_rest() -> None:
    model, originals, features, label = fitted(3)
    converted = as_sklearn(model)
    scores = np.column_stack([one.decision_function(features) for one in originals])
    np.testing.assert_allclose(converted.decision_function(features), scores, rtol=1e-12)
    assert np.array_equal(converted.predict(features), scores.argmax(axis=1).astype(float))
    assert (converted.predict(features) == label).mean() > 0.9


def test_pmml_has_the_weights() -> None:
    model, (original,), _, _ = fitted(2)
    root = ET.fromstring(as_pmml(model))
    tables = root.findall(f".//{{{PMML}}}RegressionTable")
    assert [table.get("targetCategory") for table in tables] == ["2.0", "1.0"]
    weights = [float(each.get("coefficient", "")) for each in tables[0]]
    assert weights == original.coef_[0].tolist()
    assert float(tables[0].get("intercept", "")) == original.intercept_[0]


def test_what_has_no_form_outside_is_said() -> None:
    model, *_ = fitted(3)
    with pytest.raises(ModelError, match="one regression for each"):
        as_pmml(model)
    with pytest.raises(ModelError, match="HeteroLR has no such form outside of its federation"):
        as_sklearn(Model("HeteroLR", model.meta, model.param))


def boosted(classes: int) -> Model:
    """Trees of a depth of 2, as HomoSecureBoost writes them; a round has a tree for each of several classes."""
    generator = np.random.default_rng(classes)
    dimensions = classes if classes > 2 else 1
    param = BoostingTreeModelParam(
        tree_num=3 * dimensions, tree_dim=dimensions, num_classes=classes, init_score=[0.25] * dimensions,
        feature_name_fid_mapping=dict(enumerate(NAMES)), labels=list(map(float, range(classes))),
    )  # fmt: skip
    for number in range(3 * dimensions):
        tree = param.trees_.add()
        if number == 0:
            tree.tree_.add(id=0, is_leaf=True, weight=0.5, sitename="guest:9999")
            continue
        for node in range(7):
            if node < 3:
                feature = int(generator.integers(4))
                tree.tree_.add(
                    id=node, sitename="guest:9999", fid=feature, left_nodeid=2 * node + 1, right_nodeid=2 * node + 2
                )
                tree.split_maskdict[node] = float(generator.normal())
                tree.missing_dir_maskdict[node] = int(generator.choice([-1, 1]))
            else:
                tree.tree_.add(id=node, is_leaf=True, weight=float(generator.normal()), sitename="guest:9999")
    return Model("HomoSecureBoost", BoostingTreeModelMeta(learning_rate=0.3), param)


def read_as_lightgbm_does(text: str, features: np.ndarray) -> np.ndarray:
    """Raw scores, by what LightGBM's documentation says of its format."""
    head, *trees = text.split("Tree=")
    said = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    assert [len(f"Tree={each}".removesuffix("end of trees\n").encode()) for each in trees] == list(
        map(int, said["tree_sizes"].split())
    )
    per_round = int(said["num_tree_per_iteration"])
    scores = np.zeros((len(features), per_round))
    for number, block in enumerate(trees):
        fields = {
            key: value.split() for key, value in (line.split("=", 1) for line in block.splitlines() if "=" in line)
        }
        for row, values in enumerate(features):
            at = 0 if len(fields["leaf_value"]) > 1 else -1
            while at >= 0:
                value, kind = values[int(fields["split_feature"][at])], int(fields["decision_type"][at])
                left = bool(kind & 2) if np.isnan(value) else value <= float(fields["threshold"][at])
                at = int(fields["left_child" if left else "right_child"][at])
            scores[row, number % per_round] += float(fields["leaf_value"][~at])
    return scores


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_trees_score_the_same_in_lightgbm(classes: int) -> None:
    model = boosted(classes)
    features = np.random.default_rng(7).normal(size=(200, 4))
    features[::5, 1] = np.nan
    scores = read_as_lightgbm_does(as_lightgbm(model), features)
    np.testing.assert_allclose(scores, forest_of(model).scores(features, {}), rtol=1e-12)
    assert ("multiclass num_class:3" in as_lightgbm(model)) == (classes == 3)


def run_onnx(content: bytes, features: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(content)
    assert json.loads(session.get_modelmeta().custom_metadata_map["columns"]) == NAMES
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"X": features}), strict=True))


@pytest.mark.parametrize("classes", [2, 3])
def test_onnx_predicts_as_sklearn_does(classes: int) -> None:
    model, _, features, _ = fitted(classes)
    converted, said = as_sklearn(model), run_onnx(as_onnx(model), features)
    np.testing.assert_allclose(said["probabilities"], converted.predict_proba(features), rtol=1e-12, atol=1e-15)
    assert np.array_equal(said["label"], converted.predict(features))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_trees_score_the_same_in_onnx(classes: int) -> None:
    model = boosted(classes)
    features = np.random.default_rng(7).normal(size=(200, 4))
    features[::5, 1] = np.nan
    # float64 thresholds: a value that float32 would put on the other side.
    features[0] = [np.nextafter(value, np.inf) for value in forest_of(model).trees[1].own.thresholds[:1].repeat(4)]
    scores = forest_of(model).scores(features, {})
    said = run_onnx(as_onnx(model), features)
    if classes == 0:
        np.testing.assert_allclose(said["prediction"], scores[:, 0], rtol=1e-5, atol=1e-6)
        return
    odds = np.exp(scores) if classes == 3 else np.column_stack([np.ones(len(scores)), np.exp(scores)])
    np.testing.assert_allclose(said["probabilities"], odds / odds.sum(axis=1, keepdims=True), rtol=1e-5)
    assert np.array_equal(said["label"], odds.argmax(axis=1).astype(float))


def test_a_tree_of_several_classes_at_once_is_scored_in_onnx() -> None:
    model = boosted(3)
    param = model.param
    assert isinstance(param, BoostingTreeModelParam)
    for tree in param.trees_:
        for node in tree.tree_:
            if node.is_leaf:
                node.mo_weight.extend([node.weight, 2 * node.weight, -node.weight])
    features = np.random.default_rng(7).normal(size=(50, 4))
    assert forest_of(model).trees[1].weight.ndim == 2
    odds = np.exp(forest_of(model).scores(features, {}))
    said = run_onnx(as_onnx(model), features)
    np.testing.assert_allclose(said["probabilities"], odds / odds.sum(axis=1, keepdims=True), rtol=1e-5)


def test_tweedies_scores_are_logarithms_in_onnx() -> None:
    model = boosted(0)
    assert isinstance(model.meta, BoostingTreeModelMeta)
    model.meta.objective_meta.objective = "tweedie"
    features = np.random.default_rng(7).normal(size=(50, 4))
    said = run_onnx(as_onnx(model), features)
    np.testing.assert_allclose(said["prediction"], np.exp(forest_of(model).scores(features, {})[:, 0]), rtol=1e-5)


def test_what_has_no_form_in_onnx_is_said() -> None:
    model, *_ = fitted(2)
    with pytest.raises(ModelError, match="HeteroLR has no such form outside of its federation"):
        as_onnx(Model("HeteroLR", model.meta, model.param))
