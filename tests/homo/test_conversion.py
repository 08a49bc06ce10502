"""Models of HomoLR in scikit-learn and PMML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from fate_components.homo.conversion import PMML, as_pmml, as_sklearn
from fate_federated.errors import ModelError
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
    with pytest.raises(ModelError, match="HeteroLR has no form outside of its federation"):
        as_sklearn(Model("HeteroLR", model.meta, model.param))
