"""A model of scikit-learn at one party, to compare a federated one with."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from typing import Any

import numpy as np

from fate_components.alone import AloneComponent
from fate_components.linear.learner import checked_features
from fate_components.linear.model import Floats, LinearPart, linear_part
from fate_components.linear.prediction import class_names, classified, estimated, joined
from fate_components.local_baseline.fit import Fitted, fit
from fate_components.local_baseline.model import Link, predicted
from fate_components.local_baseline.spec import LocalBaselineParams
from fate_federated.errors import DataError, ModelError
from fate_federated.pb.model import linear_model_pb2 as linear_pb
from fate_federated.pb.model import local_baseline_pb2 as pb
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

MODULE = "LocalBaseline"


class LocalBaseline(AloneComponent[LocalBaselineParams]):
    """Fit a model to a party's own columns and label. Each party by itself; nothing is sent.

    Training data, with or without a model: it is fitted, and predicts these and the validation rows. Other data and a
    model: it predicts. The model is kept as its weights, never pickled. Rows count by their weight where the table has
    one.
    """

    Params = LocalBaselineParams

    def run_alone(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train = inputs.first("train_data") if inputs.model is not None else inputs.first("train_data", "data")
        if train is None:
            return self._predict(ctx, inputs)
        header, features = checked_features(train, MODULE)
        label = _labels(ctx, train)
        fitted = fit(self.params.model_name, self.params.options, header, features, label, train.weight)
        if not (np.isfinite(fitted.part.weights).all() and np.isfinite(fitted.part.intercepts).all()):
            raise ModelError(f"{self.params.model_name} did not converge: its weights are not finite.")
        if not fitted.converged:
            log.warning("%s did not converge in %d iterations", self.params.model_name, fitted.iterations)
        log.info("fitted %s to %d rows and %d columns", self.params.model_name, len(train), len(header))
        ctx.tracker.set_summary(_summary(fitted))
        tables = [("train", train)]
        validate = inputs.first("validate_data", "eval_data")
        if validate is not None:
            tables.append(("validate", validate))
        predictions = [
            self._predictions(table, fitted.part, fitted.link, fitted.classes, kind) for kind, table in tables
        ]
        return Outputs([joined(predictions)], self._model(fitted))

    def _predict(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        test = inputs.first("test_data", "eval_data", "validate_data", "data")
        model = inputs.model
        if test is None:
            raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
        if model is None:
            raise ModelError(f"{ctx.component} has neither training data nor a model. Wire one of them in the dsl.")
        part = linear_part(model, MODULE)
        meta, param = model.meta, model.param
        if not isinstance(meta, pb.LocalBaselineMeta) or meta.link not in list(Link):
            raise ModelError("The model does not say how its scores become predictions.")
        assert isinstance(param, linear_pb.LRModelParam)  # noqa: S101 - linear_part has looked
        classes = np.array(param.classes, dtype=np.float64)
        return Outputs([self._predictions(test, part, Link(meta.link), classes, "predict")], model)

    def _predictions(self, table: Table, part: LinearPart, link: Link, classes: Floats, kind: str) -> Table:
        names, features = checked_features(table, MODULE)
        values = predicted(link, part.score(features[:, part.columns(names)]))
        if link in (Link.IDENTITY, Link.LOG):
            return estimated(table, values[:, 0], kind)
        return classified(table, values, classes, self.params.predict_param.threshold, kind)

    def _model(self, fitted: Fitted) -> Model:
        meta = pb.LocalBaselineMeta(
            model_name=self.params.model_name,
            model_opts=json.dumps(self.params.options.model_dump()),
            link=str(fitted.link),
            threshold=self.params.predict_param.threshold,
            library=f"scikit-learn {version('scikit-learn')}",
        )
        part = fitted.part
        singles = [
            linear_pb.SingleModel(
                iters=fitted.iterations,
                is_converged=fitted.converged,
                weight=_coefficients(part, index),
                intercept=part.intercepts[index],
                header=part.header,
            )
            for index in range(len(part.intercepts))
        ]
        param = linear_pb.LRModelParam(
            iters=fitted.iterations,
            is_converged=fitted.converged,
            header=part.header,
            need_one_vs_rest=len(singles) > 1,
            best_iteration=-1,
            classes=fitted.classes,
        )
        if len(singles) > 1:
            result = linear_pb.OneVsRestResult(
                completed_models=singles, one_vs_rest_classes=class_names(fitted.classes)
            )
            param.one_vs_rest_result.CopyFrom(result)
        else:
            param.weight.update(singles[0].weight)
            param.intercept = singles[0].intercept
        return Model(MODULE, meta, param)


def _labels(ctx: TaskContext, table: Table) -> Floats:
    """The label of each row.

    Raises:
        DataError: there are no rows, no labels, or some that are not numbers.
    """
    if not len(table):
        raise DataError(f"{ctx.component}'s training data has no rows.")
    label = table.label
    if label is None:
        raise DataError(
            f"{ctx.component} needs a label, and the training data of {ctx.party} has none. "
            "Set need_run to false for parties without one."
        )
    missing = np.flatnonzero(~np.isfinite(label))
    if missing.size:
        raise DataError(
            f"The label of {missing.size} training rows is missing, the first that of row {missing[0] + 1}."
        )
    return label


def _summary(fitted: Fitted) -> dict[str, Any]:
    """FATE's: with several classes the same for each."""
    single = [
        {
            "coef": _coefficients(fitted.part, index),
            "intercept": float(intercept),
            "is_converged": fitted.converged,
            "iters": fitted.iterations,
        }
        for index, intercept in enumerate(fitted.part.intercepts)
    ]
    if len(single) == 1:
        return single[0] | {"one_vs_rest": False}
    return dict(zip(class_names(fitted.classes), single, strict=True)) | {"one_vs_rest": True}


def _coefficients(part: LinearPart, index: int) -> dict[str, float]:
    return dict(zip(part.header, part.weights[:, index].tolist(), strict=True))
