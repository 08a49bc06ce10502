"""Fitting a model of scikit-learn; what it learns are weights, which are kept as such."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from fate_components.linear.model import Floats, LinearPart
from fate_components.local_baseline.model import Link
from fate_components.local_baseline.spec import LogisticRegressionOptions, Options
from fate_federated.errors import DataError


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model.

    Attributes:
        classes: of a classifier the labels, rising, shape (classes,); else empty.
        iterations: the most that a solver took; 0 where it takes none.
    """

    part: LinearPart
    link: Link
    classes: Floats
    iterations: int
    converged: bool


def fit(
    name: str, options: Options, header: tuple[str, ...], features: Floats, label: Floats, weight: Floats | None
) -> Fitted:
    """Fit a model by its name and options.

    Args:
        header: names of the features.
        features: shape (rows, features), finite.
        label: shape (rows,), finite.
        weight: how much each row counts, shape (rows,); None where all count the same.

    Raises:
        DataError: the labels are all the same, or not of the model's kind.
    """
    if isinstance(options, LogisticRegressionOptions):
        return _classify(options, header, features, label, weight)
    estimator = getattr(linear_model, name)(**options.model_dump())
    iterations, converged = _run(estimator, features, label, weight)
    part = LinearPart(header, estimator.coef_.reshape(-1, 1), np.full(1, float(estimator.intercept_)))
    link = Link.LOG if name == "PoissonRegressor" else Link.IDENTITY
    return Fitted(part, link, np.empty(0), iterations, converged)


def _classify(
    options: LogisticRegressionOptions, header: tuple[str, ...], features: Floats, label: Floats, weight: Floats | None
) -> Fitted:
    classes, place = np.unique(label, return_inverse=True)
    if classes.size < 2:
        raise DataError("The training data has labels of one class only: there is nothing to tell apart.")
    if isinstance(options.class_weight, dict):
        by_label = {float(name): value for name, value in options.class_weight.items()}
        unknown = sorted(set(by_label) - set(classes.tolist()))
        if unknown:
            raise DataError(f"class_weight names {unknown[0]:g}, which is no label of the training data.")
        of_class = np.array([by_label.get(name, 1.0) for name in classes.tolist()])[place]
        weight = of_class if weight is None else weight * of_class
    apart = options.multi_class == "ovr" or (options.multi_class == "auto" and options.solver == "liblinear")
    if classes.size == 2:
        if options.multi_class == "multinomial":
            raise DataError("There are two classes only: multi_class is auto or ovr for these.")
        targets, link = [label], Link.LOGISTIC
    elif apart:
        targets, link = [(label == name).astype(np.int64) for name in classes], Link.ONE_VS_REST
    else:
        targets, link = [label], Link.SOFTMAX
    weights, intercepts, iterations, converged = [], [], 0, True
    for target in targets:
        estimator = linear_model.LogisticRegression(**_arguments(options))
        took, done = _run(estimator, features, target, weight)
        weights.append(estimator.coef_.T)
        intercepts.append(np.broadcast_to(estimator.intercept_, estimator.coef_.shape[:1]))
        iterations, converged = max(iterations, took), converged and done
    part = LinearPart(header, np.column_stack(weights), np.concatenate(intercepts))
    return Fitted(part, link, classes, iterations, converged)


def _arguments(options: LogisticRegressionOptions) -> dict[str, Any]:
    """In the names of today: penalty is told by l1_ratio and C."""
    names = {"C", "dual", "tol", "fit_intercept", "intercept_scaling", "random_state", "solver", "max_iter"}
    arguments = options.model_dump(include=names)
    match options.penalty:
        case None:
            arguments["C"] = np.inf
        case "l1":
            arguments["l1_ratio"] = 1.0
        case "elasticnet":
            arguments["l1_ratio"] = options.l1_ratio
    if options.class_weight == "balanced":
        arguments["class_weight"] = "balanced"
    return arguments


def _run(estimator: Any, features: Floats, label: Floats, weight: Floats | None) -> tuple[int, bool]:
    """Fit; return the iterations and whether they were enough."""
    with warnings.catch_warnings():
        # It is told by the iterations, and so in the log, the summary and the model.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            estimator.fit(features, label, sample_weight=weight)
        except ValueError as error:
            name = type(estimator).__name__
            raise DataError(f"{name} of scikit-learn cannot be fitted to the training data: {error}") from error
    taken = getattr(estimator, "n_iter_", None)
    iterations = 0 if taken is None else int(np.max(taken))
    most = getattr(estimator, "max_iter", None)
    return iterations, most is None or iterations < most
