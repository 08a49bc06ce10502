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
from fate_federated.errors import ModelError
from fate_federated.task.model import Model

HOMO_LR = "HomoLR"
PMML = "http://www.dmg.org/PMML-4_4"


def as_sklearn(model: Model) -> LogisticRegression | OneVsRestClassifier:
    """A fitted estimator that predicts as the model does; more than two classes are each against the rest.

    Raises:
        ModelError: the model is none of HomoLR.
    """
    part, classes = _part(model)
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
    part, classes = _part(model)
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


def _part(model: Model) -> tuple[LinearPart, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    if model.module != HOMO_LR:
        raise ModelError(
            f"{model.module} has no form outside of its federation: only models of horizontally split data do, where "
            "every party has the whole. HomoLR can be converted."
        )
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
